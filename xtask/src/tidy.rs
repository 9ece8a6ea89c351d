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

/// Which of our crates may depend on which. `ARCHITECTURE.md` says why.
const GRAPH: &[(&str, &str)] = &[
    ("domain", ""),
    ("clock", "domain"),
    ("transport", "clock domain"),
    ("ollama", "clock domain transport"),
    ("openai", "clock domain transport"),
    ("scripted", "clock domain"),
    ("agents", "clock domain"),
    ("telemetry", "clock domain"),
    ("simulator", "clock domain"),
    ("metronome", "clock domain"),
    ("results", "domain"),
    ("runtime", "agents clock domain results telemetry"),
    ("metrics", "domain"),
    ("document", "domain metrics"),
    ("analysis", "document domain metrics results"),
    (
        "tandem",
        "agents clock document domain metrics metronome ollama openai results runtime simulator telemetry",
    ),
    ("tandem-report", "analysis document domain metrics"),
    (
        "fuzz",
        "analysis clock domain metrics ollama openai runtime simulator",
    ),
    ("xtask", ""),
];

/// External crates that only some of ours may depend on.
const CONFINED: &[(&str, &[&str])] = &[
    ("polars", &["analysis"]),
    ("plotters", &["analysis"]),
    ("nvml-wrapper", &["telemetry"]),
    ("procfs-core", &["telemetry"]),
    ("reqwest", &["transport"]),
    ("hyper", &["simulator"]),
    ("httparse", &["metronome", "transport"]),
    ("mio", &["metronome", "transport"]),
];

const MOST_LINES: usize = 800;

pub(crate) const HELP: &str = "\
Usage: cargo xtask tidy

Checks that each crate depends only on the crates it may (GRAPH in xtask/src/tidy.rs), that no files of a
crate import each other in a cycle, that no Rust file is longer than 800 lines, and that no file has
trailing spaces, a path of the development machine, or is left over from a failed snapshot.
";

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    if !args.is_empty() {
        return crate::refuse("tidy", args);
    }
    Ok(exit(check()?.is_empty()))
}

pub(crate) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let metadata = metadata()?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    crate_graph(packages, &mut findings);
    import_cycles(packages, &mut findings);
    files(&mut findings)?;
    names_in_documents(&mut findings)?;
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

fn crate_graph(packages: &[Value], findings: &mut Vec<String>) {
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let allowed: BTreeMap<&str, &str> = GRAPH.iter().copied().collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = allowed.get(name) else {
            findings.push(format!(
                "crate `{name}` is not in the crate graph (xtask/src/tidy.rs)"
            ));
            continue;
        };
        let dependencies = package["dependencies"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for dependency in dependencies {
            let dev = dependency["kind"] == "dev";
            let Some(to) = dependency["name"].as_str() else {
                continue;
            };
            if ours.contains(to) && !allowed.split(' ').any(|a| a == to) && !dev {
                findings.push(format!("`{name}` must not depend on `{to}`"));
            }
            if let Some((_, homes)) = CONFINED.iter().find(|(confined, _)| *confined == to)
                && !homes.contains(&name)
                && !dev
            {
                findings.push(format!("`{to}` belongs to {homes:?} only, not to `{name}`"));
            }
        }
    }
}

/// Lists every cycle of files that import each other: such files cannot be read one at a time.
fn import_cycles(packages: &[Value], findings: &mut Vec<String>) {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let shown = |path: &Path| {
        path.strip_prefix(root())
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let roots: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| package["targets"].as_array())
        .flatten()
        .filter_map(|target| target["src_path"].as_str())
        .collect();
    let mut count = 0;
    for target in roots {
        for cycle in cycles::of_target(Path::new(target), &read) {
            count += 1;
            say!("tidy: cycle {count}, of {} files", cycle.files.len());
            for arrow in cycle.arrows {
                let names: Vec<&str> = arrow.names.iter().map(String::as_str).collect();
                let (from, to) = (shown(&arrow.from), shown(&arrow.to));
                say!("    {from} uses {to}: {}", names.join(", "));
            }
        }
    }
    if count > 0 {
        findings.push(format!("{count} import cycles, listed above"));
    }
}

/// Checks that functions and files that ARCHITECTURE.md and docs/flows name exist.
fn names_in_documents(findings: &mut Vec<String>) -> Result<()> {
    let mut code = String::new();
    let mut documents = Vec::new();
    for path in repository_files()? {
        let is_document = path == "ARCHITECTURE.md" || path.starts_with("docs/flows/");
        let is_code = Path::new(&path).extension().is_some_and(|e| e == "rs");
        if is_document || is_code {
            let text = std::fs::read_to_string(root().join(&path))?;
            if is_document {
                documents.push((path, text));
            } else {
                code.push_str(&text);
            }
        }
    }
    for (path, text) in &documents {
        let named = prose::named(text);
        for function in named.functions {
            let starts = ["(", "<"].map(|next| format!("fn {function}{next}"));
            if !starts.iter().any(|start| code.contains(start)) {
                findings.push(format!("{path}: there is no function `{function}`"));
            }
        }
        for file in named.files {
            if !root().join(file).exists() {
                findings.push(format!("{path}: there is no `{file}`"));
            }
        }
    }
    Ok(())
}

/// The files of the repository, and new ones that git does not ignore.
fn repository_files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("git could not be started")?;
    let list = String::from_utf8_lossy(&output.stdout);
    Ok(list.lines().map(str::to_owned).collect())
}

/// Paths of development machines, in parts so that this file does not match itself.
fn machine_paths() -> [String; 2] {
    [format!("/{}/", "work"), format!("/{}/.cargo", "root")]
}

fn files(findings: &mut Vec<String>) -> Result<()> {
    for path in &repository_files()? {
        if path.ends_with(".snap.new") || path.ends_with(".new.png") || path.ends_with(".diff.png")
        {
            findings.push(format!("{path}: left over from a failed snapshot"));
        }
        let Ok(text) = std::fs::read_to_string(root().join(path)) else {
            continue;
        };
        let is = |extension: &str| Path::new(path).extension().is_some_and(|e| e == extension);
        if is("rs") && text.lines().count() > MOST_LINES {
            findings.push(format!("{path}: more than {MOST_LINES} lines; split it"));
        }
        let prose = ["rs", "toml", "md", "yml", "py"]
            .iter()
            .any(|e| path.ends_with(&format!(".{e}")));
        for (number, line) in text.lines().enumerate() {
            let at = number + 1;
            if prose && line.ends_with(' ') {
                findings.push(format!("{path}:{at}: trailing space"));
            }
            if prose {
                for word in prose::refused_words(line) {
                    findings.push(format!("{path}:{at}: `{word}` hides the actor; name it"));
                }
            }
            if machine_paths().iter().any(|p| line.contains(p.as_str())) {
                findings.push(format!("{path}:{at}: a path of a development machine"));
            }
        }
    }
    Ok(())
}
