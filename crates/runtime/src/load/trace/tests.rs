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

/// Two requests with output tokens and without sessions: the second start in ms, and the tokens of each.
fn two(
    second_ms: u64,
    first: (u32, u32),
    second: (u32, u32),
) -> [(u64, TracePrompt, Option<u32>, Option<u32>); 2] {
    let row = |at, (prompt, output)| (at, tokens(prompt), Some(output), None);
    [row(0, first), row(second_ms, second)]
}

#[test]
fn published_traces_are_read_in_their_own_columns() {
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
                 2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n";
    assert_eq!(rows(azure), two(4314, (374, 44), (396, 109)));
    let azure_2024 = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                      2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01+00:00,2,7\n";
    assert_eq!(rows(azure_2024), two(990, (2162, 5), (2, 7)));
    let mooncake = r#"
        {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}
        {"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": [46]}
    "#;
    assert_eq!(rows(mooncake), two(3053, (6955, 52), (6472, 26)));
    let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                 5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,Conversation log\n";
    assert_eq!(rows(burst), two(40_000, (472, 18), (1087, 230)));
}

#[test]
fn a_trace_may_have_prompts_and_sessions_in_any_order() {
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
        let tokens = counted.then_some(40 + agent);
        let counters = serde_json::json!({ "prompt_eval_count": tokens });
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
        let first = (0, TracePrompt::Unknown, None, Some(0));
        let second = (200, tokens(43), Some(3), Some(1));
        assert_eq!(rows(&text.join("\n")), [first, second]);
    }
}

#[test]
fn mistakes_name_file_line_and_fix() {
    for mistake in [
        "{'start_s': 1, 'prompt_tokens': 2}|{'start_s': 1| => 2: no JSON object",
        "{'start_s': 1}| => 1: no prompt among",
        "{'prompt': 'x'}| => 1: no start among",
        "a,b|1,2| => 2: a trace has a start",
        "start_s,prompt_tokens|1,2|2,many| => 3: prompt_tokens is `many`",
        "start_s,prompt_tokens|1,2|-2,2| => 3: start_s is `-2`",
        "start_s,prompt_tokens|1,2.5| => 2: whole number",
        "start_s,prompt_tokens|1,2,3| => 2: no CSV row",
        "TIMESTAMP,ContextTokens|yesterday,3| => 2: 2023-11-16 18:15:46.680",
        "start,text|1,a|2020-01-01 00:00:00,b| => 3: not written as in line 2",
        "[{'start': 1, 'text': 'a'},| {'start_s': 1, 'text': 'a'}] => 2: use one column",
        "[{'start': 1, 'text': 'a'} => 1: no JSON array",
        "start_s,text|1700000000000,a| => 2: looks like milliseconds since 1970",
        "start_ms,text|1700000000,a| => 2: looks like seconds since 1970",
        "timestamp,text|1700000000,a|1700000000000,b| => 3: a trace spans a year",
        "timestamp,text|0,a|3600000000,b| => 3: starts 41667 days after",
        "{'start': 1, 'prompt': ['a']} => 1: prompt is a list; give a text",
        "{'start': 1, 'text': 5} => 1: text is a number; give a text",
        "{'start': {}, 'text': 'a'} => 1: start is an object; give a number or a text",
        "{'start': 1, 'messages': []} => 1: no prompt among [\"messages\", \"start\"]",
        "start,start,text|1,2,a| => 1: start is given twice",
    ] {
        let (text, expected) = mistake.split_once(" => ").unwrap();
        let (line, part) = expected.split_once(": ").unwrap();
        let text = text.replace('|', "\n").replace('\'', "\"");
        let error = parse(&text).unwrap_err().to_string();
        let place = format!("folder/t.jsonl:{line}: ");
        assert!(error.starts_with(&place) && error.contains(part), "{error}");
    }
    let empty = parse("start_s,prompt_tokens\n").unwrap_err().to_string();
    assert!(empty.contains("holds no request"), "{empty}");
    let absent = Trace::read(Path::new("no/such.csv")).unwrap_err();
    assert!(absent.to_string().contains("no/such.csv"));
}

