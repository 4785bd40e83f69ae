//! A server: threads that share one scheduler, each of which makes one call after the other.

use std::error::Error;
use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use scheduler::{Outcome, Scheduler, job, jobs};
use scheduler_tests::jobs::fast;

/// The variable with the file to which each copy of the application adds a byte when it starts.
const STARTS: &str = "APP_STARTS";

/// The variable with how many milliseconds a copy takes before it reaches `init`.
const BOOT: &str = "APP_BOOT";

/// Works for some milliseconds.
#[job]
fn naps(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// Counts the start of a copy, and takes the time that it is to take.
pub(crate) fn start_slowly() {
    use std::io::Write as _;

    if let Ok(file) = std::env::var(STARTS) {
        let file = fs::OpenOptions::new().create(true).append(true).open(file);
        file.and_then(|mut file| file.write_all(b"s")).expect("the test has made its folder");
    }
    let boot = std::env::var(BOOT).ok().and_then(|boot| boot.parse().ok()).unwrap_or_default();
    thread::sleep(Duration::from_millis(boot));
}

/// Makes the calls that `APP_SERVICE` names, and prints what the test compares.
pub(crate) fn serve(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    let service = std::env::var("APP_SERVICE")?;
    let printed = match service.split_once(' ').unwrap_or((&service, "")) {
        // So many tasks make ten calls each.
        ("lists", tasks) => {
            in_threads(tasks.parse()?, || (0..10).for_each(|_| call(scheduler)));
            0
        }
        ("alternates", _) => {
            for _ in 0..10 {
                call(scheduler);
                assert_eq!(scheduler.spawn(fast::job())?.wait()?.outcome, Outcome::Ok(42));
            }
            0
        }
        // How many processes are kept after a list of many jobs.
        ("keeps", _) => {
            let list: Vec<_> = (0..40).map(|n| (n.to_string(), fast::job())).collect();
            assert_eq!(scheduler.run(list)?.len(), 40);
            kept_processes()?
        }
        // How many milliseconds the first `spawn` takes.
        ("spawns", _) => {
            let clock = Instant::now();
            let handle = scheduler.spawn(fast::job())?;
            let taken = clock.elapsed();
            assert_eq!(handle.wait()?.outcome, Outcome::Ok(42));
            taken.as_millis().try_into()?
        }
        // How many milliseconds a call takes that begins while another one's process works.
        ("overlaps", _) => {
            call(scheduler);
            let busy = scheduler.spawn(naps::job(100))?;
            // On a busy machine it may have finished by now.
            while busy.pid().is_none() && !busy.is_finished() {
                thread::yield_now();
            }
            let clock = Instant::now();
            call(scheduler);
            let taken = clock.elapsed();
            busy.wait()?;
            taken.as_millis().try_into()?
        }
        ("prewarms", _) => {
            scheduler.prewarm()?;
            thread::sleep(Duration::from_millis(std::env::var(BOOT)?.parse::<u64>()? * 2));
            let clock = Instant::now();
            call(scheduler);
            clock.elapsed().as_millis().try_into()?
        }
        ("fails", _) => {
            let error = scheduler.spawn(fast::job())?.wait().expect_err("a fork server is impossible");
            println!("{error:?}");
            0
        }
        (other, _) => return Err(format!("no service `{other}`").into()),
    };
    println!("{printed}");
    Ok(())
}

/// Returns how many processes beside this one have its variables.
fn kept_processes() -> Result<u64, Box<dyn Error>> {
    let starts = std::env::var(STARTS)?;
    let others = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_ours = |process: &u32| {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&starts)
    };
    Ok(others.filter(|process| *process != std::process::id()).filter(is_ours).count().try_into()?)
}

fn call(scheduler: &Scheduler) {
    let records = block_on(scheduler.run_async(jobs![("a", fast)])).expect("the input is fine");
    assert_eq!(records[0].result::<i32>().expect("it succeeds"), 42);
}

fn in_threads(count: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| (0..count).for_each(|_| drop(scope.spawn(&work))));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
