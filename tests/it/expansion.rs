//! Where jobs can be declared, and with what around them.

#![expect(
    clippy::boxed_local,
    clippy::many_single_char_names,
    clippy::too_many_arguments,
    clippy::unnecessary_wraps,
    reason = "these jobs are there for their shapes"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use scheduler::{AnyJob, Error, Outcome, Scheduler, jobs, run_job_with_timeout};
use serde::{Deserialize, Serialize};

use crate::PLENTY;

mod inner {
    pub(super) mod deeper {
        use serde::{Deserialize, Serialize};

        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) struct Point {
            pub(crate) x: i32,
        }

        #[scheduler::job]
        pub(in crate::expansion) fn moved(point: Point, by: i32) -> Point {
            Point { x: point.x + by }
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Private(u8);

#[scheduler::job]
fn private(value: Private) -> Option<Private> {
    Some(value)
}

#[scheduler::job(name = "a job of another name")]
fn renamed() -> u8 {
    1
}

#[scheduler::job]
fn r#match(r#type: u8) -> u8 {
    r#type
}

#[scheduler::job]
fn patterns((a, b): (u8, u8), mut c: u8, _: u8, [d, ..]: [u8; 3]) -> u8 {
    c += 1;
    a + b + c + d
}

#[scheduler::job]
#[cfg(any())]
fn compiled_out(_: NoSuchType) {}

#[scheduler::job]
#[must_use]
#[deprecated = "only here to be called by its job"]
fn deprecated() -> u8 {
    9
}

#[scheduler::job]
fn many(
    a: u8,
    b: i64,
    c: String,
    d: Vec<PathBuf>,
    e: HashMap<String, f32>,
    f: Option<char>,
    g: (bool, ()),
    h: Box<[u16]>,
) -> usize {
    usize::from(a)
        + usize::try_from(b).unwrap_or(0)
        + c.len()
        + d.len()
        + e.len()
        + f.iter().count()
        + h.len()
        + usize::from(g.0)
}

macro_rules! declare {
    ($name:ident, $type:ty, $value:expr) => {
        #[scheduler::job]
        fn $name(argument: $type) -> $type {
            argument + $value
        }
    };
}

declare!(declared_by_a_macro, u64, 5);

#[test]
fn jobs_of_every_shape_run() -> Result<(), Error> {
    use inner::deeper::{Point, moved};
    let run = run_job_with_timeout(moved::job(Point { x: 1 }, 2), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(Point { x: 3 }));
    let run = run_job_with_timeout(private::job(Private(3)), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(Some(Private(3))));
    let run = run_job_with_timeout(patterns::job((1, 2), 3, 4, [5, 6, 7]), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(12));
    let paths = vec![PathBuf::from("a")];
    let call =
        many::job(1, 2, "ab".into(), paths, HashMap::from([("k".into(), 1.0)]), Some('x'), (true, ()), [7].into());
    assert_eq!(run_job_with_timeout(call, PLENTY)?.outcome, Outcome::Ok(10));
    Ok(())
}

#[test]
fn a_list_takes_paths_calls_and_braces() -> Result<(), Error> {
    #[expect(deprecated, reason = "that it warns where it is called is the user's business")]
    let records = Scheduler::new().run(jobs![
        ("a", renamed),
        (String::from("b"), r#match(2)),
        ('c', inner::deeper::moved(inner::deeper::Point { x: 1 }, 2)),
        ("d", crate::expansion::declared_by_a_macro(1)),
        ("e", { AnyJob::named("a job of another name", ())? }),
        ("f", self::deprecated,),
    ])?;
    let names: Vec<_> = records.iter().map(|record| (record.job_id(), record.job())).collect();
    assert_eq!(
        names,
        [
            ("a", "a job of another name"),
            ("b", "it::expansion::match"),
            ("c", "it::expansion::inner::deeper::moved"),
            ("d", "it::expansion::declared_by_a_macro"),
            ("e", "a job of another name"),
            ("f", "it::expansion::deprecated"),
        ]
    );
    assert_eq!(records[3].result::<u64>()?, 6);
    Ok(())
}

#[test]
fn a_job_may_stand_in_a_function_body() -> Result<(), Error> {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Local(Vec<u8>);

    #[scheduler::job]
    fn local(value: Local) -> Result<Local, std::num::ParseIntError> {
        "7".parse::<u8>().map(|n| Local(vec![n; value.0.len()]))
    }

    let run = run_job_with_timeout(local::job(Local(vec![1, 2])), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(Local(vec![7, 7])));
    Ok(())
}

#[scheduler::test]
fn a_scheduler_test_may_run_jobs() -> Result<(), Error> {
    assert_eq!(run_job_with_timeout(renamed::job(), PLENTY)?.outcome, Outcome::Ok(1));
    Ok(())
}

#[scheduler::test]
#[should_panic(expected = "as a test may")]
fn a_scheduler_test_may_panic() {
    panic!("as a test may");
}

#[test]
fn a_job_that_is_compiled_out_is_not_registered() {
    assert!(scheduler::registry().iter().all(|entry| !entry.name().contains("compiled_out")));
}
