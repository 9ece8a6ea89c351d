//! A template must give the same result as decoding, or none.

use proptest::prelude::*;

use super::*;

const GENERATE: &str = concat!(
    r#"{"model":"m","created_at":"2026-11-22T05:00:00.123456789Z","#,
    r#""response":"The","done":false}"#
);
const THINKING: &str = concat!(
    r#"{"model":"m","created_at":"2026-11-22T05:00:00Z","message":{"role":"assistant","#,
    r#""content":"","thinking":"Let me"},"done":false}"#
);
const TIMELESS: &str = r#"{"message":{"content":"a"},"done":false,"x":[1,{"y":"z"}]}"#;

fn template(line: &str) -> Option<Template> {
    Template::of(line.as_bytes(), &Chunk::decode(line.as_bytes()).unwrap())
}

/// The result of decoding a line, if it has nothing but a text.
fn decoded(line: &[u8]) -> Option<(String, String)> {
    let chunk = Chunk::decode(line).ok()?;
    let more =
        chunk.done != Some(false) || chunk.error().is_some() || !chunk.tool_calls().is_empty();
    (!more).then(|| (chunk.content().to_owned(), chunk.thinking().to_owned()))
}

fn words(said: Delta<'_>) -> (String, String) {
    match said {
        Delta::Content(text) => (text.to_owned(), String::new()),
        Delta::Thinking(text) => (String::new(), text.to_owned()),
    }
}

#[test]
fn a_line_that_differs_in_text_and_time_is_read() {
    let later = GENERATE.replace("00.123456789Z", "01.5Z");
    for (line, text) in [
        (later.replace("The", " sky"), " sky"),
        (later.replace("The", "世界 🌍"), "世界 🌍"),
        (later.replace("The", ""), ""),
    ] {
        let said = template(GENERATE).unwrap().read(line.as_bytes()).map(words);
        assert_eq!(said, Some((text.to_owned(), String::new())));
    }
    let line = THINKING.replace("Let me", " think");
    let said = template(THINKING).unwrap().read(line.as_bytes());
    assert_eq!(said, Some(Delta::Thinking(" think")));
    let line = TIMELESS.replace("\"a\"", "\"b\"");
    let said = template(TIMELESS).unwrap().read(line.as_bytes());
    assert_eq!(said, Some(Delta::Content("b")));
}

#[test]
fn whatever_else_differs_is_left_to_decoding() {
    let template = template(GENERATE).unwrap();
    for (from, to) in [
        ("The", "\\n"),
        ("The", "\""),
        ("The", "a\",\"done\":true,\"x\":\"b"),
        ("The", "a\u{1}"),
        ("2026", "20\\u0032"),
        ("2026", "20\u{fc}"),
        ("\"m\"", "\"n\""),
        ("false", "true"),
        ("}", ",\"error\":\"no\"}"),
        ("}", "} "),
    ] {
        let line = GENERATE.replace(from, to);
        assert_eq!(template.read(line.as_bytes()), None, "{line}");
    }
    let broken = [GENERATE.as_bytes().split_at(70).0, b"\xff"].concat();
    assert_eq!(template.read(&broken), None);
}

#[test]
fn lines_that_say_more_are_no_templates() {
    for line in [
        r#"{"response":"","done":false}"#,
        r#"{"response":"a","thinking":"b","done":false}"#,
        r#"{"response":"a","done":true}"#,
        r#"{"response":"a","done":false,"error":"no"}"#,
        r#"{"message":{"content":"a","tool_calls":[{}]},"done":false}"#,
        r#"{"response":"a\n","done":false}"#,
    ] {
        assert_eq!(template(line), None, "{line}");
    }
}

/// A server whose lines always differ elsewhere costs a few templates, not one per line.
#[test]
fn a_stream_of_which_no_two_lines_are_alike_stops_learning() {
    let last = SharedTemplate::default();
    let mut learned = StreamTemplate::starting_with(&last);
    let line = |n: u32| format!("{{\"n\":{n},\"response\":\"a\",\"done\":false}}");
    for n in 0..20 {
        let line = line(n);
        assert_eq!(learned.read(line.as_bytes()), None);
        learned.learn(line.as_bytes(), &Chunk::decode(line.as_bytes()).unwrap());
    }
    let known = line(u32::from(MAX_MISSES) - 1);
    assert_eq!(learned.read(known.as_bytes()), Some(Delta::Content("a")));
    let next = StreamTemplate::starting_with(&last)
        .read(known.as_bytes())
        .is_some();
    assert!(next, "another stream begins with what this one learned");
}

proptest! {
    /// Lines that servers send, and lines with a few bytes changed.
    #[test]
    fn a_template_says_what_decoding_says(
        from in prop::sample::select(vec![GENERATE, THINKING, TIMELESS]),
        text in "(\\PC|[\"\\\\{}:,a]){0,6}",
        escaped in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let template = template(from).unwrap();
        let text = if escaped {
            serde_json::to_string(&text).unwrap()
        } else {
            format!("\"{text}\"")
        };
        let old = &from[template.text.start - 1..=template.text.end];
        let mut line = from.replace(old, &text).into_bytes();
        for (place, byte) in changes {
            let place = place.index(line.len());
            line[place] = byte;
        }
        if let Some(said) = template.read(&line) {
            prop_assert_eq!(Some(words(said)), decoded(&line));
        }
    }
}
