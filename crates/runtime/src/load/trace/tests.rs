use domain::record::schema1;

use super::*;

fn parse(text: &str) -> Result<Trace, TraceError> {
    Trace::parse(Path::new("folder/t.jsonl"), text)
}

/// Start in ms, prompt tokens, output tokens, session.
fn rows(text: &str) -> Vec<(u64, TracePrompt, Option<u32>, Option<u32>)> {
    let trace = parse(text).unwrap();
    assert_eq!(trace.name, "t.jsonl");
    let entries = trace.entries.into_iter();
    entries
        .map(|e| (e.start.0 / 1_000_000, e.prompt, e.output_tokens, e.session))
        .collect()
}

fn tokens(n: u32) -> TracePrompt {
    TracePrompt::Tokens(n)
}

#[test]
fn published_traces_are_read_in_their_own_columns() {
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
                 2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n";
    assert_eq!(
        rows(azure),
        [
            (0, tokens(374), Some(44), None),
            (4314, tokens(396), Some(109), None)
        ]
    );
    let azure_2024 = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                      2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01+00:00,2,0\n";
    assert_eq!(
        rows(azure_2024),
        [
            (0, tokens(2162), Some(5), None),
            (990, tokens(2), None, None)
        ]
    );
    let mooncake = r#"
        {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}
        {"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": [46]}
    "#;
    assert_eq!(
        rows(mooncake),
        [
            (0, tokens(6955), Some(52), None),
            (3053, tokens(6472), Some(26), None)
        ]
    );
    let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                 5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,Conversation log\n";
    assert_eq!(
        rows(burst),
        [
            (0, tokens(472), Some(18), None),
            (40_000, tokens(1087), Some(230), None)
        ]
    );
}

#[test]
fn ones_own_trace_may_hold_prompts_and_sessions_in_any_order() {
    let text = concat!(
        r#"{"start_s": 2.5, "prompt": "Second", "output_tokens": 3, "session": "x"}"#,
        "\n",
        r#"{"start_s": 1, "prompt": "First", "session": 7}"#,
        "\n\n",
        r#"{"start_s": 3, "prompt_tokens": 4, "session": "x"}"#,
    );
    assert_eq!(
        rows(text),
        [
            (0, TracePrompt::Text("First".into()), None, Some(0)),
            (1500, TracePrompt::Text("Second".into()), Some(3), Some(1)),
            (2000, tokens(4), None, Some(1)),
        ]
    );
    assert_eq!(parse(text).unwrap().sessions(), 2);
}

#[test]
fn what_a_load_or_a_sweep_recorded_can_be_replayed() {
    let record = |agent: u32, at: u64, role: &str, counted: bool| {
        let counters = if counted {
            serde_json::json!({ "prompt_eval_count": 40 + agent })
        } else {
            serde_json::json!({})
        };
        serde_json::json!({
            "t": "request", "config": "load", "topology": "shared", "repetition": 1,
            "arm": "together", "attempt": 1, "role": role, "agent": agent, "agent_name": "a",
            "step": "load", "call": 0, "endpoint": 0, "model": "m", "options": {},
            "prompt_sha256": "", "scheduled": at * 1_000_000, "sent": null, "headers": null,
            "first_token": null, "last_token": null, "done": null, "ended": 0,
            "outcome": { "kind": "completed" }, "tokens": agent, "tokens_from": "server",
            "counters": counters, "output_chars": 0,
        })
    };
    let lines = [
        serde_json::json!({ "t": "mark", "at": 0, "what": "started" }),
        record(3, 900, "main", true),
        record(1, 500, "probe", true),
        record(0, 700, "main", false),
    ];
    let now = lines.clone().map(schema1::journal_line);
    let load = now.iter().filter_map(|line| line.get("request").cloned());
    for lines in [lines.to_vec(), now.to_vec(), load.collect()] {
        let text: Vec<_> = lines.iter().map(Value::to_string).collect();
        assert_eq!(
            rows(&text.join("\n")),
            [
                (0, TracePrompt::Unknown, None, Some(0)),
                (200, tokens(43), Some(3), Some(1)),
            ]
        );
    }
}

#[test]
fn mistakes_name_file_line_and_fix() {
    for (text, line, part) in [
        (
            "{\"start_s\": 1, \"prompt_tokens\": 2}\n{\"start_s\": 1\n",
            2,
            "no JSON object",
        ),
        ("{\"start_s\": 1}\n", 1, "no prompt among"),
        ("{\"prompt\": \"x\"}\n", 1, "no start among"),
        ("a,b\n1,2\n", 2, "a trace has a start"),
        (
            "start_s,prompt_tokens\n1,2\n2,many\n",
            3,
            "prompt_tokens is `many`",
        ),
        ("start_s,prompt_tokens\n1,2\n-2,2\n", 3, "start_s is `-2`"),
        ("start_s,prompt_tokens\n1,2.5\n", 2, "whole number"),
        ("start_s,prompt_tokens\n1,2,3\n", 2, "no CSV row"),
        (
            "TIMESTAMP,ContextTokens\nyesterday,3\n",
            2,
            "2023-11-16 18:15:46.680",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        let place = format!("folder/t.jsonl:{line}: ");
        assert!(error.starts_with(&place), "{error}");
        assert!(error.contains(part), "{error}");
    }
    let empty = parse("start_s,prompt_tokens\n").unwrap_err().to_string();
    assert!(empty.contains("holds no request"), "{empty}");
    let absent = Trace::read(Path::new("no/such.csv")).unwrap_err();
    assert!(absent.to_string().contains("no/such.csv"));
}