#[test]
fn starts_are_read_in_the_unit_that_their_magnitude_says() {
    // Two starts that are 1.5 s apart, however they are written.
    for case in [
        "start_s | 0.5 | 2 | start_s in seconds",
        "start_ms | 100 | 1600 | start_ms in milliseconds",
        "timestamp | 5 | 6.5 | timestamp in seconds",
        "Timestamp | 17e8 | 1700000001.5 | timestamp in seconds since 1970",
        "timestamp | 17e11 | 1700000001500 | timestamp in milliseconds since 1970",
        "timestamp | 17e14 | 1700000001500000 | timestamp in microseconds since 1970",
        "arrived_at | 17e17 | 1700000001500000000 | arrived_at in nanoseconds since 1970",
        "timestamp | 2023-11-16T18:00:59.9+02:00 | 2023-11-16 17:01:01.4+0100 | timestamp as date and time",
        "timestamp | 2023-11-16 16:00:59.9 | 2023-11-16 16:01:01.4Z | timestamp as date and time",
    ] {
        let parts: Vec<&str> = case.split(" | ").collect();
        let [heading, first, second, read_as] = parts[..] else {
            panic!("{case}")
        };
        for length in ["prompt_tokens", "input_length"] {
            let text = format!("{heading},{length}\n{first},7\n{second},7\n");
            let trace = parse(&text).unwrap();
            let is_mooncake = length == "input_length" && read_as == "timestamp in seconds";
            let (read_as, apart) = if is_mooncake {
                ("timestamp in milliseconds", 1_500_000)
            } else {
                (read_as, 1_500_000_000)
            };
            assert_eq!(trace.starts, read_as, "{text}");
            let off = trace.entries[1].start.0.abs_diff(apart);
            assert!(off <= 512, "{text}{trace:?}");
        }
    }
}

#[test]
fn separators_arrays_and_byte_order_marks_change_nothing() {
    let csv = "start;prompt tokens;prompt_tokens\n3;x;5\n1;y;4\n";
    let array =
        "\u{feff}[{\"start\": 3, \"prompt_tokens\": 5},\n{\"start\": 1, \"prompt_tokens\": 4}]";
    let expected = [(0, tokens(4), None, None), (2000, tokens(5), None, None)];
    for text in [
        csv.to_owned(),
        csv.replace(';', "\t"),
        csv.replace(';', ","),
        format!("\u{feff}{csv}"),
        array.to_owned(),
        array.replace('\n', ""),
    ] {
        assert_eq!(rows(&text), expected, "{text}");
    }
}

#[test]
fn requests_without_a_response_are_skipped_and_columns_without_a_use_are_named() {
    let burst = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Log Type\n\
                 1,7,0.5,GPT-4,472,0,API\n5,7,0.5,GPT-4,400,18,API\n6,,0.5,GPT-4,300,9,API\n";
    let trace = parse(burst).unwrap();
    assert_eq!(trace.skipped, 1);
    assert_eq!(trace.unused, ["elapsed time", "log type", "model"]);
    let first = (0, tokens(400), Some(18), Some(0));
    assert_eq!(rows(burst), [first, (1000, tokens(300), Some(9), None)]);
    let chat = r#"{"start": 1, "prompt_tokens": 3, "model": "m", "messages": []}"#;
    assert_eq!(parse(chat).unwrap().unused, ["messages", "model"]);
    let vidur = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.25,10,2\n";
    assert_eq!(rows(vidur), [(0, tokens(10), Some(2), None)]);
    let failed = parse("start,prompt_tokens,output_tokens\n1,2,0\n").unwrap_err();
    assert!(failed.to_string().contains("holds no request"), "{failed}");
}
