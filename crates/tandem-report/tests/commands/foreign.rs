//! Untrusted strings of a results folder, from servers, plans or other people, in every output.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixtures::{run, with_fixtures};

/// A formula, an escape sequence, a bell, a forged heading, a script, the end of a cell, a
/// right-to-left override and a NUL.
const HOSTILE: &str =
    "=HYPERLINK(\"http://x\")\u{1b}[31m\u{7}\n# forged\r\n<script>x</script> | \u{202e}\0";

/// The files of a folder and its subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    };
    paths.flat_map(of).collect()
}

/// The JSON and JSONL files of a folder, with their values.
fn documents(folder: &Path) -> Vec<(PathBuf, Vec<Value>)> {
    let values = |path: PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        let values = serde_json::Deserializer::from_str(&text).into_iter();
        Some((path, values.collect::<Result<_, _>>().ok()?))
    };
    files(folder).into_iter().filter_map(values).collect()
}

/// Calls `visit` with every string.
fn for_strings(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| for_strings(item, visit)),
        Value::Object(members) => {
            members
                .values_mut()
                .for_each(|item| for_strings(item, visit));
        }
        _ => {}
    }
}

type CanBeRead<'c> = &'c dyn Fn(&Path) -> bool;

/// Makes every free-text string hostile: those whose change leaves the folder readable.
fn spoil(folder: &Path, can_be_read: CanBeRead<'_>) -> BTreeSet<String> {
    let mut documents = documents(folder);
    let mut known = BTreeSet::new();
    for value in documents.iter_mut().flat_map(|(_, values)| values) {
        for_strings(value, &mut |text| known.extend([text.clone()]));
    }
    let write = |replaced: &BTreeSet<String>| {
        for (path, values) in &documents {
            let lines = values.iter().cloned().map(|mut value| {
                for_strings(&mut value, &mut |text| {
                    if replaced.contains(text) {
                        *text = format!("{HOSTILE}{text}");
                    }
                });
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
    let lines = (1_u32..)
        .zip(text.lines())
        .filter(|(_, line)| is_unsafe(line));
    let found = lines.map(|(n, line)| format!("{what}:{n}: {line:?}"));
    found.collect()
}

fn unsafe_files(folder: &Path) -> Vec<String> {
    let unsafe_lines = |path: PathBuf| match path.extension().and_then(|e| e.to_str()) {
        Some(extension @ ("md" | "csv")) => {
            let text = fs::read_to_string(&path).unwrap();
            unsafe_lines(&path.display().to_string(), extension, &text)
        }
        _ => Vec::new(),
    };
    files(folder).into_iter().flat_map(unsafe_lines).collect()
}

#[test]
fn foreign_strings_are_safe_in_every_output() {
    let sweep = |path: &Path| analysis::load::load(path, false).is_ok();
    let load = |path: &Path| analysis::load::read(path, false).is_ok();
    let capacity = |path: &Path| analysis::capacity::read(path, false).is_ok();
    let calibration = |path: &Path| analysis::calibration::read(path).is_ok();
    // Small folders, from the fuzzers' corpora: files, and their seeds where these have another name.
    let level = "capacity.json levels/0001-agents-1/requests.jsonl=requests/capacity.jsonl";
    let measured = "calibration.json=calibration/measured.json";
    let kinds: [(&str, CanBeRead<'_>, &str); 4] = [
        (
            "sweep",
            &sweep,
            "manifest.json journal.jsonl telemetry.jsonl",
        ),
        ("load", &load, "load.json requests.jsonl"),
        ("capacity", &capacity, level),
        ("calibration", &calibration, measured),
    ];
    let place = with_fixtures();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut found = Vec::new();
    for (name, can_be_read, files) in kinds {
        let input = format!("results/{name}");
        for file in files.split(' ') {
            let usual = file.replace('.', "/simulated.");
            let (file, seed) = file.split_once('=').unwrap_or((file, &usual));
            let path = place.path(&input).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(corpus.join(seed), path).unwrap();
        }
        let replaced = spoil(&place.path(&input), can_be_read);
        assert!(replaced.len() > 3, "{name}: {replaced:?}");
        let report = format!("report --input {input} --name {name}");
        let compare = format!("compare {input} {input}");
        for line in [report.as_str(), &compare] {
            let (code, out, err) = run(&place, line);
            found.extend(unsafe_lines(&format!("{line}: stdout"), "", &out));
            found.extend(unsafe_lines(&format!("{line}: stderr"), "", &err));
            assert!(code == 0 || line == compare, "{line}: {err}");
        }
        found.extend(unsafe_files(&place.path(&format!("reports/{name}"))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
