//! What jobs leave behind on Windows: a process that says that it is up, and stays.

#[cfg(windows)]
fn main() {
    windows::main();
}

#[cfg(not(windows))]
fn main() {
    // Elsewhere there is a shell.
}

#[cfg(windows)]
mod windows {
    #![expect(
        clippy::disallowed_methods,
        clippy::print_stdout,
        clippy::zombie_processes,
        reason = "this program says a line, starts others, and sleeps"
    )]

    use std::process::Command;
    use std::time::Duration;

    use scheduler_tests::leftovers::be_known;

    pub(super) fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["says"] => println!("up"),
            ["stays", tag] => stay(tag),
            ["orphan", tag] => start(&["stays", tag]),
            ["chain", left, tag] => {
                let left: u32 = left.parse().expect("a number");
                if left > 0 {
                    start(&["chain", &(left - 1).to_string(), tag]);
                    be_known(tag);
                    sleep();
                }
                stay(tag);
            }
            ["storm", left, tag] => {
                let left: u32 = left.parse().expect("a number");
                be_known(tag);
                for _ in 0..if left > 0 { 2 } else { 0 } {
                    start(&["storm", &(left - 1).to_string(), tag]);
                }
                sleep();
            }
            _ => panic!("{arguments:?}"),
        }
    }

    fn start(arguments: &[&str]) {
        let own = std::env::current_exe().expect("a process has an image");
        Command::new(own).args(arguments).spawn().expect("one more can be started");
    }

    fn stay(tag: &str) {
        be_known(tag);
        println!("up");
        sleep();
    }

    fn sleep() {
        std::thread::sleep(Duration::from_secs(1_000));
    }
}
