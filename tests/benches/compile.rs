//! What jobs cost to compile, and what they cost a program that holds many: `cargo bench --bench compile`.
//!
//! Cargo builds small crates that this writes: one with `BENCH_FUNCTIONS` jobs and one with the same functions without
//! the attribute, one with `BENCH_JOBS` jobs, and one for each of the libraries whose clean builds are compared. A library
//! that can't be fetched is skipped, and said to be. `BENCH_LIBRARIES_ONLY=1` builds only those.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use figures::Figures;

/// Types that functions take and return, and functions of several shapes, in modules of ten.
fn functions(count: usize, attribute: &str) -> String {
    let mut code = String::new();
    for module in 0..count.div_ceil(10) {
        writeln!(code, "pub mod m{module} {{").expect("a string takes all");
        code.push_str(
            "#[derive(serde::Serialize, serde::Deserialize)] pub struct Order { id: u64, lines: Vec<(String, u32)> }\n\
             #[derive(serde::Serialize, serde::Deserialize)] pub enum Answer { Paid { total: u64 }, Refused(String) }\n",
        );
        for function in 0..10.min(count - 10 * module) {
            let (signature, body) = match function % 4 {
                0 => ("(order: Order) -> Answer", "Answer::Paid { total: order.lines.len() as u64 + order.id }"),
                1 => ("(a: u32, b: u32) -> u32", "a.wrapping_mul(b)"),
                2 => ("(text: String) -> Result<usize, std::num::ParseIntError>", "text.parse()"),
                _ => ("(names: Vec<String>) -> Result<Answer, String>", "Ok(Answer::Refused(names.concat()))"),
            };
            writeln!(code, "{attribute} pub fn f{function}{signature} {{ {body} }}").expect("a string takes all");
        }
        code.push_str("}\n");
    }
    code
}

/// So many jobs that take nothing.
fn registered(count: usize) -> String {
    (0..count).fold(String::new(), |code, index| {
        code + &format!("#[scheduler::job(name = \"job {index}\")] fn j{index}() {{}}\n")
    })
}

/// A crate that is written for the benchmark.
struct Crate {
    folder: PathBuf,
}

impl Crate {
    fn write(parent: &Path, name: &str, dependencies: &str, code: &str) -> Self {
        let folder = parent.join(name);
        fs::create_dir_all(folder.join("src")).expect("the folder is ours");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             {dependencies}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("the folder is ours");
        let written = Self { folder };
        written.rewrite(code);
        written
    }

    /// Writes the code again, so that Cargo sees a change.
    fn rewrite(&self, code: &str) {
        let root = if code.contains("fn main()") { "src/main.rs" } else { "src/lib.rs" };
        fs::write(self.folder.join(root), code).expect("the folder is ours");
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(&self.folder).env("CARGO_TERM_COLOR", "never");
        // In a target folder of its own nothing has been built before.
        cargo.env("CARGO_TARGET_DIR", self.folder.join("target")).env("CARGO_INCREMENTAL", "0");
        cargo.output().expect("Cargo runs this benchmark")
    }

    /// Makes Cargo do this with the changed crate, and returns how long that takes.
    #[track_caller]
    fn timed(&self, code: &str, arguments: &[&str]) -> Duration {
        self.rewrite(code);
        let clock = Instant::now();
        let output = self.cargo(arguments);
        let taken = clock.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        taken
    }

    fn binary(&self) -> PathBuf {
        let name = self.folder.file_name().expect("it has a name");
        self.folder.join("target/release").join(name)
    }
}

fn ours() -> String {
    let scheduler = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("scheduler");
    format!(
        "scheduler = {{ path = \"{}\" }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
        scheduler.display()
    )
}

