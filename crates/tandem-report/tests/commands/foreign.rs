//! Untrusted strings of a results folder, from servers, plans or other people, in every output.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::Place;

/// A formula, an escape sequence, a bell, a forged heading, a script, the end of a cell, a
/// right-to-left override and a NUL.
const HOSTILE: &str =
    "=HYPERLINK(\"http://x\")\u{1b}[31m\u{7}\n# forged\r\n<script>x</script> | \u{202e}\0";

/// The JSON and JSONL files of a folder, with their values.
fn documents(folder: &Path) -> Vec<(PathBuf, Vec<Value>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let values = serde_json::Deserializer::from_str(&text).into_iter();
            if let Ok(values) = values.collect() {
                found.push((path, values));
            }
        }
    }
    found
}

fn strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.values().for_each(|item| strings(item, found)),
        _ => {}
    }
}

fn replace(value: &mut Value, replaced: &BTreeSet<String>) {
    match value {
        Value::String(text) if replaced.contains(text.as_str()) => {
            *text = format!("{HOSTILE}{text}");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, replaced)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|item| replace(item, replaced)),
        _ => {}
    }
}

type CanBeRead<'c> = &'c dyn Fn(&Path) -> bool;

/// Makes every free-text string hostile: those whose change leaves the folder readable.
fn spoil(folder: &Path, can_be_read: CanBeRead<'_>) -> BTreeSet<String> {
    let documents = documents(folder);
    let mut known = BTreeSet::new();
    for value in documents.iter().flat_map(|(_, values)| values) {
        strings(value, &mut known);
    }
    let write = |replaced: &BTreeSet<String>| {
        for (path, values) in &documents {
            let lines = values.iter().map(|value| {
                let mut value = value.clone();
                replace(&mut value, replaced);
                format!("{value}\n")
            });
            fs::write(path, lines.collect::<String>()).unwrap();
        }
    };
    assert!(can_be_read(folder), "{}", folder.display());
    let mut replaced = BTreeSet::new();
    for text in known {
        replaced.insert(text.clone());
        write(&replaced);
        if !can_be_read(folder) {
            replaced.remove(&text);
        }
    }
    write(&replaced);
    replaced
}

fn unsafe_lines(what: &str, extension: &str, text: &str) -> Vec<String> {
    let is_raw = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    let is_unsafe = |line: &str| {
        // Markdown shows code unchanged.
        let outside: String = line.split('`').step_by(2).collect();
        let is_cell = |cell: &str| cell.starts_with('=');
        line.contains(is_raw)
            || line.trim_start().starts_with("# forged")
            || extension == "md" && outside.contains("<script")
            || extension == "csv" && line.split([',', '"']).any(is_cell)
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_unsafe(line));
    lines
        .map(|(n, line)| format!("{what}:{}: {line:?}", n + 1))
        .collect()
}

fn unsafe_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let what = path.display().to_string();
        if path.is_dir() {
            found.extend(unsafe_files(&path));
        } else if let Some(extension @ ("md" | "csv")) = path.extension().and_then(|e| e.to_str()) {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(unsafe_lines(&what, extension, &text));
        }
    }
    found
}

#[test]
fn foreign_strings_are_safe_in_every_output() {
    let sweep = |path: &Path| analysis::load::load(path, false).is_ok();
    let load = |path: &Path| analysis::load::read(path, false).is_ok();
    let capacity = |path: &Path| analysis::capacity::read(path, false).is_ok();
    let calibration = |path: &Path| analysis::calibration::read(path).is_ok();
    // Small folders, from the fuzzers' corpora.
    let level = [
        "levels/0001-agents-1/requests.jsonl",
        "requests/capacity.jsonl",
    ];
    let sweep_files = [
        ["manifest.json", "manifest/simulated.json"],
        ["journal.jsonl", "journal/simulated.jsonl"],
        ["telemetry.jsonl", "telemetry/simulated.jsonl"],
    ];
    let load_files = [
        ["load.json", "load/simulated.json"],
        ["requests.jsonl", "requests/simulated.jsonl"],
    ];
    let capacity_files = [["capacity.json", "capacity/simulated.json"], level];
    let calibration_files = [["calibration.json", "calibration/measured.json"]];
    let kinds: [(&str, CanBeRead<'_>, &[[&str; 2]]); 4] = [
        ("sweep", &sweep, &sweep_files),
        ("load", &load, &load_files),
        ("capacity", &capacity, &capacity_files),
        ("calibration", &calibration, &calibration_files),
    ];
    let place = Place::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut found = Vec::new();
    for (name, can_be_read, files) in kinds {
        let input = format!("results/{name}");
        for [file, seed] in files {
            let path = place.path(&input).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(corpus.join(seed), path).unwrap();
        }
        let replaced = spoil(&place.path(&input), can_be_read);
        assert!(replaced.len() > 3, "{name}: {replaced:?}");
        let report = format!("report --input {input} --name {name}");
        let compare = format!("compare {input} {input}");
        for line in [report.as_str(), &compare] {
            let (code, out, err) = place.run(line);
            found.extend(unsafe_lines(&format!("{line}: stdout"), "", &out));
            found.extend(unsafe_lines(&format!("{line}: stderr"), "", &err));
            assert!(code == 0 || line == compare, "{line}: {err}");
        }
        found.extend(unsafe_files(&place.path(&format!("reports/{name}"))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
