use std::fmt::Write as _;

use proptest::prelude::*;

use super::made::workloads;
use super::*;

/// A parent with two calls, and a child that the second one waits for.
const GOOD: &str = r#"{"format":"tandem-sessions","version":1,"source":{"kind":"written"},"block_tokens":64}
{"session":{"id":"a"}}
{"session":{"id":"b","parent":{"session":"a","call":0},"agent":"Explore"}}
{"call":{"session":"a","number":0,"prompt_tokens":200,"blocks":{"new":[1,2,3]},"api_s":2,"gap_s":0,"gap_kind":"unknown"}}
{"call":{"session":"b","number":0,"model":"m","api_s":3,"ttft_s":1,"gap_s":0.5,"gap_kind":"tool"}}
{"call":{"session":"a","number":1,"prompt_tokens":256,"cached_tokens":128,"blocks":{"kept":2,"new":[4,5]},"gap_s":1,"gap_kind":"tool","waits_for":["b"]}}
"#;

/// Texts of the good file, what takes their places, and the message without the file's name.
const MISTAKES: &[(&str, &str)] = &[
    ("tandem-sessions", "other"),
    ("\"version\":1", "\"version\":2,\"new\":3"),
    ("\"version\":1", "\"version\":0"),
    ("\"kind\":\"written\"", "\"kind\":\"weka2\""),
    (",\"block_tokens\":64", ""),
    ("\"block_tokens\":64", "\"block_tokens\":0"),
    ("{\"session\":{\"id\":\"a\"}}\n", ""),
    ("\"id\":\"a\"", "\"id\":\"\""),
    ("\"id\":\"a\"", "\"id\":\"a\",\"colour\":\"red\""),
    ("\"id\":\"b\"", "\"id\":\"a\""),
    ("\"id\":\"a\"", "\"id\":\"a\",\"start_s\":-1"),
    ("\"agent\":\"Explore\"", "\"start_s\":1"),
    ("\"id\":\"a\"", "\"id\":\"a\",\"detached\":true"),
    (
        "\"id\":\"a\"",
        "\"id\":\"a\",\"parent\":{\"session\":\"b\",\"call\":0}",
    ),
    (
        "\"session\":\"a\",\"call\":0}",
        "\"session\":\"c\",\"call\":0}",
    ),
    (
        "\"session\":\"a\",\"call\":0}",
        "\"session\":\"a\",\"call\":7}",
    ),
    (
        "\"session\":\"a\",\"call\":0}",
        "\"session\":\"a\",\"call\":1}",
    ),
    (
        "\"session\":\"b\",\"number\":0",
        "\"session\":\"c\",\"number\":0",
    ),
    (
        "\"session\":\"b\",\"number\":0",
        "\"session\":\"b\",\"number\":1",
    ),
    (
        "\"session\":\"a\",\"number\":1",
        "\"session\":\"a\",\"number\":0",
    ),
    (",\"waits_for\":[\"b\"]", ""),
    ("[\"b\"]", "[\"b\",\"b\"]"),
    ("[\"b\"]", "[\"a\"]"),
    ("\"agent\":\"Explore\"", "\"detached\":true"),
    ("\"gap_s\":0.5", "\"gap_s\":-0.5"),
    ("\"gap_s\":0.5", "\"gap_s\":1e999"),
    ("\"gap_s\":0.5", "\"gap_s\":1e9"),
    ("\"gap_s\":0.5,", ""),
    ("\"gap_kind\":\"tool\"", "\"gap_kind\":\"lunch\""),
    ("\"ttft_s\":1", "\"ttft_s\":4"),
    ("\"model\":\"m\"", "\"model\":\"m\\u001b\""),
    ("\"prompt_tokens\":200", "\"prompt_tokens\":10000001"),
    ("\"prompt_tokens\":200", "\"prompt_tokens\":-1"),
    ("\"prompt_tokens\":200", "\"prompt_tokens\":100"),
    ("\"cached_tokens\":128", "\"cached_tokens\":257"),
    ("\"kept\":2", "\"kept\":4"),
    (
        "{\"call\":{\"session\":\"b\"",
        "{\"turn\":{\"session\":\"b\"",
    ),
    ("[\"b\"]}}\n", "[\"b\"]"),
    (
        "{\"call\":{\"session\":\"b\",\"number\":0,\"model\":\"m\",\"api_s\":3,\"ttft_s\":1,\"gap_s\":0.5,\"gap_kind\":\"tool\"}}\n",
        "",
    ),
];

