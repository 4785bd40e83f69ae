//! Each kind of job that is stuck, and what its capture shows.

use std::fs;
use std::path::Path;
use std::process::Command;

use scheduler::{Incomplete, ProcessSnapshot, ThreadSnapshot, ThreadState};
use scheduler_tests::leftovers::new_tag;
use scheduler_tests::skips::skipped;
use scheduler_tests::stuck::{Stuck, is_stuck, waits_for_program};
use scheduler_tests::stuck_children::waits_among_exited_children;
use scheduler_tests::stuck_pools::deadlocks_in_rayon;

use super::{calls, captured, functions, is_complete, is_in_time};
use crate::{METHODS, at_once};

/// Asserts that the job, stuck in this way, has a thread with a whole stack with these functions.
#[track_caller]
fn assert_shows(how: Stuck, names: &[&str]) {
    for method in METHODS {
        captured(
            method,
            |mark| is_stuck::job(how, mark),
            |stacks| {
                stacks.first().is_some_and(|job| {
                    job.incomplete().is_empty()
                        && job.threads().iter().all(is_complete)
                        && job.threads().iter().any(|thread| calls(thread, names))
                })
            },
        );
    }
}

/// The function of the job, which every stack of it has.
const JOB: &str = "stuck::is_stuck";

#[test]
fn a_job_that_sleeps_computes_or_handles_a_signal_has_a_whole_stack() {
    at_once(
        [
            (Stuck::Sleeping, &["sleep", "sleeps_deep", "sleeps_deep", "get_stuck", JOB][..]),
            (Stuck::Spinning, &["spins", "get_stuck", JOB]),
            (Stuck::SpinningInC, &["spins", "compares", "spins_in_c", "get_stuck", JOB]),
            (Stuck::BlockingSignals, &["sleep", "sleeps", "get_stuck", JOB]),
            (Stuck::InHandler, &["sleeps", "handles", "in_handler", JOB]),
            (Stuck::OnAlternateStack, &["sleeps", "handles", "in_handler", JOB]),
            (Stuck::InSeccomp, &["read", "in_seccomp", JOB]),
            (Stuck::Stopped, &["get_stuck", JOB]),
            (Stuck::AtNull, &["sleeps", "handles", "at_null", JOB]),
            #[cfg(target_env = "gnu")]
            (Stuck::InMalloc, &["malloc_info", "has_the_allocator", JOB]),
        ],
        |(how, names)| assert_shows(how, names),
    );
}

#[test]
fn both_threads_of_a_deadlock_are_shown_where_they_wait() {
    for method in METHODS {
        let run = captured(
            method,
            |mark| is_stuck::job(Stuck::Deadlocked, mark),
            |stacks| {
                stacks.first().is_some_and(|job| {
                    job.threads().len() == 2
                        && job.threads().iter().all(|thread| {
                            is_complete(thread) && calls(thread, &["lock", "locks_both"]) && waits_in(thread, "futex")
                        })
                })
            },
        );
        let [main, second] = run.stacks()[0].threads() else { unreachable!("there are two") };
        assert_eq!((main.id(), second.name()), (run.stacks()[0].pid(), "second"));
        assert_eq!((main.state(), second.state()), (ThreadState::Sleeping, ThreadState::Sleeping));
        // Some kernels tell nobody.
        if fs::read_to_string("/proc/self/wchan").is_ok() && rustix::process::geteuid().is_root() {
            let channel = main.wait_channel().expect("root may read it");
            assert!(channel.contains("futex"), "{channel}");
        }
        assert!(calls(main, &["locks_both", "deadlocks", JOB]));
    }
}

fn waits_in(thread: &ThreadSnapshot, call: &str) -> bool {
    thread.system_call().is_some_and(|found| found.name() == Some(call))
}

