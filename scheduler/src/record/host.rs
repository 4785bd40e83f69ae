//! Where a job ran: `Record::host` and `Record::slot`.

use super::{Record, Run};

impl Record {
    /// Returns the name of the machine that the job ran on, as that calls itself, if it ran at a [slot](Self::slot); `None` if it ran
    /// on the application's own, or never reached another one.
    ///
    /// The times of such a record, but for the timeout of a whole list, are those of that machine's clocks, and its
    /// [`process`](Self::process) is one there.
    #[must_use]
    #[doc(alias = "node")]
    #[doc(alias = "hostname")]
    pub fn host(&self) -> Option<&str> {
        self.run.host()
    }

    /// Returns the number of the slot that the job ran at, from 1; `None` if it ran on the application's own machine.
    ///
    /// Slots are copies of the application on other machines: `Scheduler::on`, with the feature `remote`.
    #[must_use]
    pub fn slot(&self) -> Option<usize> {
        self.run.slot()
    }
}

impl<T> Run<T> {
    /// Returns the name of the machine that the job ran on, as [`Record::host`](crate::Record::host) does.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.details.site.as_ref().map(|site| &*site.host)
    }

    /// Returns the number of the slot that the job ran at, as [`Record::slot`](crate::Record::slot) does.
    #[must_use]
    pub fn slot(&self) -> Option<usize> {
        self.details.site.as_ref().map(|site| site.slot)
    }
}
