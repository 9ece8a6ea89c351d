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

/// Files with these names and texts, read in this order.
fn opened(files: &[(&str, &str)]) -> Workload {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    open(&paths, None).unwrap()
}

/// A record of a log of Claude Code, at this second.
fn record(session: &str, second: u32, uuid: &str, more: &str) -> String {
    format!(
        r#"{{"sessionId":"{session}","uuid":"{uuid}","timestamp":"2026-06-01T10:00:{second:02}Z",{more}}}"#
    ) + "\n"
}

fn answer(session: &str, second: u32, id: &str, content: &str, more: &str) -> String {
    let message = format!(r#"{{"id":"{id}","content":[{content}]}}"#);
    let more = format!(r#""type":"assistant"{more},"message":{message}"#);
    record(session, second, id, &more)
}

fn user(session: &str, second: u32, uuid: &str, content: &str, more: &str) -> String {
    let more = format!(r#""type":"user"{more},"message":{{"content":{content}}}"#);
    record(session, second, uuid, &more)
}

#[test]
fn sub_agents_with_one_task_belong_to_the_calls_that_started_them() {
    let task =
        |id: &str| format!(r#"{{"type":"tool_use","id":"{id}","input":{{"prompt":"do it"}}}}"#);
    let result = |id: &str| format!(r#"[{{"type":"tool_result","tool_use_id":"{id}"}}]"#);
    let side = r#","isSidechain":true"#;
    let mut text = user("s", 0, "u0", "\"go\"", "");
    for (at, names) in [["a0", "t0", "b0", "c0"], ["a1", "t1", "b1", "c1"]]
        .iter()
        .enumerate()
    {
        let second = at as u32 * 10;
        let [call, tool, begin, sub_agent] = names;
        text += &answer("s", second + 1, call, &task(tool), "");
        text += &user("s", second + 2, begin, "\"do it\"", side);
        let parent = format!(r#"{side},"parentUuid":"{begin}""#);
        text += &answer("s", second + 4, sub_agent, "", &parent);
        text += &user("s", second + 5, &format!("r{at}"), &result(tool), "");
    }
    text += &answer("s", 17, "a2", "", "");
    let workload = opened(&[("log.jsonl", &text)]);
    let sessions = workload.sessions();
    let parents = sessions
        .iter()
        .filter_map(|session| session.line.parent.as_ref());
    let parents: Vec<u32> = parents.map(|parent| parent.call).collect();
    assert_eq!((parents, sessions.len()), (vec![0, 1], 3));
    let waits: Vec<_> = sessions[0]
        .calls
        .iter()
        .map(|call| call.waits_for.join(" "))
        .collect();
    assert_eq!(waits, ["", "s/b0", "s/b1"]);
}

#[test]
fn the_order_of_logs_does_not_change_which_one_owns_a_call() {
    let call = |session: &str, second: u32, id: &str| {
        user(session, second, &format!("u{id}"), "\"go\"", "")
            + &answer(session, second + 2, id, "", "")
    };
    let first = call("old", 0, "m1") + &call("old", 10, "m2");
    let resumed = call("new", 0, "m1") + &call("new", 10, "m2") + &call("new", 20, "m3");
    let snapshot = "{\"type\":\"file-history-snapshot\",\"snapshot\":{}}\n";
    let missing = user(
        "new",
        30,
        "u4",
        r#"[{"type":"tool_result","tool_use_id":"t9"}]"#,
        r#","toolUseResult":{"agentId":"gone"}"#,
    );
    let resumed = resumed + &missing;
    // The resumed log has the smaller name.
    let logs = [
        ("b.jsonl", &*first),
        ("a.jsonl", &*resumed),
        ("c.jsonl", snapshot),
    ];
    let [one, two, three] = logs;
    for order in [[one, two, three], [three, two, one]] {
        let workload = opened(&order);
        let sessions = workload.sessions().iter();
        let calls: Vec<_> = sessions.map(|s| (&*s.line.id, s.calls.len())).collect();
        assert_eq!(calls, [("old", 2), ("new", 1)]);
        let notes = workload.header().notes.join("\n");
        for note in [
            "Sub-agents whose logs were not given: 1; their time is shown as that of tools.",
            "Logs that hold no call: 1; they add nothing.",
        ] {
            assert!(notes.contains(note), "{notes}");
        }
    }
}

#[test]
fn spans_of_two_traces_may_have_one_id() {
    let span = |trace: &str, tokens: &str| {
        let attributes = format!(r#"{{"gen_ai.usage.input_tokens":{tokens}}}"#);
        format!(
            r#"{{"traceId":"{trace}","spanId":"1","startTimeUnixNano":1,"endTimeUnixNano":2,"attributes":{attributes}}}"#
        ) + "\n"
    };
    let text = span("a", "100.0") + &span("b", "7") + &span("a", "100.0");
    let workload = opened(&[("spans.jsonl", &text)]);
    let sessions = workload.sessions().iter();
    let tokens: Vec<_> = sessions
        .map(|s| (&*s.line.id, s.calls.len(), s.calls[0].prompt_tokens))
        .collect();
    assert_eq!(tokens, [("a", 1, Some(100)), ("b", 1, Some(7))]);
    let notes = workload.header().notes.join("\n");
    let note =
        "Spans with the trace and the id of an earlier span: 1; the first of each is imported.";
    assert!(notes.contains(note), "{notes}");
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
