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

/// Files with these names and texts, imported together.
fn import(files: &[(&str, &str)]) -> Result<Workload, String> {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    open(&paths, None).map_err(|error| error.to_string())
}

#[test]
fn time_in_which_a_call_ran_is_no_gap() {
    let spans = [(0, 10), (1, 2), (5, 6), (12, 13)].map(|(start, end)| {
        format!(
            r#"{{"traceId":"t","spanId":"{start}","startTimeUnixNano":"{start}000000000",
            "endTimeUnixNano":"{end}000000000","attributes":{{"gen_ai.operation.name":"chat"}}}}"#
        )
    });
    let workload = import(&[("spans.json", &spans.join("\n"))]).unwrap();
    let gaps: Vec<f64> = workload.sessions()[0]
        .calls
        .iter()
        .map(|call| call.gap_s.get())
        .collect();
    assert_eq!(gaps, [0.0, 0.0, 0.0, 2.0]);
    let notes = workload.header().notes.join("\n");
    let words = "by at most 9.000 s: 2; their gaps are 0, and they are laid end to end";
    assert!(notes.contains(words), "{notes}");
}

/// Counts of tokens: the second of the day, and the prompt.
fn codex_log(meta: &[&str], counts: &[(u32, u32)]) -> String {
    let at = |second: u32| format!("\"timestamp\":\"2026-03-21T10:00:{second:02}Z\"");
    let meta = meta.iter().map(|payload| {
        let at = at(20);
        format!("{{{at},\"type\":\"session_meta\",\"payload\":{payload}}}\n")
    });
    let mut total = 0;
    let counts = counts.iter().map(|(second, prompt)| {
        total += prompt;
        let usage = |tokens| format!("{{\"input_tokens\":{tokens},\"output_tokens\":1}}");
        let info = format!(
            "{{\"total_token_usage\":{},\"last_token_usage\":{}}}",
            usage(total),
            usage(*prompt)
        );
        let payload = format!("{{\"type\":\"token_count\",\"info\":{info}}}");
        let at = at(*second);
        format!("{{{at},\"type\":\"event_msg\",\"payload\":{payload}}}\n")
    });
    meta.chain(counts).collect()
}

#[test]
fn a_fork_holds_its_own_calls_alone() {
    let (parent_meta, fork_meta) = (
        "{\"id\":\"parent\"}",
        "{\"id\":\"fork\",\"forked_from_id\":\"parent\"}",
    );
    let parent = codex_log(&[parent_meta], &[(1, 100), (2, 200)]);
    let old = codex_log(&[fork_meta, parent_meta], &[(1, 100), (2, 200), (30, 300)]);
    // The copies may have the moment at which they were copied.
    let new = codex_log(
        &[fork_meta, parent_meta],
        &[(21, 100), (21, 200), (30, 300)],
    );
    let left_out = "Calls of the parent that the log of a fork repeats: 2;";
    let unknown = "that the log does not tell apart: 3;";
    for (files, prompts, note) in [
        (
            vec![("fork.jsonl", &old), ("parent.jsonl", &parent)],
            vec![("fork", vec![300]), ("parent", vec![100, 200])],
            left_out,
        ),
        (
            vec![("parent.jsonl", &parent), ("fork.jsonl", &new)],
            vec![("parent", vec![100, 200]), ("fork", vec![300])],
            left_out,
        ),
        (
            vec![("fork.jsonl", &old)],
            vec![("fork", vec![300])],
            left_out,
        ),
        (
            vec![("fork.jsonl", &new)],
            vec![("fork", vec![100, 200, 300])],
            unknown,
        ),
    ] {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let workload = import(&files).unwrap();
        let found: Vec<(&str, Vec<u32>)> = workload
            .sessions()
            .iter()
            .map(|session| {
                let tokens = session.calls.iter().filter_map(|call| call.prompt_tokens);
                (session.line.id.as_str(), tokens.collect())
            })
            .collect();
        assert_eq!(found, prompts);
        let notes = workload.header().notes.join("\n");
        assert!(notes.contains(note), "{notes}");
    }
}

/// A conversation with these entries.
fn weka(id: &str, requests: &str) -> String {
    format!("{{\"id\":\"{id}\",\"block_size\":64,\"requests\":[{requests}]}}")
}

#[test]
fn a_mistake_of_several_files_names_its_file() {
    let good = weka("good", r#"{"t":0,"type":"n","in":10,"out":1}"#);
    let bad = weka("bad", r#"{"t":0,"type":"n","in":10000001,"out":1}"#);
    let error = import(&[("good.json", &good), ("bad.json", &bad)]).unwrap_err();
    let words = "/bad.json: call 0 of session bad: prompt_tokens is above";
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_a_source_has_wrong_or_empty_is_unknown() {
    let requests = r#"{"t":0,"type":"s","model":"","in":10,"out":1,"api_time":2,"ttft":3},
        {"t":3,"type":"subagent","agent_id":"none","requests":[]},
        {"t":4,"type":"n","in":10,"out":1}"#;
    let workload = import(&[("weka.json", &weka("a", requests))]).unwrap();
    let [session] = workload.sessions() else {
        panic!("the sub-agent has no call");
    };
    let first = &session.calls[0];
    assert_eq!((&first.model, first.ttft_s), (&None, None));
    assert!(session.calls[1].waits_for.is_empty());
    let notes = workload.header().notes.join("\n");
    for words in [
        "Conversations and sub-agents without a request: 1; they are left out",
        "times to the first token above the call's: 1; they are taken as unknown",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
    let cached = codex_log(&["{\"id\":\"c\"}"], &[(1, 100)]).replace(
        "\"output_tokens\":1",
        "\"cached_input_tokens\":101,\"output_tokens\":1",
    );
    let workload = import(&[("codex.jsonl", &cached)]).unwrap();
    assert_eq!(workload.sessions()[0].calls[0].cached_tokens, None);
}

#[test]
fn recordings_of_different_years_are_imported_together() {
    let early = codex_log(&["{\"id\":\"early\"}"], &[(1, 100)]);
    let late = early
        .replace("2026-", "2029-")
        .replace("\"early\"", "\"late\"");
    let workload = import(&[("early.jsonl", &early), ("late.jsonl", &late)]).unwrap();
    let start = workload.sessions()[1].line.start_s.unwrap();
    // Three years, of which one is a leap year.
    assert_eq!(start.nanos(), 1096 * 24 * 3600 * 1_000_000_000);
    assert_eq!(parse(&written(&workload)), Ok(workload));
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
    let workload = import(&[("log.jsonl", &text)]).unwrap();
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
        let workload = import(&order).unwrap();
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
    let workload = import(&[("spans.jsonl", &text)]).unwrap();
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

#[test]
fn a_byte_order_mark_is_no_part_of_a_recording() {
    for name in [
        "weka.json",
        "claude-code.jsonl",
        "codex.jsonl",
        "otel.jsonl",
        "trace.csv",
    ] {
        let text = std::fs::read_to_string(fixture(name)).unwrap();
        let marked = format!("\u{feff}{text}");
        let [plain, marked] = [&text, &marked].map(|text| import(&[(name, text)]).unwrap());
        assert_eq!(plain.sessions(), marked.sessions(), "{name}");
    }
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
