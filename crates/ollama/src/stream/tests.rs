//! Recorded streams through decoder and recorder, split at every byte.

use std::fmt::Write as _;

use domain::backend::Exchange;
use proptest::prelude::*;
use scripted::{cut, recorded, replay};

use super::*;

type StreamResult = (Result<(), RequestError>, Exchange);

/// The result of a stream's pieces; piece `i` arrives at stamp `i + 1`.
fn follow<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> StreamResult {
    replay::<Reading>(pieces, Stamp(1))
}

fn shown((ended, exchange): StreamResult) -> String {
    format!("{ended:?}\n  {}", recorded(&exchange, 1))
}

/// The result without stamps.
fn timeless((ended, mut exchange): StreamResult) -> StreamResult {
    let times = &mut exchange.times;
    for stamp in [
        &mut times.first_token,
        &mut times.first_thinking,
        &mut times.first_content,
        &mut times.first_tool_call,
        &mut times.last_token,
        &mut times.done,
    ] {
        *stamp = stamp.map(|_| Stamp::ZERO);
    }
    times.chunks.fill(Stamp::ZERO);
    (ended, exchange)
}

const FIXTURES: [&str; 13] = [
    "generate",
    "chat",
    "escapes",
    "thinking_generate",
    "thinking_chat",
    "tools_middle",
    "tools_final",
    "tools_generate",
    "no_metrics",
    "load",
    "error_midstream",
    "eof_without_done",
    "second_final",
];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("../../fixtures/ndjson/{name}.ndjson")).unwrap()
}

