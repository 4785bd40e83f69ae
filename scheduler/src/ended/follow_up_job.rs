//! `FollowUpJob`: a function that makes the follow-up job of a job, and the setters that take one.

use std::sync::Arc;

use super::Ended;
use crate::call::{AnyJob, Job};
use crate::options::{FollowUpHook, Options};

/// What can be set as a follow-up job: the `job` function of a job that takes one [`Ended`], or a closure that makes the call of
/// a job from it.
///
/// This trait is sealed, and exists for its error message.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, Ended, Scheduler};
///
/// #[job]
/// fn analyse(ended: Ended) { eprintln!("{ended:?}") }
///
/// #[job]
/// fn keep(ended: Ended, folder: String) { eprintln!("{ended:?} in {folder}") }
///
/// let scheduler = Scheduler::new().follow_up_job(analyse::job);
/// let scheduler = Scheduler::new().follow_up_job(|ended| analyse::job(ended).timeout(Duration::from_secs(5)));
/// let scheduler = Scheduler::new().follow_up_job(|ended| keep::job(ended, "hung".into()));
/// # let _ = scheduler;
/// ```
///
/// A job that takes something else is refused:
///
/// ```compile_fail
/// #[scheduler::job]
/// fn count(n: u32) -> u32 { n }
///
/// #[scheduler::job(follow_up = count)] // Refused: it doesn't take an `Ended`.
/// fn convert() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "this can't follow up on a job",
    label = "expected a job that takes one `Ended`",
    note = "write `#[job] fn analyse(ended: scheduler::Ended) {{ … }}`, and name it as `follow_up = analyse` in an attribute, or as \
            `analyse::job` elsewhere; for more arguments pass a closure: `|ended| keep::job(ended, folder.clone())`"
)]
pub trait FollowUpJob: Send + Sync + 'static {
    /// Returns the call.
    #[doc(hidden)]
    fn call(&self, ended: Ended) -> AnyJob;
}

#[diagnostic::do_not_recommend]
impl<F, J> FollowUpJob for F
where
    F: Fn(Ended) -> J + Send + Sync + 'static,
    J: Into<AnyJob>,
{
    fn call(&self, ended: Ended) -> AnyJob {
        self(ended).into()
    }
}

/// The type in a [`FollowUpHook`].
type Hooked = Arc<dyn FollowUpJob>;

fn hook(follow_up: impl FollowUpJob) -> FollowUpHook {
    FollowUpHook::new(Arc::new(follow_up) as Hooked)
}

/// Returns the function in a hook.
pub(crate) fn follow_up_of(hook: &FollowUpHook) -> &Hooked {
    hook.function().expect("this module makes all hooks")
}

impl Options {
    /// Sets the follow-up job.
    pub fn follow_up(mut self, follow_up: impl FollowUpJob) -> Self {
        self.follow_up = Some(hook(follow_up));
        self
    }
}

impl<T> Job<T> {
    /// Sets the follow-up of this call: a job that receives how this one [`Ended`], if it ends in one of the causes of
    /// [`follow_up_on`](Self::follow_up_on), a timeout unless set.
    ///
    /// Takes the `job` function of a job with one parameter of type [`Ended`], or a closure that makes a call. See
    /// [`follow_up`](macro@crate::job#follow_up).
    #[doc(alias = "on_failure")]
    #[doc(alias = "callback")]
    pub fn follow_up(self, follow_up: impl FollowUpJob) -> Self {
        let call = self.call.follow_up(follow_up);
        Self { call, ..self }
    }
}

impl AnyJob {
    /// Sets the follow-up of this call, as [`Job::follow_up`] does.
    pub fn follow_up(mut self, follow_up: impl FollowUpJob) -> Self {
        self.options.get_or_insert_default().follow_up = Some(hook(follow_up));
        self
    }
}