#[test]
fn a_deep_stack_is_cut_at_its_outermost_frames() {
    for method in METHODS {
        let run = captured(
            method,
            |mark| is_stuck::job(Stuck::DeepRecursion, mark),
            |stacks| {
                is_in_time(stacks)
                    && stacks.first().is_some_and(|job| calls(&job.threads()[0], &["sleep", "sleeps_deep"]))
            },
        );
        let thread = &run.stacks()[0].threads()[0];
        assert_eq!((thread.frames().len(), thread.incomplete()), (256, Some(Incomplete::FrameLimit)));
    }
}

#[test]
fn threads_are_shown_if_the_main_thread_has_exited() {
    for method in METHODS {
        let run = captured(
            method,
            |mark| is_stuck::job(Stuck::WithoutMainThread, mark),
            |stacks| {
                is_in_time(stacks)
                    && stacks
                        .first()
                        .is_some_and(|job| job.threads().iter().any(|thread| calls(thread, &["sleep", "sleeps_deep"])))
            },
        );
        let job = &run.stacks()[0];
        let alone = job.threads().iter().find(|thread| thread.name() == "left alone").expect("it is there");
        assert!(is_complete(alone), "{job:?}");
        assert_eq!(job.state(), ThreadState::Zombie);
        assert!(!job.command_line().is_empty(), "it is read through a thread that has not exited");
    }
}

#[test]
fn a_job_in_a_pool_is_shown_with_its_threads() {
    for method in METHODS {
        captured(method, deadlocks_in_rayon::job, |stacks| {
            stacks.first().is_some_and(|job| {
                job.threads().iter().all(is_complete)
                    && job.threads().iter().any(|thread| {
                        thread.name() == "rayon 0"
                            && calls(thread, &["recv", "deadlocks_in_rayon", "join", "rayon_core"])
                    })
            })
        });
    }
}

#[test]
#[cfg(feature = "tokio")]
fn a_job_in_a_runtime_is_shown_with_its_threads() {
    for method in METHODS {
        captured(method, scheduler_tests::stuck_pools::deadlocks_in_tokio::job, |stacks| {
            stacks.first().is_some_and(|job| {
                job.threads().len() == 3
                    && job.threads().iter().all(is_complete)
                    && calls(&job.threads()[0], &["park", "block_on", "deadlocks_in_tokio"])
                    && job
                        .threads()
                        .iter()
                        .any(|thread| thread.name() == "worker" && calls(thread, &["park", "worker"]))
            })
        });
    }
}

/// The call that waits for events. aarch64 has no other one, and musl uses no other one.
#[cfg(feature = "tokio")]
const EPOLL: &str = if cfg!(any(target_arch = "aarch64", target_env = "musl")) { "epoll_pwait" } else { "epoll_wait" };

/// A task that waits is on no stack: its thread waits in the runtime.
#[test]
#[cfg(feature = "tokio")]
fn an_async_job_is_shown_with_its_thread() {
    for method in METHODS {
        captured(method, scheduler_tests::stuck_pools::waits_in_a_task::job, |stacks| {
            stacks.first().is_some_and(|job| {
                job.threads().iter().all(is_complete)
                    && job
                        .threads()
                        .iter()
                        .any(|thread| waits_in(thread, EPOLL) && calls(thread, &["park", "block_on", "scheduler"]))
            })
        });
    }
}

/// Returns the process with this in its command line.
fn running<'a>(stacks: &'a [ProcessSnapshot], argument: &str) -> Option<&'a ProcessSnapshot> {
    stacks.iter().find(|process| process.command_line().iter().any(|own| own == argument))
}

#[test]
fn children_are_shown_with_their_command_lines_and_stacks() {
    for method in METHODS {
        let run = captured(
            method,
            |mark| is_stuck::job(Stuck::WaitingForChild, mark),
            |stacks| {
                let is_stuck = |sleep: &ProcessSnapshot| {
                    waits_in(&sleep.threads()[0], "clock_nanosleep") && is_complete(&sleep.threads()[0])
                };
                is_in_time(stacks) && running(stacks, "300").is_some_and(is_stuck)
            },
        );
        let [job, sleep] = run.stacks() else { panic!("{:?}", run.stacks()) };
        assert_eq!(
            (sleep.parent(), sleep.name(), sleep.command_line()),
            (job.pid(), "sleep", &["sleep".to_owned(), "300".to_owned()][..])
        );
        assert!(calls(&job.threads()[0], &["wait", "waits_for", JOB]), "{job:?}");
    }
}

