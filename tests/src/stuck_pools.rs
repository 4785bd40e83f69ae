//! Jobs that are stuck in pools of threads, for the captures of their processes.

#![expect(
    clippy::missing_panics_doc,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::path::PathBuf;

use scheduler::job;

use crate::stuck::ready;

/// Waits for itself, in a runtime with two threads.
#[cfg(feature = "tokio")]
#[job]
pub fn deadlocks_in_tokio(mark: PathBuf) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("worker").build();
    runtime.expect("there is room for threads").block_on(async move {
        let mutex = tokio::sync::Mutex::new(());
        let held = mutex.lock().await;
        ready(&mark);
        let again = mutex.lock().await;
        drop((held, again));
    });
}

/// Waits in a task for what never happens.
#[cfg(feature = "tokio")]
#[job]
pub async fn waits_in_a_task(mark: PathBuf) {
    ready(&mark);
    std::future::pending::<()>().await;
}

/// Waits in one of two threads of a pool for the other, which waits for the first.
#[job]
pub fn deadlocks_in_rayon(mark: PathBuf) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|index| format!("rayon {index}")).build();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    pool.expect("there is room for a thread").install(move || {
        let waits = move || {
            ready(&mark);
            // The other half would send, on the only thread.
            let _ = receiver.recv();
        };
        rayon::join(waits, move || sender.send(()).is_ok())
    });
}
