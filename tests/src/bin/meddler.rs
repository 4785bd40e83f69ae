//! A client that spoils what passes through it: `meddler HOW AFTER PROGRAM ARGUMENTS…` starts the program, passes its standard input on
//! as it is, and its output up to the byte `AFTER`; there it does what `HOW` says. An `AFTER` that is the path of a file means: once that
//! file exists.
//!
//! `meddler slow RATE PROGRAM ARGUMENTS…` passes `RATE` bytes in each direction every millisecond, and spoils nothing.

#![expect(clippy::disallowed_methods, reason = "a program that waits, sleeps")]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let how = arguments.next().expect("how").into_string().expect("a word");
    let after = arguments.next().expect("after");
    let after = after.to_str().and_then(|after| after.parse::<usize>().ok()).ok_or_else(|| PathBuf::from(&after));
    let mut command = Command::new(arguments.next().expect("a program"));
    command.args(arguments).stdout(Stdio::piped());
    if let ("slow", Ok(rate)) = (&*how, &after) {
        slow(&mut command, *rate);
    }
    let mut child = command.spawn().expect("the program starts");
    let mut output = child.stdout.take().expect("it is a pipe");
    let mut passed = 0;
    let mut is_done = false;
    let mut bytes = [0; 4096];
    let mut stdout = std::io::stdout().lock();
    loop {
        let count = output.read(&mut bytes).expect("the program's output");
        if count == 0 {
            break;
        }
        let is_due = match &after {
            Ok(after) => passed + count > *after,
            Err(file) => file.exists(),
        };
        if is_due && !is_done {
            is_done = true;
            // A file that exists says that the next piece is due: the middle of it.
            let at = after.as_ref().map_or(count / 2, |after| after - passed);
            match &*how {
                "flip" => bytes[at] ^= 0x10,
                "line" => stdout.write_all(b"a line of something else\n").expect("the application reads"),
                "nothing" => {}
                "silence" => loop {
                    std::thread::sleep(Duration::from_secs(1000));
                },
                how => panic!("{how}"),
            }
        }
        stdout.write_all(&bytes[..count]).expect("the application reads");
        stdout.flush().expect("the application reads");
        passed += count;
    }
    let status = child.wait().expect("it is a child");
    std::process::exit(status.code().unwrap_or(1));
}

/// Passes the streams of a program on at this rate, and exits as it does.
fn slow(command: &mut Command, rate: usize) -> ! {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both are pipes");
    std::thread::spawn(move || trickle(std::io::stdin().lock(), input, rate));
    trickle(output, std::io::stdout().lock(), rate);
    let status = child.wait().expect("it is a child");
    std::process::exit(status.code().unwrap_or(1));
}

/// Passes bytes on until one end closes.
fn trickle(mut from: impl Read, mut to: impl Write, rate: usize) {
    let mut bytes = vec![0; 10 * rate];
    while let Ok(count @ 1..) = from.read(&mut bytes)
        && to.write_all(&bytes[..count]).and_then(|()| to.flush()).is_ok()
    {
        std::thread::sleep(Duration::from_millis(10));
    }
}
