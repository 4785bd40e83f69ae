//! The rules of this repository that no compiler checks.

mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use paths::Modules;

/// The modules of `scheduler`, floor by floor: each imports only from lower floors.
const FLOORS: [&[&str]; 18] = [
    &["clock", "escape", "huge_pages", "options", "panic_guard", "random", "seconds", "sync"],
    &["json", "symbols"],
    &["outcome"],
    &["json_arguments", "wire"],
    &["checkpoint", "result_codec"],
    &["record"],
    &["answers", "arguments", "error", "observer", "process", "result_kind"],
    &["invocation", "journal", "launcher", "no_journal", "typed_results"],
    &["registry", "runtime"],
    &["call", "child"],
    &["ended", "into_job", "json_call", "supervisor", "this_job"],
    &["answer_thread", "canceller", "ctrl_c", "follow_up", "settings", "termination"],
    &["isolated_test", "recorder", "remote"],
    &["open_list", "running", "spawner"],
    &["handle", "stream"],
    &["builder"],
    &["functions", "progress", "report"],
    &["cli"],
];

/// What stands above all floors, or beside them.
const WITHOUT_FLOOR: [&str; 4] = ["__private", "fuzzing", "enable_tests", "guide"];

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| panic!("module `{module}` has no floor yet; give it one in this test"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package stands in the workspace").to_owned()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    files(folder, &["rs"])
}

/// Returns the sources without their tests, of which large ones have their own file.
fn code(folder: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let files = sources(folder).into_iter().filter(|(path, _)| !path.ends_with("tests.rs"));
    files.map(|(path, text)| (path, text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()))
}

/// Returns the files with these extensions in a folder, but not those that Cargo or Git has made.
fn files(folder: &Path, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is part of the workspace") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".git") {
                found.extend(files(&path, extensions));
            }
        } else if extensions.iter().any(|extension| path.extension().is_some_and(|own| own == *extension)) {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            found.push((path, text));
        }
    }
    found
}

/// The modules of `scheduler`, which are read once.
fn modules() -> &'static Modules {
    static MODULES: LazyLock<Modules> = LazyLock::new(|| {
        let src = root().join("scheduler/src");
        Modules::new(&src, code(&src))
    });
    &MODULES
}

