//! Runs the application; no job runs in this process.

#[test]
fn the_application_runs_its_jobs() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_binary")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
