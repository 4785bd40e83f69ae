//! The example `server`, asked by a client over TCP.

#![expect(clippy::disallowed_methods, reason = "a test looks at the clock, and for the program beside it")]

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes here, on a busy machine, too.
const LONG: Duration = Duration::from_secs(60);

/// A request whose job is killed at its timeout.
const ENDLESS: &str = "/primes/18446744073709551615";

struct Server {
    process: Child,
    printed: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut process =
            Command::new(example("server")).stdout(Stdio::piped()).spawn().expect("`cargo test` builds the examples");
        let mut printed = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let line = printed.next().expect("it prints its address").expect("it is text");
        let address = line.strip_prefix("listening on ").expect("that is the line").to_owned();
        Self { process, printed, address }
    }

    /// Sends a request, and returns the connection.
    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("it is not zero");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
        stream
    }

    /// Waits until this many requests run or wait.
    fn wait_for_load(&self, load: usize) {
        let clock = Instant::now();
        loop {
            let (status, text) = answer(self.ask("/load"));
            assert_eq!(status, 200, "{text}");
            if text.ends_with(&format!("{load} of 4\n")) {
                return;
            }
            assert!(clock.elapsed() < LONG, "{text}");
            thread::yield_now();
        }
    }

    #[cfg(unix)]
    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(sent.expect("`kill` is everywhere").success());
    }

    /// Waits for the exit, after which every request is answered.
    #[cfg(unix)]
    fn exits(mut self) {
        assert_eq!(self.printed.next().expect("it prints a line").expect("it is text"), "every request is answered");
        assert!(self.process.wait().expect("it is ours").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.printed.by_ref().count();
    }
}

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("it is known");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("a test is in `target/debug/deps`");
    profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Returns the status of a response, and all of its text.
fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {text:?}")), text)
}

#[test]
fn a_request_is_a_job_and_a_slow_one_is_killed() {
    let server = Server::start();
    let endless = server.ask(ENDLESS);
    let (status, text) = answer(server.ask("/primes/100"));
    assert!(status == 200 && text.ends_with("\r\n\r\n25\n"), "{text}");
    let (status, text) = answer(endless);
    assert!(status == 504 && text.ends_with("stopped at its timeout of 2s\n"), "{text}");
    assert_eq!(answer(server.ask("/primes/x")).0, 400);
    assert_eq!(answer(server.ask("/")).0, 404);
}

#[test]
fn a_client_that_goes_away_takes_its_job_with_it() {
    let server = Server::start();
    let clients: Vec<_> = (0..4).map(|_| server.ask(ENDLESS)).collect();
    server.wait_for_load(4);
    drop(clients);
    server.wait_for_load(0);
    assert_eq!(answer(server.ask("/primes/100")).0, 200);
}

#[cfg(unix)]
#[test]
fn beyond_its_bound_it_refuses_and_at_sigterm_it_answers_what_it_has() {
    // Two requests run, and reach their timeouts; the others are not started. On a busy machine all may have run, or none: the load
    // counts a job whose process is still starting.
    let is_as_expected = || {
        let server = Server::start();
        let accepted: Vec<_> = (0..4).map(|_| server.ask(ENDLESS)).collect();
        server.wait_for_load(4);
        let (status, text) = answer(server.ask("/primes/100"));
        // A job that begins counts twice for a moment: the fourth request had not come yet.
        if status == 200 {
            return false;
        }
        assert!(status == 503 && text.contains("retry-after: 1\r\n"), "{text}");
        server.terminate();
        let statuses: Vec<_> = accepted.into_iter().map(|stream| answer(stream).0).collect();
        assert!(statuses.iter().all(|status| [503, 504].contains(status)), "{statuses:?}");
        server.exits();
        statuses.contains(&504)
    };
    assert!((0..5).any(|_| is_as_expected()), "no full service answered a request that had begun");
}

#[cfg(unix)]
#[test]
fn at_the_second_sigterm_it_kills_the_jobs() {
    let server = Server::start();
    let accepted: Vec<_> = (0..2).map(|_| server.ask(ENDLESS)).collect();
    server.wait_for_load(2);
    server.terminate();
    // Once it refuses connections, it has received the first one.
    let clock = Instant::now();
    while TcpStream::connect(&server.address).is_ok() {
        assert!(clock.elapsed() < LONG, "it still listens");
    }
    server.terminate();
    for stream in accepted {
        let (status, text) = answer(stream);
        assert!([503, 504].contains(&status), "{text}");
    }
    server.exits();
}