#[test]
fn a_module_imports_only_from_floors_below() {
    let mut wrong = BTreeSet::new();
    for (module, uses) in modules().uses() {
        let Some(room) = module.first().filter(|room| !WITHOUT_FLOOR.contains(&room.as_str())) else { continue };
        for other in uses.iter().filter_map(|path| path.first()).filter(|other| *other != room) {
            if floor(other) >= floor(room) {
                wrong.insert(format!("`{}` may not use `{other}`", module.join("::")));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

/// Circles that stay among the files of a folder, and why.
const CIRCLES: [(&str, &str); 0] = [];

/// The files of a folder have floors, too: none of them needs another one that needs it.
#[test]
fn the_files_of_a_folder_import_in_no_circle() {
    let mut arrows: BTreeMap<&[String], BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (module, uses) in modules().uses().filter(|(module, _)| !module.is_empty()) {
        for path in uses {
            let shared = module.iter().zip(&path).take_while(|(ours, theirs)| ours == theirs).count();
            // What a folder declares itself is in its `mod.rs`.
            let part = |path: &[String]| path.get(shared).cloned().unwrap_or_else(|| "mod".to_owned());
            if shared > 0 && part(module) != part(&path) {
                arrows.entry(&module[..shared]).or_default().entry(part(module)).or_default().insert(part(&path));
            }
        }
    }
    let mut found = BTreeSet::new();
    for (folder, arrows) in &arrows {
        let reached = |from: &String| {
            let mut reached = BTreeSet::new();
            let mut next: Vec<_> = arrows[from].iter().collect();
            while let Some(file) = next.pop() {
                if reached.insert(file) {
                    next.extend(arrows.get(file).into_iter().flatten());
                }
            }
            reached
        };
        for file in arrows.keys() {
            let circle: Vec<_> = reached(file).into_iter().filter(|other| arrows.contains_key(*other)).collect();
            let circle: Vec<_> = circle.into_iter().filter(|other| reached(other).contains(file)).cloned().collect();
            if !circle.is_empty() {
                found.insert(format!("{}: {}", folder.join("/"), circle.join(", ")));
            }
        }
    }
    let known = CIRCLES.iter().map(|(circle, _)| (*circle).to_owned()).collect();
    assert_eq!(found, known, "files of one folder need each other");
}

#[test]
fn only_platform_modules_have_platform_conditions() {
    let src = root().join("scheduler/src");
    let mut differ = BTreeSet::new();
    for (path, code) in code(&src) {
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
    // The name of the image, descriptors that only Unix has, huge pages, and symbols, which are read from ELF files only.
    let expected = ["child", "huge_pages.rs", "launcher.rs", "options", "process", "symbols"];
    assert!(differ.iter().eq(expected), "{differ:?}");
}

#[test]
fn two_files_choose_modules_by_wardens() {
    let src = root().join("scheduler/src");
    let choosing = sources(&src).into_iter().filter(|(_, text)| text.contains("scheduler_portable)"));
    let choosing: BTreeSet<_> = choosing.map(|(path, _)| path).collect();
    let expected = ["child/mod.rs", "process/mod.rs"].map(|file| src.join(file));
    assert!(choosing.iter().eq(&expected), "{choosing:?}");
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
        "docs/follow_ups.md",
        "docs/stacks.md",
    ];
    let sections: String = chapters.map(|chapter| read(&format!("scheduler/src/{chapter}"))).concat();
    let attribute = read("scheduler-macros/src/attr.rs") + &read("scheduler-macros/src/job_options.rs");
    let options: Vec<_> = attribute
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("name: \"")?.strip_suffix("\","))
        .filter(|option| !["name", "crate", "isolated"].contains(option))
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
        assert!(has_section, "`{option}` links to `{anchor}`, which no section has");
    }
}

#[test]
fn every_setting_of_a_scheduler_is_in_the_table_of_options() {
    let table = fs::read_to_string(root().join("scheduler/src/docs/options.md")).expect("it is part of the workspace");
    let mut count = 0;
    for (path, text) in sources(&root().join("scheduler/src/builder")) {
        // A setter takes the scheduler, and returns it.
        let setters = text.lines().filter_map(|line| line.strip_prefix("    pub fn "));
        for setter in setters.filter(|setter| setter.contains("(mut self") || setter.contains("(self, ")) {
            let name = setter.split(['(', '<']).next().unwrap_or_default();
            assert!(table.contains(&format!("`{name}`")), "`{name}` of {} has no row", path.display());
            count += 1;
        }
    }
    assert!(count > 15, "{count} setters");
}

/// What declares a type, at the beginning of a line: in a module, and in none that stands within.
const TYPES: [&str; 5] = ["struct ", "enum ", "trait ", "type ", "union "];

/// The parts of `process` that each platform is made of: none of them is compiled beside another row's own.
const PLATFORMS: [&[&str]; 3] = [&["linux/", "unix"], &["portable/", "unix", "no_warden"], &["windows/", "no_warden"]];

#[test]
fn no_two_types_have_the_same_name() {
    let src = root().join("scheduler/src");
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in code(&src) {
        let file = path.strip_prefix(&src).expect("it was found there").display().to_string().replace('\\', "/");
        for line in code.lines() {
            let line = line.strip_prefix("pub(in crate::process) ").unwrap_or(line);
            let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) ")).unwrap_or(line);
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let name = TYPES.iter().find_map(|kind| line.strip_prefix(kind));
            if let Some(name) = name.and_then(|name| name.split(|c: char| !c.is_alphanumeric()).next()) {
                files.entry(name.to_owned()).or_default().insert(file.clone());
            }
        }
    }
    // Each platform has its own types of the names that all of them provide.
    let are_twins = |files: &BTreeSet<String>| {
        PLATFORMS.iter().all(|parts| {
            let is_part = |file: &&String| parts.iter().any(|part| file.starts_with(&format!("process/{part}")));
            files.iter().filter(is_part).count() <= 1
        }) && files
            .iter()
            .all(|file| PLATFORMS.concat().iter().any(|part| file.starts_with(&format!("process/{part}"))))
    };
    // It stands for `journal` without that feature.
    for files in files.values_mut() {
        files.remove("no_journal.rs");
    }
    files.retain(|_, files| files.len() > 1 && !are_twins(files));
    assert_eq!(files, BTreeMap::new(), "one name stands for several types");
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

/// Windows takes them for devices, whatever follows: `nul.rs` can be neither read nor checked out.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com1", "lpt1"];

#[test]
fn no_file_has_the_name_of_a_device() {
    for package in ["scheduler", "scheduler-macros", "tests", "examples", "fuzz/src", "fuzz/fuzz_targets"] {
        for (path, _) in sources(&root().join(package)) {
            let path = path.strip_prefix(root()).expect("it was found there");
            let mut names = path.components().map(|part| part.as_os_str().to_string_lossy().to_lowercase());
            let is_device = |name: String| DEVICES.contains(&name.split('.').next().unwrap_or_default());
            assert!(!names.any(is_device), "{} is a device on Windows", path.display());
        }
    }
}

#[test]
fn every_file_begins_with_its_subject() {
    for package in [
        "scheduler",
        "scheduler-macros",
        "tests/src",
        "tests/it",
        "tests/benches",
        "tests/cluster",
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
    let tests = ["tests/src", "tests/it", "tests/cluster", "tests/environments"];
    for package in ["scheduler/src", "scheduler-macros/src", "examples"].into_iter().chain(tests) {
        for (path, code) in code(&root().join(package)) {
            let lines = code.lines().count();
            assert!(lines <= 450, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn no_test_prints_that_it_is_skipped_without_failing_under_ci() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["it", "it/faults", "it/tidy", "cluster", "environments", "outside/tests", "outside/src", "src"] {
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

/// What no text is to say, and what it says instead. The bars keep this list from being found.
const ODD_WORDS: [(&str, &str); 13] = [
    ("w|hoever", "a noun: the caller, the process, the reader"),
    ("w|hosoever", "a noun: the caller, the process, the reader"),
    ("w|hom", "a noun: the caller, the process, the reader"),
    ("l|est", "so that … not"),
    ("i|s told", "is set, is passed, is reported, receives"),
    ("a|re told", "are set, are passed, are reported, receive"),
    ("w|as told", "was set, was passed, was reported, received"),
    ("b|een told", "been set, been passed, been reported, received"),
    ("t|ells of", "reports"),
    ("h|ears of", "receives, is notified of"),
    ("c|omes by", "reaches"),
    ("s|ays so", "is recorded as, reports it"),
    ("f|or want of", "for lack of, because there is no"),
];

#[test]
fn texts_say_it_in_plain_words() {
    let odd_words = ODD_WORDS.map(|(words, instead)| (words.replace('|', ""), instead));
    let mut found = Vec::new();
    for (path, text) in files(&root(), &["md", "rs"]) {
        for (index, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let is_word = |at: usize, length: usize| {
                let is_part = |c: char| c.is_alphanumeric() || c == '_';
                !line[..at].ends_with(is_part) && !line[at + length..].starts_with(is_part)
            };
            for (words, instead) in &odd_words {
                if line.match_indices(words).any(|(at, words)| is_word(at, words.len())) {
                    found.push(format!("{}:{}: `{words}`; write: {instead}", path.display(), index + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} odd words:\n{}", found.len(), found.join("\n"));
}
