use serde_json::Value;

use super::*;
use crate::detect::open;
use crate::file::SourceKind;
use crate::measure::{Figures, Totals};

fn fixture(name: &str) -> PathBuf {
    repository("fixtures/sessions").join(name)
}

#[test]
fn each_format_is_detected_and_imported() {
    for (name, kind) in [
        ("weka.json", SourceKind::Weka),
        ("claude-code.jsonl", SourceKind::ClaudeCode),
        ("codex.jsonl", SourceKind::Codex),
        ("otel.json", SourceKind::Otel),
        ("otel.jsonl", SourceKind::Otel),
        ("trace.csv", SourceKind::Trace),
    ] {
        let paths = [fixture(name)];
        let workload = open(&paths, None).unwrap();
        assert_eq!(workload.header().source.kind, kind, "{name}");
        assert_eq!(open(&paths, Some(kind)).unwrap(), workload);
        let text = written(&workload);
        assert_eq!(parse(&text).as_ref(), Ok(&workload), "{name}");
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, text) });
    }
}

#[test]
fn files_of_one_format_are_imported_together() {
    let twice = open(&[fixture("weka.json"), fixture("weka.json")], None).unwrap();
    let roots: Vec<_> = twice
        .roots()
        .map(|(_, session)| session.line.id.clone())
        .collect();
    assert_eq!(
        (roots, twice.sessions().len()),
        (vec!["made-up".to_owned(), "made-up#2".to_owned()], 6)
    );
    let (weka, codex) = (fixture("weka.json"), fixture("codex.jsonl"));
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours");
    twice.write(&ours).unwrap();
    assert_eq!(open(std::slice::from_ref(&ours), None).unwrap(), twice);
    let load = repository("fixtures/load");
    assert_eq!(
        open(&[load], None).unwrap().header().source.kind,
        SourceKind::Trace
    );
    for (paths, from, words) in [
        (
            vec![weka.clone(), codex.clone()],
            None,
            "is of the format codex and the first file is of the format weka",
        ),
        (vec![ours.clone(), ours], None, "give one sessions file"),
        (
            vec![codex.clone()],
            Some(SourceKind::Weka),
            "codex.jsonl:1: missing field `id`",
        ),
        (
            vec![weka.clone()],
            Some(SourceKind::Codex),
            "weka.json:1: EOF while parsing an object",
        ),
        (
            vec![repository("LICENSE-MIT")],
            None,
            "name its format with --from",
        ),
        (vec![weka], Some(SourceKind::Otel), "a span has no spanId"),
        (vec![codex], Some(SourceKind::Otel), "a span has no spanId"),
        (
            vec![fixture("otel.json")],
            Some(SourceKind::ClaudeCode),
            "otel.json:1: EOF",
        ),
        (vec![fixture("gone")], None, "cannot be read"),
    ] {
        let error = open(&paths, from).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_log_that_repeats_calls_of_another_one_adds_none() {
    let first = fixture("claude-code.jsonl");
    let text = std::fs::read_to_string(&first).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let resumed = dir.path().join("resumed.jsonl");
    let (kept, new) = ("\"sessionId\":\"made-up\"", "\"sessionId\":\"again\"");
    std::fs::write(&resumed, text.replace(kept, new)).unwrap();
    let empty = dir.path().join("empty.jsonl");
    std::fs::write(&empty, "\n").unwrap();
    let once = open(std::slice::from_ref(&first), None).unwrap();
    let both = open(&[empty, first, resumed], None).unwrap();
    assert_eq!(both.sessions(), once.sessions());
}

/// The recorded sessions outside the repository, where they exist.
fn recorded(folder: &str) -> Vec<PathBuf> {
    let folder = repository("../shared/data/sessions").join(folder);
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no recorded sessions beside the repository");
        return Vec::new();
    };
    files.map(|file| file.unwrap().path()).collect()
}

fn totals(paths: &[PathBuf]) -> Totals {
    Figures::of(&open(paths, None).unwrap()).totals
}

#[test]
fn recorded_conversations_have_the_totals_that_their_files_state() {
    let files = recorded("weka");
    let mut sum = (0, 0, 0, 0);
    for path in &files {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let requests = |list: &Value| {
            let list = list.as_array().unwrap().iter();
            list.map(|entry| entry["requests"].as_array().map_or(1, Vec::len))
                .sum::<usize>()
        };
        let workload = open(std::slice::from_ref(path), None).unwrap();
        let notes = workload.header().notes.join("\n");
        assert!(!notes.contains("totals state"), "{notes}");
        let totals = Figures::of(&workload).totals;
        let stated = &file["totals"];
        assert_eq!(
            totals.work.calls,
            requests(&file["requests"]),
            "{}",
            path.display()
        );
        assert_eq!(totals.sub_agents as u64, stated["subagent_count"]);
        assert_eq!(
            totals.work.prompt_tokens,
            stated["combined_tokens"]["input"]
        );
        assert_eq!(
            totals.work.output_tokens,
            stated["combined_tokens"]["output"]
        );
        sum.0 += totals.work.calls;
        sum.1 += totals.sub_agents;
        sum.2 += totals.work.prompt_tokens;
        sum.3 += totals.work.output_tokens;
    }
    if !files.is_empty() {
        let all = totals(&files);
        assert_eq!(
            (
                all.work.calls,
                all.sub_agents,
                all.work.prompt_tokens,
                all.work.output_tokens
            ),
            sum
        );
        assert_eq!(
            (files.len(), all.sessions, all.work.calls, all.sub_agents),
            (30, 30, 728, 12)
        );
    }
}

#[test]
fn recorded_logs_count_each_call_once() {
    for path in recorded("logs") {
        let totals = totals(std::slice::from_ref(&path));
        let work = (
            totals.work.calls,
            totals.work.prompt_tokens,
            totals.work.output_tokens,
        );
        let cached = totals.work.cached_tokens;
        // Counted apart from this code: messages with their ids, and the last count of all tokens.
        let expected = match path.file_name().unwrap().to_str().unwrap() {
            "claude.jsonl" => ((10, 418_193, 9_423), Some(394_068)),
            _ => ((9, 95_819, 1_912), Some(79_488)),
        };
        assert_eq!((work, cached), expected, "{}", path.display());
    }
}
