//! What the compiler does not check: the crate graph, where heavy crates may be, import cycles, stray
//! files, files that have grown too long, trailing spaces and paths of the development machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cycles;
use crate::delegate::{cargo, exit, root};
use crate::prose;

/// Which of our crates may depend on which, and after a blank line the external crates that only some of ours may
/// depend on.
const CRATES: &str = include_str!("crates.txt");

/// The most lines of a Rust file.
const MAX_LINES: usize = 800;

pub(crate) const HELP: &str = include_str!("help/tidy.txt");

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    if !args.is_empty() {
        return crate::refuse("tidy", args);
    }
    Ok(exit(check()?.is_empty()))
}

/// Runs every check, prints the findings and returns them. Fails when `cargo metadata` or git cannot be run.
pub(crate) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let metadata = metadata()?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    let files = repository_files()?;
    check_crate_graph(packages, &mut findings);
    check_import_cycles(packages, &mut findings);
    for (path, text) in &files {
        check_file(path, text, &mut findings);
    }
    check_names_in_documents(&files, &mut findings);
    for finding in &findings {
        say!("tidy: {finding}");
    }
    if findings.is_empty() {
        say!("tidy: no findings");
    }
    Ok(findings)
}

fn metadata() -> Result<Value> {
    let output = cargo()
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .output()
        .context("cargo metadata could not be started")?;
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

fn check_crate_graph(packages: &[Value], findings: &mut Vec<String>) {
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let (graph, confined) = CRATES.split_once("\n\n").unwrap_or_default();
    let [graph, confined] = [graph, confined].map(|rows| -> BTreeMap<&str, Vec<&str>> {
        let rows = rows.lines().filter_map(|row| row.split_once(':'));
        let names = |names: &'static str| names.split_whitespace().collect();
        rows.map(|(of, others)| (of, names(others))).collect()
    });
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = graph.get(name) else {
            findings.push(format!(
                "crate `{name}` is not in the crate graph (xtask/src/crates.txt)"
            ));
            continue;
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let dependencies = dependencies.filter(|dependency| dependency["kind"] != "dev");
        for to in dependencies.filter_map(|dependency| dependency["name"].as_str()) {
            if ours.contains(to) && !allowed.contains(&to) {
                findings.push(format!("`{name}` must not depend on `{to}`"));
            }
            if let Some(homes) = confined.get(to)
                && !homes.contains(&name)
            {
                findings.push(format!(
                    "`{to}` belongs to {} only, not to `{name}`",
                    homes.join(" and ")
                ));
            }
        }
    }
}

/// Prints every cycle of files that import each other: such files cannot be read one at a time.
fn check_import_cycles(packages: &[Value], findings: &mut Vec<String>) {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let targets = packages
        .iter()
        .filter_map(|package| package["targets"].as_array());
    let roots = targets
        .flatten()
        .filter_map(|target| target["src_path"].as_str());
    let roots: BTreeSet<&str> = roots.collect();
    let cycles = roots
        .iter()
        .flat_map(|root| cycles::of_target(Path::new(root), &read));
    let mut count = 0;
    for cycle in cycles {
        count += 1;
        say!("tidy: cycle {count}, a file -> what it uses of another");
        for arrow in cycle {
            say!("    {arrow}");
        }
    }
    if count > 0 {
        findings.push(format!("{count} import cycles, listed above"));
    }
}

/// Checks that functions and files that ARCHITECTURE.md and docs/flows name exist.
fn check_names_in_documents(files: &[(String, String)], findings: &mut Vec<String>) {
    let is_code = |path: &str| has_extension(path, &["rs"]);
    let is_document = |path: &str| path == "ARCHITECTURE.md" || path.starts_with("docs/flows/");
    let is_defined = |start: &str| {
        files
            .iter()
            .any(|(path, text)| is_code(path) && text.contains(start))
    };
    for (path, text) in files.iter().filter(|(path, _)| is_document(path)) {
        let named = prose::named(text);
        for function in named.functions {
            if !["(", "<"]
                .iter()
                .any(|next| is_defined(&format!("fn {function}{next}")))
            {
                findings.push(format!("{path}: there is no function `{function}`"));
            }
        }
        for file in named.files {
            if !root().join(file).exists() {
                findings.push(format!("{path}: there is no `{file}`"));
            }
        }
    }
}

/// Path and text of every file of the repository, and of new ones that git does not ignore. Binary files have an empty
/// text.
fn repository_files() -> Result<Vec<(String, String)>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("git could not be started")?;
    let list = String::from_utf8_lossy(&output.stdout);
    let text = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default();
    Ok(list
        .lines()
        .map(|path| (path.to_owned(), text(path)))
        .collect())
}

/// Paths of development machines, in parts so that this file does not match itself.
fn machine_paths() -> [String; 2] {
    [format!("/{}/", "work"), format!("/{}/.cargo", "root")]
}

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| extensions.iter().any(|e| found == *e))
}

/// Checks one file by its name and its text.
fn check_file(path: &str, text: &str, findings: &mut Vec<String>) {
    if [".snap.new", ".new.png", ".diff.png"]
        .iter()
        .any(|end| path.ends_with(end))
    {
        findings.push(format!("{path}: left over from a failed snapshot"));
    }
    if has_extension(path, &["rs"]) && text.lines().count() > MAX_LINES {
        findings.push(format!("{path}: more than {MAX_LINES} lines; split it"));
    }
    let is_prose = has_extension(path, &["rs", "toml", "md", "yml", "py"]);
    for (number, line) in (1..).zip(text.lines()) {
        let mut find = |what: &str| findings.push(format!("{path}:{number}: {what}"));
        if is_prose && line.ends_with(' ') {
            find("trailing space");
        }
        for word in prose::refused_words(line).iter().filter(|_| is_prose) {
            find(&format!("`{word}` hides the actor; name it"));
        }
        if machine_paths().iter().any(|path| line.contains(path)) {
            find("a path of a development machine");
        }
    }
}
