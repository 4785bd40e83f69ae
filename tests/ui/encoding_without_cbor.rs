//! Without the feature `cbor` nothing would write names.

use scheduler::job;

#[job(encoding = "cbor")]
fn chosen(value: u8) -> u8 {
    value
}

fn main() {
    let _: scheduler::Job<u8> = chosen::job(1);
}