/// Jobs beside plain functions.
fn attribute(parent: &Path) {
    let count = figures::number("BENCH_FUNCTIONS", 1000);
    // In a library, where code is made for every public function, called or not.
    let crates = [("plain", functions(count, "")), ("jobs", functions(count, "#[scheduler::job]"))];
    let crates = crates.map(|(name, code)| (Crate::write(parent, name, &ours(), ""), code));
    println!("{}", Figures::HEAD);
    for arguments in [&["check"][..], &["build"], &["build", "--release"]] {
        let mut figures = [Figures::default(), Figures::default()];
        for (written, _) in &crates {
            // The dependencies are built once, before the clock runs.
            written.timed("", arguments);
        }
        for sample in 0..figures::number("BENCH_SAMPLES", 3) {
            for ((written, code), figures) in crates.iter().zip(&mut figures) {
                figures.add(written.timed(&format!("{code}// {sample}\n"), arguments));
            }
        }
        let [plain, jobs] = &figures;
        let what = arguments.join(" ");
        println!("{}", plain.row(&format!("cargo {what}: {count} functions")));
        println!("{}", jobs.row(&format!("cargo {what}: {count} jobs")));
        let more = jobs.median().saturating_sub(plain.median()) / u32::try_from(count).expect("not so many");
        let ratio = jobs.median().as_secs_f64() / plain.median().as_secs_f64();
        println!("| ratio {ratio:.2}, {more:.2?} for each job | | | | |");
    }
}

/// A program with many jobs, beside one that has one.
fn registry(parent: &Path) {
    let count = figures::number("BENCH_JOBS", 10_000);
    let start = "
        fn main() {
            if std::env::var_os(\"ENDS\").is_some() { return }
            let names: Vec<_> = scheduler::registry().iter().map(|entry| entry.name()).collect();
            let clock = std::time::Instant::now();
            for name in &names { assert!(scheduler::AnyJob::named(name, ()).is_ok()) }
            println!(\"{}\", clock.elapsed().as_nanos() / names.len() as u128);
        }";
    let mut binaries = Vec::new();
    for count in [1, count] {
        let written = Crate::write(parent, &format!("registers-{count}"), &ours(), "");
        written.timed(&(registered(count) + start), &["build", "--release"]);
        let told = Command::new(written.binary()).output().expect("it was built");
        let told = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        println!("| to find one of {count} jobs by its name: {told} ns | | | | |");
        binaries.push((count, written.binary(), Figures::default()));
    }
    for _ in 0..figures::number("BENCH_STARTS", 500) {
        for (_, binary, figures) in &mut binaries {
            let clock = Instant::now();
            let status = Command::new(binary).env("ENDS", "1").status().expect("it was built");
            figures.add(clock.elapsed());
            assert!(status.success());
        }
    }
    for (count, _, figures) in &binaries {
        println!("{}", figures.row(&format!("a program with {count} jobs starts and ends")));
    }
}

/// The features whose own cost is measured.
const FEATURES: [&str; 8] = ["cbor", "ctrlc", "metrics", "progress", "remote", "report", "tokio", "tracing"];

/// Clean builds.
fn libraries(parent: &Path) {
    let with_attribute = ours();
    let plain = with_attribute.lines().next().unwrap_or_default();
    let mut libraries = vec![
        ("scheduler".to_owned(), plain.to_owned()),
        ("procspawn".to_owned(), "procspawn = \"1.0.1\"".to_owned()),
        ("procspawn-plain".to_owned(), "procspawn = { version = \"1.0.1\", default-features = false }".to_owned()),
    ];
    libraries.extend(FEATURES.map(|feature| {
        let with_feature = plain.replace(" }", &format!(", features = [\"{feature}\"] }}"));
        (format!("scheduler-{feature}"), with_feature)
    }));
    for (name, dependency) in &libraries {
        let written = Crate::write(parent, &format!("builds-{name}"), dependency, "fn main() {}");
        let fetched = written.cargo(&["fetch"]);
        if !fetched.status.success() {
            println!("| skipped: {name} can't be fetched | | | | |");
            continue;
        }
        let mut figures = Figures::default();
        let mut crates = 0;
        for _ in 0..figures::number("BENCH_SAMPLES", 3) {
            let _ = fs::remove_dir_all(written.folder.join("target"));
            let clock = Instant::now();
            let built = written.cargo(&["build"]);
            figures.add(clock.elapsed());
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            // The last of them is the crate that was written.
            crates = String::from_utf8_lossy(&built.stderr).matches("Compiling ").count() - 1;
        }
        println!("{}", figures.row(&format!("clean `cargo build` of {name}, {crates} crates")));
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if figures::number("BENCH_LIBRARIES_ONLY", 0) == 0 {
        attribute(folder.path());
        registry(folder.path());
    }
    libraries(folder.path());
}