#[test]
fn each_mistake_is_refused_with_its_line_and_a_fix() {
    let mut found = String::new();
    for (text, instead) in MISTAKES {
        assert!(GOOD.contains(text), "{text}");
        let message = parse(&GOOD.replacen(text, instead, 1)).unwrap_err();
        writeln!(found, "{text} => {instead}\n    {message}").unwrap();
    }
    writeln!(found, "no text\n    {}", parse(" \n").unwrap_err()).unwrap();
    let (first, _) = GOOD.split_once('\n').unwrap();
    writeln!(found, "no session\n    {}", parse(first).unwrap_err()).unwrap();
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(found) });
}

#[test]
fn parents_that_are_deep_or_lead_in_a_circle_are_refused() {
    let (header, _) = GOOD.split_once('\n').unwrap();
    let chain = |depth: u32, first: &str| {
        let mut text = format!("{header}\n{{\"session\":{{\"id\":\"s0\"{first}}}}}\n");
        for at in 0..=depth {
            let call = "\"number\":0,\"gap_s\":0,\"gap_kind\":\"unknown\"";
            writeln!(text, "{{\"call\":{{\"session\":\"s{at}\",{call}}}}}").unwrap();
            let parent = at.checked_sub(1);
            text += &parent.map_or_else(String::new, |parent| {
                let parent = format!("{{\"session\":\"s{parent}\",\"call\":0}}");
                format!(
                    "{{\"session\":{{\"id\":\"s{at}\",\"parent\":{parent},\"detached\":true}}}}\n"
                )
            });
        }
        parse(&text)
    };
    assert_eq!(chain(64, "").unwrap().sessions()[64].depth, 64);
    let words = "the parents of session";
    assert!(chain(65, "").unwrap_err().contains(words));
    let circle = ",\"detached\":true,\"parent\":{\"session\":\"s2\",\"call\":0}";
    assert!(chain(2, circle).unwrap_err().contains(words));
}

#[test]
fn lines_may_come_as_a_recorder_writes_them() {
    let workload = parse(GOOD).unwrap();
    let mut lines: Vec<&str> = GOOD.lines().collect();
    lines.swap(2, 4);
    lines.insert(3, "");
    assert_eq!(
        parse(&(lines.join("\r\n") + "\n"))
            .unwrap()
            .sessions()
            .len(),
        2
    );
    let (a, b) = (&workload.sessions()[0], &workload.sessions()[1]);
    assert_eq!(
        (a.calls.len(), &a.children[..], a.parent),
        (2, &[1][..], None)
    );
    assert_eq!((b.calls.len(), b.depth, b.parent), (1, 1, Some(0)));
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.jsonl");
    let workload = parse(GOOD).unwrap();
    workload.write(&path).unwrap();
    assert_eq!(Workload::read(&path).unwrap(), workload);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("nothing", &link).unwrap();
    for taken in [&path, &link] {
        let refused = workload.write(taken).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    }
    // A recording may have any name.
    let recording = dir.path().join("out.jsonl.tmp");
    std::fs::write(&recording, "recorded").unwrap();
    workload.write(&dir.path().join("out.jsonl")).unwrap();
    assert_eq!(std::fs::read_to_string(&recording).unwrap(), "recorded");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4);
    workload
        .write(&dir.path().join("none/s.jsonl"))
        .unwrap_err();
    let gone = Workload::read(&dir.path().join("gone")).unwrap_err();
    assert!(gone.to_string().contains("cannot be read"), "{gone}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_again(workload in workloads()) {
        let text = written(&workload);
        prop_assert_eq!(parse(&text), Ok(workload));
    }

    #[test]
    fn any_lines_are_read_or_refused(text in "(\\{\"(session|call|format)\":.{0,40}\\}\n){0,4}") {
        let _ = parse(&text);
    }
}