#[test]
fn a_shell_s_tree_is_shown_parents_first() {
    for method in METHODS {
        let run = captured(
            method,
            |mark| is_stuck::job(Stuck::WaitingForShell, mark),
            |stacks| stacks.len() == 4 && running(stacks, "301").is_some() && running(stacks, "302").is_some(),
        );
        let stacks = run.stacks();
        assert_eq!((stacks[1].name(), stacks[1].parent()), ("sh", stacks[0].pid()));
        assert!(stacks[2..].iter().all(|sleep| sleep.parent() == stacks[1].pid()), "{stacks:?}");
    }
}

#[test]
fn a_python_program_is_shown_with_its_stack() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skipped("there is no Python");
    }
    captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::WaitingForPython, mark),
        |stacks| {
            running(stacks, "import time; time.sleep(300)").is_some_and(|python| {
                let main = &python.threads()[0];
                is_complete(main) && main.frames().len() > 10 && main.system_call().is_some()
            })
        },
    );
}

#[test]
fn a_daemon_is_shown_with_the_warden_as_its_parent() {
    for method in METHODS {
        let tag = new_tag();
        let command = || vec!["sleep".to_owned(), "300".to_owned()];
        let run = captured(
            method,
            |mark| waits_for_program::job(command(), tag.clone(), mark),
            |stacks| running(stacks, &tag).is_some() && running(stacks, "300").is_some(),
        );
        let [job, ..] = run.stacks() else { unreachable!("it is the first") };
        assert_eq!(running(run.stacks(), &tag).map(ProcessSnapshot::parent), Some(job.parent()));
    }
}

#[test]
fn a_thread_that_waits_for_a_process_in_its_memory_holds_nothing_up() {
    let run = captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::InVfork, mark),
        |stacks| {
            stacks.iter().all(|process| process.incomplete().is_empty())
                && stacks.get(1).is_some_and(|child| calls(&child.threads()[0], &["pause", "pauses"]))
        },
    );
    let [job, child] = run.stacks() else { panic!("{:?}", run.stacks()) };
    assert_eq!(child.parent(), job.pid());
    assert!(job.incomplete().is_empty() && child.incomplete().is_empty(), "{:?}", run.stacks());
    assert!(!job.command_line().is_empty());
    assert!(job.threads().iter().any(|thread| thread.incomplete() == Some(Incomplete::Uninterruptible)), "{job:?}");
}

#[test]
fn a_job_as_another_user_is_shown_to_a_privileged_application() {
    if !rustix::process::geteuid().is_root() {
        return skipped("it takes root to become another user");
    }
    assert_shows(Stuck::AsAnotherUser, &["sleep", "sleeps", "get_stuck", JOB]);
}

#[test]
fn a_process_that_is_traced_already_is_shown_without_its_stack() {
    let run = captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::TracingItsChild, mark),
        |stacks| running(stacks, "300").is_some() && is_in_time(stacks),
    );
    let [job, child] = run.stacks() else { panic!("{:?}", run.stacks()) };
    assert!(job.incomplete().is_empty() && is_complete(&job.threads()[0]), "{job:?}");
    assert!(matches!(child.incomplete(), [Incomplete::Refused { errno: libc::EPERM, .. }]), "{child:?}");
    assert_eq!((child.threads().len(), child.threads()[0].frames().len()), (1, 0));
    assert_eq!(child.command_line(), ["sleep", "300"]);
}