/// Streams line by line.
#[test]
fn every_fixture_says_what_it_should() {
    let mut text = String::new();
    for name in FIXTURES {
        let bytes = fixture(name);
        let result = follow(bytes.split_inclusive(|b| *b == b'\n'));
        writeln!(text, "{name}: {}", shown(result)).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Lines that are not the protocol are malformed and quoted; null members and odd counters do not change
/// the outcome.
#[test]
fn odd_lines() {
    let mut text = String::new();
    for line in [
        b"{\"response\":\"a\" \"done\":false}\n".as_slice(),
        b"<html>busy</html>\n",
        b"{}\n",
        b"[1]\n",
        b"{\"response\":7,\"done\":false}\n",
        b"{\"response\":\"a\xff\",\"done\":false}\n",
        b"{\"response\":\"\\ud83c\",\"done\":false}\n",
        b"{\"done\":true,\"eval_count\":1.5,\"total_duration\":\"1s\",\"load_duration\":{},\"prompt_eval_count\":-35}\n",
        b"{\"done\":true,\"done_reason\":7,\"error\":\"\"}\n",
        b"{\"done\":true,\"done_reason\":\"error\"}\n",
        b"{\"message\":{\"thinking\":\"t\",\"tool_calls\":[]},\"done\":false,\"error\":null}\n",
        b"{\"error\":\"\"}\n",
        b"{\"message\":{\"tool_calls\":[{}]},\"done\":false}\n",
        b"{\"resp\n",
        br#"{"response":null,"thinking":null,"message":{"tool_calls":null},"done":true,"done_reason":null,"total_duration":-5,"load_duration":null,"eval_count":3.0}"#,
    ] {
        writeln!(text, "{}: {}", line.escape_ascii(), shown(follow([line]))).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Checks that a stream in pieces is recorded as in one piece, but for its stamps, which never fall.
fn check_cut(name: &str, bytes: &[u8], pieces: Vec<&[u8]>) {
    let lengths: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
    let found = follow(pieces);
    let times = &found.1.times;
    assert!(times.chunks.is_sorted(), "{name} in {lengths:?}");
    assert_eq!(times.first_token.as_ref(), times.chunks.first());
    assert_eq!(times.last_token.as_ref(), times.chunks.last());
    assert!(times.done.is_none_or(|done| Some(done) >= times.last_token));
    let whole = timeless(follow([bytes]));
    assert_eq!(timeless(found), whole, "{name} in {lengths:?}");
}

#[test]
fn a_cut_at_any_byte_changes_nothing_but_stamps() {
    for name in FIXTURES {
        let bytes = fixture(name);
        for at in 0..=bytes.len() {
            check_cut(name, &bytes, cut(&bytes, [at]));
        }
        check_cut(name, &bytes, bytes.chunks(1).collect());
    }
}

#[test]
fn a_stream_that_stops_anywhere_is_incomplete_until_its_final_object_is_whole() {
    let bytes = fixture("generate");
    let bytes = bytes.trim_ascii_end();
    for end in 0..bytes.len() {
        let (ended, _) = follow([&bytes[..end]]);
        let last = bytes[..end].rsplit(|byte| *byte == b'\n').next().unwrap();
        let is_cut = serde_json::from_slice::<serde_json::Value>(last).is_err();
        let missing = if is_cut && !last.is_empty() {
            ResponseNote::CutInValue
        } else {
            ResponseNote::NoFinalObject
        };
        let expected = Err(RequestError::Incomplete(missing));
        assert_eq!(ended, expected, "stopped at {end}");
    }
    assert_eq!(follow([bytes]).0, Ok(()));
    // A newline after half a line shows that the server meant the line to end there.
    let broken = [&bytes[..20], b"\n"].concat();
    let error = follow([broken.as_slice()]).0.unwrap_err();
    let is_malformed = matches!(error, RequestError::Failed(FailureKind::Malformed, _));
    assert!(is_malformed, "{error:?}");
}

#[test]
fn a_line_without_escapes_is_borrowed() {
    let bytes = fixture("chat");
    let line = bytes.split(|b| *b == b'\n').next().unwrap();
    let chunk = Chunk::decode(line).unwrap();
    let span = line.as_ptr_range();
    assert!(span.contains(&chunk.content().as_ptr()));
}

proptest! {
    #[test]
    fn several_cuts_change_nothing_but_stamps(
        name in prop::sample::select(FIXTURES.to_vec()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = fixture(name);
        let cuts = cuts.iter().map(|place| place.index(bytes.len() + 1));
        check_cut(name, &bytes, cut(&bytes, cuts));
    }

    /// Lines that servers send, and lines with a few bytes changed: a template gives what decoding gives, or nothing.
    #[test]
    fn a_template_gives_what_decoding_gives(
        (from, old) in prop::sample::select(vec![GENERATE, THINKING, TIMELESS]),
        text in "(\\PC|[\"\\\\{}:,a]){0,6}",
        escaped in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let text = if escaped {
            serde_json::to_string(&text).unwrap()
        } else {
            format!("\"{text}\"")
        };
        let mut line = from.replace(&format!("\"{old}\""), &text).into_bytes();
        for (place, byte) in changes {
            let place = place.index(line.len());
            line[place] = byte;
        }
        if let Some(delta) = learned(from).learned.read(&line) {
            let mut lines = Lines::default();
            prop_assert_eq!(lines.decode(&line, Stamp::ZERO), Ok(false));
            let mut exchange = Exchange::default();
            lines.answer.move_to(&mut exchange, None);
            let decoded = (exchange.text.as_str(), exchange.thinking.as_str());
            prop_assert_eq!(exchange.times.first_tool_call, None);
            prop_assert_eq!(decoded, match delta {
                Delta::Content(text) => (text, ""),
                Delta::Thinking(text) => ("", text),
            });
        }
    }
}

/// Lines, and their texts.
const GENERATE: (&str, &str) = (
    r#"{"model":"m","created_at":"2026-11-22T05:00:00.123456789Z","response":"The","done":false}"#,
    "The",
);
const THINKING: (&str, &str) = (
    r#"{"model":"m","created_at":"2026-11-22T05:00:00Z","message":{"role":"assistant","content":"","thinking":"Let me"},"done":false}"#,
    "Let me",
);
const TIMELESS: (&str, &str) = (
    r#"{"message":{"content":"a"},"done":false,"x":[1,{"y":"z"}]}"#,
    "a",
);

/// What has been learned of a line.
fn learned(line: &str) -> Lines {
    let mut lines = Lines::default();
    let _ = lines.decode(line.as_bytes(), Stamp::ZERO);
    lines
}

#[test]
fn a_line_that_differs_in_text_and_time_needs_no_decoding() {
    for ((line, old), text, delta) in [
        (GENERATE, " sky", Delta::Content(" sky")),
        (GENERATE, "世界 🌍", Delta::Content("世界 🌍")),
        (GENERATE, "", Delta::Content("")),
        (THINKING, " think", Delta::Thinking(" think")),
        (TIMELESS, "b", Delta::Content("b")),
    ] {
        let (from, to) = (format!("\"{old}\""), format!("\"{text}\""));
        let later = line.replace("00.123456789Z", "01.5Z").replace(&from, &to);
        assert_eq!(learned(line).learned.read(later.as_bytes()), Some(delta));
    }
}

#[test]
fn a_line_that_differs_elsewhere_is_decoded() {
    let (generate, _) = GENERATE;
    let mut template = learned(generate).learned;
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
        let line = generate.replace(from, to);
        assert_eq!(template.read(line.as_bytes()), None, "{line}");
    }
    let broken = [generate.as_bytes().split_at(70).0, b"\xff"].concat();
    assert_eq!(template.read(&broken), None);
    // Lines that say more than a text are no templates.
    for line in [
        r#"{"response":"","done":false}"#,
        r#"{"response":"a","thinking":"b","done":false}"#,
        r#"{"response":"a","done":true}"#,
        r#"{"response":"a","done":false,"error":"no"}"#,
        r#"{"message":{"content":"a","tool_calls":[{}]},"done":false}"#,
        r#"{"response":"a\n","done":false}"#,
    ] {
        assert_eq!(learned(line).learned.read(line.as_bytes()), None, "{line}");
    }
}

/// A server whose lines always differ elsewhere costs a few templates, not one per line.
#[test]
fn a_stream_of_which_no_two_lines_are_alike_stops_learning() {
    let last = SharedTemplate::default();
    let mut lines = Reading::starting_with(&last).lines;
    let line = |n: u32| format!("{{\"n\":{n},\"response\":\"a\",\"done\":false}}");
    for n in 0..20 {
        let line = line(n);
        assert_eq!(lines.learned.read(line.as_bytes()), None);
        lines.decode(line.as_bytes(), Stamp::ZERO).unwrap();
    }
    let known = line(3);
    let known = known.as_bytes();
    let expected = Some(Delta::Content("a"));
    assert_eq!(lines.learned.read(known), expected);
    // Another stream begins with what this one learned.
    let mut next = StreamTemplate::starting_with(&last);
    assert_eq!(next.read(known), expected);
}
