//! The rules of this house that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `scheduler`, floor by floor: each imports only from floors below its own.
const FLOORS: [&[&str]; 16] = [
    &["clock", "escape", "huge_pages", "options", "panic_guard", "random", "seconds", "sync"],
    &["outcome"],
    &["wire"],
    &["checkpoint", "result_codec"],
    &["record"],
    &["error", "observer", "process", "result_kind"],
    &["invocation", "launcher", "typed"],
    &["registry", "runtime"],
    &["call", "child"],
    &["into_job", "supervisor", "this_job"],
    &["ctrl_c", "follow_up", "settings"],
    &["isolated_test", "recorder"],
    &["running", "spawner"],
    &["handle"],
    &["builder"],
    &["functions"],
];

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| panic!("module `{module}` has no floor yet; give it one in this test"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package stands in the workspace").to_owned()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is part of the workspace") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            found.push((path, text));
        }
    }
    found
}

#[test]
fn a_module_imports_only_from_floors_below() {
    let src = root().join("scheduler/src");
    for (path, text) in sources(&src) {
        let module = path.strip_prefix(&src).expect("it was found there").components().next().expect("it has a name");
        let module = Path::new(module.as_os_str()).file_stem().and_then(|stem| stem.to_str()).expect("names are ASCII");
        if ["lib", "__private", "fuzzing", "enable_tests", "guide"].contains(&module) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let imports = code.lines().filter_map(|line| line.trim_start().strip_prefix("use crate::"));
        for import in imports {
            let from = import.split([':', ';', ' ']).next().unwrap_or_default().trim_matches(['{', '}']);
            if from != module {
                assert!(floor(from) < floor(module), "{}: `{module}` may not import `{from}`", path.display());
            }
        }
    }
}

#[test]
fn only_platform_modules_have_platform_conditions() {
    let src = root().join("scheduler/src");
    let mut differ = std::collections::BTreeSet::new();
    for (path, text) in sources(&src) {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = code.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        let mut conditions = code.filter(|line| line.contains("cfg(") || line.contains("cfg!("));
        if conditions
            .any(|line| ["unix", "windows", "target_", "scheduler_portable"].iter().any(|on| line.contains(on)))
        {
            let module =
                path.strip_prefix(&src).expect("it was found there").components().next().expect("it has a name");
            differ.insert(module.as_os_str().to_string_lossy().into_owned());
        }
    }
    // The name of the image, descriptors that only Unix has, and huge pages.
    let expected = ["child", "huge_pages.rs", "launcher.rs", "options", "process"];
    assert!(differ.iter().eq(expected), "{differ:?}");
}

#[test]
fn two_files_choose_the_modules_for_platforms_with_and_without_wardens() {
    let src = root().join("scheduler/src");
    let choosing = sources(&src).into_iter().filter(|(_, text)| text.contains("scheduler_portable)"));
    let choosing: std::collections::BTreeSet<_> = choosing.map(|(path, _)| path).collect();
    assert!(choosing.iter().eq(&[src.join("child/mod.rs"), src.join("process/mod.rs")]), "{choosing:?}");
}

#[test]
fn each_codec_is_named_in_one_file_only() {
    for (path, text) in sources(&root().join("scheduler/src")) {
        for (codec, file) in [("bincode::", "wire/codec.rs"), ("cbor4ii::", "wire/cbor.rs")] {
            assert!(!text.contains(codec) || path.ends_with(file), "{}", path.display());
        }
    }
}

#[test]
fn every_option_is_in_the_table_and_has_a_section() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("it is part of the workspace");
    let table = read("scheduler/src/docs/options.md");
    let chapters = [
        "docs/job.md",
        "docs/values.md",
        "docs/cancellation_and_progress.md",
        "docs/environment.md",
        "docs/scheduling.md",
    ];
    let sections: String = chapters.map(|chapter| read(&format!("scheduler/src/{chapter}"))).concat();
    let attribute = read("scheduler-macros/src/attr.rs") + &read("scheduler-macros/src/job_options.rs");
    let options: Vec<_> = attribute
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("name: \"")?.strip_suffix("\","))
        .filter(|option| !["name", "crate"].contains(option))
        .collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        let row = table.lines().find(|line| line.starts_with(&format!("| [`{option}`](macro@job#")));
        let anchor = row.and_then(|row| row.split_once("macro@job#")?.1.split_once(')')).map(|(anchor, _)| anchor);
        let anchor = anchor.unwrap_or_else(|| panic!("`{option}` has no row in the table of options"));
        let has_section = sections.lines().any(|line| {
            let title = line.trim_start_matches("///").trim_start().strip_prefix("# ");
            title.is_some_and(|title| title.replace('`', "").replace(' ', "-") == anchor)
        });
        assert!(has_section, "`{option}` is told to stand under `{anchor}`, and nothing does");
    }
}

#[test]
fn the_seeds_of_the_fuzzer_are_of_this_version() {
    const MARK: &[u8] = b"0123456789abcdef";
    let frames = fs::read_to_string(root().join("scheduler/src/wire/frame.rs")).expect("it is part of the workspace");
    let version =
        frames.lines().find_map(|line| line.strip_prefix("pub(crate) const VERSION: u8 = ")?.strip_suffix(';'));
    let version: u8 = version.and_then(|version| version.parse().ok()).expect("frames have a version");
    let mut seen = 0;
    for seed in fs::read_dir(root().join("fuzz/seeds/frames")).expect("it is part of the workspace") {
        let path = seed.expect("it can be listed").path();
        let bytes = fs::read(&path).expect("it is a file");
        let headers = bytes.windows(MARK.len() + 1).filter(|bytes| bytes.starts_with(MARK));
        let is_other = path.ends_with("of_another_build");
        for header in headers {
            assert_eq!(header.ends_with(&[version]), !is_other, "{}: raise its version, too", path.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} headers");
}

#[test]
fn every_file_begins_with_its_subject() {
    for package in [
        "scheduler",
        "scheduler-macros",
        "tests/src",
        "tests/it",
        "tests/benches",
        "tests/environments",
        "examples",
        "fuzz/src",
        "fuzz/fuzz_targets",
    ] {
        for (path, text) in sources(&root().join(package)) {
            assert!(text.starts_with("//! "), "{} does not begin with its subject", path.display());
        }
    }
}

#[test]
fn no_file_has_more_than_450_lines_of_code() {
    for package in ["scheduler/src", "scheduler-macros/src", "tests/src", "tests/it", "tests/environments", "examples"]
    {
        for (path, text) in sources(&root().join(package)) {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
            // The tests of a module may stand in a file of their own.
            let code = if path.ends_with("tests.rs") { 0 } else { code };
            assert!(code <= 450, "{} has {code} lines", path.display());
        }
    }
}

#[test]
fn no_test_prints_that_it_is_skipped_without_failing_under_ci() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["it", "it/faults", "environments", "outside/tests", "outside/src", "src"] {
        let folder = fs::read_dir(tests.join(folder)).expect("it is part of the repository");
        files.extend(folder.map(|file| file.expect("it can be read").path()).filter(|path| path.extension().is_some()));
    }
    assert!(files.len() > 40, "{files:?}");
    // Put together, so that this file isn't found.
    let printed = ["\"skip", "ped"].concat();
    for path in files.iter().filter(|path| !path.ends_with("skips.rs")) {
        let text = fs::read_to_string(path).expect("it can be read");
        assert!(!text.contains(&printed), "{} prints `{printed}…`; call `skipped` instead", path.display());
    }
}
