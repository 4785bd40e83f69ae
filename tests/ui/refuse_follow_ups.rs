//! Follow-ups that don't take one `Ended`, and causes that there are not.

use scheduler::{Ended, Scheduler, job};

#[job]
fn analyse(ended: Ended) -> String {
    ended.job_id().to_owned()
}

#[job(follow_up = analyse, follow_up_on = ["timeout", "failure", "ok"])]
fn is_followed() {}

#[job]
fn takes_a_number(n: u32) -> u32 {
    n
}

#[job]
fn takes_two(ended: Ended, n: u32) -> u32 {
    drop(ended);
    n
}

#[job]
fn takes_nothing() {}

fn no_job(ended: Ended) {
    drop(ended);
}

#[job(follow_up = takes_a_number)]
fn number() {}

#[job(follow_up = takes_two)]
fn two() {}

#[job(follow_up = takes_nothing)]
fn nothing() {}

#[job(follow_up = "analyse")]
fn text() {}

#[job(follow_up = |ended| analyse::job(ended))]
fn closure() {}

#[job(follow_up = analyse, follow_up_on = ["rain"])]
fn unknown_cause() {}

#[job(on_failure = analyse)]
fn other_name() {}

fn main() {
    let _ = Scheduler::new().follow_up_job(takes_a_number::job);
    let _ = is_followed::job().follow_up(no_job);
    let _ = is_followed::job().follow_up(takes_two::job);
    let _ = is_followed::job().follow_up(|ended: Ended| takes_two::job(ended, 1));
}
