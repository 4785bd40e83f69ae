//! `SlowNotice`: a line on standard error for each job that is slow.

use std::sync::Arc;

use super::output::{YELLOW, note};
use crate::escape::OneLine;
use crate::observer::{Observer, Slow};
use crate::progress::Bar;

/// Prints a line for each job that has run for as long as its option `slow` says; above the bar, if one is drawn.
#[derive(Debug, Default)]
pub(super) struct SlowNotice {
    pub(super) bar: Option<Arc<Bar>>,
}

impl Observer for SlowNotice {
    fn slow(&self, event: &Slow<'_>) {
        let what = format!("`{}` has been running for {:?}", OneLine(event.job_id), event.after);
        match &self.bar {
            Some(bar) => bar.println(format!("slow: {what}")),
            None => note(&format!("{YELLOW}slow:{YELLOW:#} {what}")),
        }
    }
}
