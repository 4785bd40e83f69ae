//! A job can choose an encoding that carries names.

use scheduler::job;

#[job(encoding = "cbor")]
fn chosen(value: serde_json::Value) -> serde_json::Value {
    value
}

#[job(encoding = "cbor")]
fn without_arguments() {}

fn main() {
    let _: scheduler::Job<serde_json::Value> = chosen::job(serde_json::Value::Null);
    drop(without_arguments::job());
}