/// Compiles a C program that sleeps in a function; `None`, after reporting why, if that is impossible here.
fn compile(compiler: &str, options: &[&str], folder: &Path) -> Option<String> {
    let (source, program) = (folder.join("sleeps.c"), folder.join("sleeps"));
    let text = "#include <unistd.h>\n\
                __attribute__((noinline)) int innermost(int n) { sleep(300); return n; }\n\
                __attribute__((noinline)) int outer(int n) { return innermost(n + 1) + 1; }\n\
                int main(int count, char **arguments) { return outer(count); }\n";
    fs::write(&source, text).expect("a temporary folder");
    let output = Command::new(compiler).args(options).args(["-O1", "-o"]).args([&program, &source]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(program.to_str().expect("a temporary folder").to_owned());
    }
    skipped(format_args!("`{compiler}` compiles no such program here"));
    None
}

fn assert_program_is_shown(compiler: &str, options: &[&str], expected: impl Fn(&ThreadSnapshot) -> bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(program) = compile(compiler, options, folder.path()) else { return };
    let command = || vec![program.clone()];
    captured(
        METHODS[0],
        |mark| waits_for_program::job(command(), String::new(), mark),
        |stacks| {
            running(stacks, &program).is_some_and(|process| {
                let main = &process.threads()[0];
                main.system_call().is_some() && expected(main)
            })
        },
    );
}

#[test]
fn a_static_program_is_shown_with_its_stack() {
    assert_program_is_shown("cc", &["-static", "-Wl,--eh-frame-hdr"], |main| {
        is_complete(main) && calls(main, &["nanosleep", "innermost", "outer", "main"])
    });
    // Without the table that leads to its unwind information.
    assert_program_is_shown("cc", &["-static", "-Wl,--no-eh-frame-hdr"], |main| {
        let guessed = main.frames().iter().filter(|frame| frame.is_guessed()).count();
        is_complete(main)
            && guessed == main.frames().len() - 1
            && calls(main, &["nanosleep", "innermost", "outer", "main"])
    });
}

#[test]
fn a_stripped_program_is_shown_by_the_offsets_of_its_frames() {
    assert_program_is_shown("cc", &["-s", "-Wl,--build-id"], |main| {
        let own = main.frames().iter().filter(|frame| frame.module().is_some_and(|module| module.ends_with("/sleeps")));
        is_complete(main) && own.clone().count() >= 3 && own.clone().all(|frame| frame.build_id().is_some())
    });
}

/// The functions of musl have no unwind information.
#[test]
fn a_program_with_musl_is_shown_with_its_stack() {
    for options in [&["-static", "-fasynchronous-unwind-tables"][..], &["-static"], &[]] {
        assert_program_is_shown("musl-gcc", options, |main| {
            is_complete(main) && calls(main, &["nanosleep", "sleep", "innermost", "outer", "main"])
        });
    }
}

#[test]
fn processes_that_have_exited_take_no_place_from_others() {
    let run = captured(
        METHODS[0],
        |mark| waits_among_exited_children::job(70, mark),
        |stacks| running(stacks, "300").is_some_and(|sleep| waits_in(&sleep.threads()[0], "clock_nanosleep")),
    );
    let zombies = run.stacks().iter().filter(|process| process.state() == ThreadState::Zombie).count();
    assert_eq!((zombies, run.stacks().len()), (16, 18));
    assert!(format!("{:?}", run.stacks()[0].incomplete()).contains("ProcessLimit { omitted: 54 }"));
    let text = ProcessSnapshot::tree(run.stacks()).to_string();
    assert_eq!(text.lines().filter(|line| line.ends_with(", exited")).count(), 16, "{text}");
}

#[test]
fn the_processor_time_of_a_thread_is_shown() {
    captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::Spinning, mark),
        |stacks| {
            stacks.first().is_some_and(|job| {
                job.threads()[0].state() == ThreadState::Running && !functions(&job.threads()[0]).is_empty()
            })
        },
    );
}
