//! The tree looks after itself: floors, sizes, names, and what must not be in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files under `folder` with one of these endings, with their text.
fn files(folder: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("plain names").to_owned();
            if path.is_dir() {
                if !LEFT_OUT.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending))
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.push((path.strip_prefix(root()).expect("it is below").to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    files(folder, &[".rs"])
}

/// A source without its tests and comments.
fn code(source: &str) -> String {
    let shipped = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Floors, and the words that live above or beside each of them (STYLE §1).
const FLOORS: &[(&str, &[&str])] = &[
    ("text", &["tokio", "std::net", "std::fs", "Instant::now", "SystemTime", "tracing::", "crate::"]),
    ("vendor", &["tokio", "std::net", "std::fs", "Instant::now", "SystemTime", "tracing::", "crate::"]),
    (
        "pdu",
        &[
            "tokio",
            "std::net",
            "std::fs",
            "Instant::now",
            "SystemTime",
            "tracing::",
            "crate::session",
            "crate::gateway",
            "crate::text",
            "crate::engine",
            "crate::store",
            "crate::smpp",
            "crate::http",
            "crate::config",
            "crate::clock",
        ],
    ),
    (
        "session",
        &[
            "tokio",
            "std::net",
            "std::fs",
            "Instant::now",
            "SystemTime",
            "crate::gateway",
            "crate::engine",
            "crate::store",
            "crate::smpp",
            "crate::http",
            "crate::config",
            "crate::clock",
            "async ",
        ],
    ),
    (
        "gateway",
        &[
            "tokio",
            "std::net",
            "std::fs",
            "Instant::now",
            "SystemTime",
            "serde_json",
            "crate::session",
            "crate::engine",
            "crate::store",
            "crate::smpp",
            "crate::http",
            "crate::config",
            "crate::clock",
            "async ",
        ],
    ),
    (
        "engine",
        &["crate::smpp", "crate::http", "crate::session", "crate::config", "crate::app", "crate::cli"],
    ),
    (
        "store",
        &["crate::smpp", "crate::http", "crate::session", "crate::engine", "crate::config", "crate::app"],
    ),
    ("smpp", &["crate::http", "crate::store", "crate::config", "crate::app", "crate::cli", "axum", "redb"]),
    (
        "http",
        &[
            "crate::smpp",
            "crate::store",
            "crate::session",
            "crate::config",
            "crate::app",
            "crate::cli",
            "redb",
        ],
    ),
    (
        "sim",
        &[
            "crate::gateway",
            "crate::engine",
            "crate::store",
            "crate::smpp",
            "crate::http",
            "crate::config",
            "crate::app",
        ],
    ),
    (
        "push",
        &[
            "crate::smpp",
            "crate::http",
            "crate::remote",
            "crate::store",
            "crate::session",
            "crate::config",
            "crate::app",
            "crate::cli",
            "crate::sim",
        ],
    ),
    (
        "remote",
        &[
            "crate::smpp",
            "crate::http",
            "crate::push",
            "crate::store",
            "crate::session",
            "crate::config",
            "crate::app",
            "crate::cli",
            "crate::sim",
            "axum",
            "redb",
        ],
    ),
    ("telemetry", &["crate::"]),
    ("net", NOBODY),
];

/// The floors and edges that `net` does not know.
const NOBODY: &[&str] = &[
    "crate::gateway",
    "crate::engine",
    "crate::store",
    "crate::smpp",
    "crate::http",
    "crate::push",
    "crate::remote",
    "crate::session",
    "crate::config",
    "crate::app",
    "crate::cli",
    "crate::sim",
];

#[test]
fn no_floor_looks_up_or_aside() {
    let mut looked = 0;
    let mut found = Vec::new();
    for (floor, upstairs) in FLOORS {
        for (path, source) in rust_files(&format!("src/{floor}")) {
            // Oracles and tests of a floor may stand on a ladder.
            let name = path.to_string_lossy();
            if name.ends_with("oracle.rs") || name.ends_with("tests.rs") || name.contains("/tests/") {
                continue;
            }
            looked += 1;
            let code = code(&source).replace(&format!("crate::{floor}"), "");
            for word in upstairs.iter().filter(|word| code.contains(**word)) {
                found.push(format!("{name}: `{word}`"));
            }
        }
    }
    assert_eq!(found, [""; 0], "these live elsewhere");
    assert!(looked > 40, "{looked} files: the floors have moved");
}

#[test]
fn time_is_read_in_one_place() {
    for (path, source) in rust_files("src") {
        if path != Path::new("src/clock.rs") {
            for word in ["Instant::now(", "SystemTime::now("] {
                assert!(!code(&source).contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn no_file_houses_two_ideas() {
    let mut large = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        for (path, source) in rust_files(folder) {
            let lines = source.lines().count();
            if lines > 1_000 {
                large.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert_eq!(large, [""; 0], "at most 1,000");
}

#[test]
fn nothing_is_left_to_do_and_nothing_is_taken_for_granted() {
    let mut found = Vec::new();
    for (path, source) in rust_files("src") {
        let code = code(&source);
        for word in
            ["todo!", "unimplemented!", "dbg!(", ".unwrap()", "unbounded_channel", "unsafe {", "unsafe fn"]
        {
            if code.contains(word) {
                found.push(format!("{}: {word}", path.display()));
            }
        }
        // A lint that is switched off says why.
        for attribute in code.split("#[allow(").skip(1).chain(code.split("#[expect(").skip(1)) {
            let attribute = attribute.split(")]").next().unwrap_or_default();
            if !attribute.contains("reason = ") {
                found.push(format!("{}: {attribute} without a reason", path.display()));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn no_test_is_ignored() {
    for folder in ["src", "tests"] {
        for (path, source) in rust_files(folder) {
            let word = concat!("#[", "ignore");
            assert!(!source.contains(word), "{}", path.display());
        }
    }
}

#[test]
fn floors_that_read_a_peers_octets_do_not_index_them() {
    for floor in ["pdu", "text", "vendor"] {
        let lib = fs::read_to_string(root().join(format!("src/{floor}/mod.rs"))).expect("the floor is there");
        assert!(lib.contains("clippy::indexing_slicing"), "src/{floor} is not warned of indexing");
    }
}

/// Names of all tests in the tree, `file::name` left aside: sentences do not repeat.
fn tests_in_the_tree() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, source) in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = source.lines().map(str::trim);
        let mut is_test = false;
        for line in lines {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let signature = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
            if let Some(signature) = signature {
                if is_test {
                    names.extend(signature.split(['(', '<']).next().map(str::to_owned));
                }
                is_test = false;
            }
        }
    }
    names
}

/// Words in backticks that read like tests: three words or more in snake case.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).map(|word| word.rsplit("::").next().unwrap_or(word)).filter(|word| {
        let is_name = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        is_name && word.matches('_').count() >= 3
    })
}

#[test]
fn every_test_named_in_conformance_exists() {
    let page = fs::read_to_string(root().join("docs/CONFORMANCE.md")).expect("docs/CONFORMANCE.md is there");
    let tests = tests_in_the_tree();
    let missing: Vec<_> =
        named(&page).filter(|name| !tests.contains(*name) && !FIELDS.contains(name)).collect();
    assert_eq!(missing, [""; 0], "named in docs/CONFORMANCE.md, and not in the tree");
    assert!(named(&page).filter(|name| tests.contains(*name)).count() > 10, "the page names its tests");
}

#[test]
fn tests_are_sentences_that_do_not_repeat_within_a_file() {
    for (path, source) in rust_files("tests") {
        let mut seen = BTreeSet::new();
        for line in source.lines().filter(|line| line.starts_with("fn ") || line.starts_with("async fn ")) {
            assert!(seen.insert(line.to_owned()), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_tree_names_no_machine_and_no_registry() {
    let endings = [".rs", ".toml", ".md", ".sh", ".py", ".js", ".json", ".txt", "run"];
    // Put together here, so that this file does not name them either.
    let words = [
        ["/work", "/main"].concat(),
        ["/work", "/shared"].concat(),
        ["/ro", "ot/"].concat(),
        ["/home", "/"].concat(),
        ["registry.", "npmjs.org"].concat(),
        ["files.", "pythonhosted.org"].concat(),
        ["\"resol", "ved\""].concat(),
    ];
    for (path, text) in files(".", &endings) {
        for word in &words {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn every_module_says_what_it_is() {
    let mut silent = Vec::new();
    for (path, source) in rust_files("src") {
        let says = source
            .lines()
            .map(str::trim_start)
            .any(|line| line.starts_with("//!") || line.starts_with("///"));
        if !says && !path.ends_with("tests.rs") {
            silent.push(path);
        }
    }
    assert_eq!(silent, [""; 0].map(PathBuf::from));
}

/// Folders that are not ours or are made.
const LEFT_OUT: &[&str] = &["target", "node_modules", ".git", ".venv", "corpus", "artifacts", "__pycache__"];

/// SMPP's own words with three underscores or more, which are not tests.
const FIELDS: &[&str] =
    &["sar_msg_ref_num", "alert_on_message_delivery", "replace_if_present_flag", "ms_msg_wait_facilities"];
