use domain::record::schema1;

use super::*;

fn parse(text: &str) -> Result<Trace, TraceError> {
    Trace::parse(Path::new("folder/t.jsonl"), text)
}

/// Start in ms, prompt tokens, output tokens, session.
fn rows(text: &str) -> Vec<(u64, TracePrompt, Option<u32>, Option<u32>)> {
    let trace = parse(text).unwrap();
    assert_eq!(trace.name, "t.jsonl");
    let row = |e: TraceEntry| (e.start.0 / 1_000_000, e.prompt, e.output_tokens, e.session);
    trace.entries.into_iter().map(row).collect()
}

fn tokens(n: u32) -> TracePrompt {
    TracePrompt::Tokens(n)
}

#[test]
fn traces_are_read_in_their_own_columns() {
    for case in include_str!("cases.txt").split("\n\n").skip(1) {
        let lines = case.lines().skip(1);
        let (expected, given): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with(' '));
        let blank_lines = if given[0].starts_with('{') {
            "\n\n"
        } else {
            "\n"
        };
        for line_end in ["\n", "\r\n", blank_lines] {
            let text = given.join(line_end);
            let trace = parse(&text).unwrap();
            let of = |(start, prompt, output, session)| {
                format!("  {start} {prompt:?} {output:?} {session:?}")
            };
            let mut found: Vec<_> = rows(&text).into_iter().map(of).collect();
            if trace.skipped > 0 {
                found.push(format!("  skipped {}", trace.skipped));
            }
            if !trace.unused.is_empty() {
                found.push(format!("  unused {}", trace.unused.join(", ")));
            }
            assert_eq!(found, expected, "{case}");
        }
    }
    let sessions = "start,prompt,session\n1,a,x\n2,b,y\n3,c,x\n";
    assert_eq!(parse(sessions).unwrap().sessions(), 2);
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
    // With `|` for line ends and single quotes for double ones.
    for mistake in include_str!("mistakes.txt").lines() {
        let (text, expected) = mistake.split_once(" => ").unwrap();
        let (line, part) = expected.split_once(": ").unwrap();
        let text = text.replace('|', "\n").replace('\'', "\"");
        let error = parse(&text).unwrap_err().to_string();
        let place = format!("folder/t.jsonl:{line}: ");
        assert!(error.starts_with(&place) && error.contains(part), "{error}");
    }
    let empty = parse("start_s,prompt_tokens\n").unwrap_err().to_string();
    assert!(empty.contains("holds no request"), "{empty}");
    let failed = parse("start,prompt_tokens,output_tokens\n1,2,0\n").unwrap_err();
    assert!(failed.to_string().contains("holds no request"), "{failed}");
    let absent = Trace::read(Path::new("no/such.csv")).unwrap_err();
    assert!(absent.to_string().contains("no/such.csv"));
}

#[test]
fn starts_are_read_in_the_unit_that_their_magnitude_says() {
    // Two starts that are 1.5 s apart, however they are written.
    for case in include_str!("starts.txt").lines() {
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
