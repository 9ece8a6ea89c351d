//! Recorded streams through decoder and recorder, split at every byte.

use std::fmt::Write as _;

use proptest::prelude::*;
use scripted::{cut, recorded};

use super::*;

/// The result of a stream's pieces; piece `i` arrives at stamp `i + 1`.
#[derive(Debug, PartialEq)]
struct StreamResult {
    exchange: Exchange,
    tool_calls: Vec<ToolCall>,
    ended: Result<(), RequestError>,
}

impl std::fmt::Display for StreamResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let recorded = recorded(&self.exchange, 1);
        write!(f, "{:?}\n  {recorded}", self.ended)?;
        for call in &self.tool_calls {
            write!(f, "\n  {call:?}")?;
        }
        Ok(())
    }
}

fn follow<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> StreamResult {
    let mut reading = Reading::default();
    let mut at = Stamp::ZERO;
    let mut taken = Ok(false);
    for piece in pieces {
        at = Stamp(at.0 + 1);
        taken = reading.take(piece, at);
        if taken != Ok(false) {
            break;
        }
    }
    let ended = match taken {
        Ok(false) => reading.finish(at),
        Ok(true) => reading.ended(),
        Err(trouble) => Err(trouble),
    };
    let tool_calls = reading.take_tool_calls();
    StreamResult {
        exchange: reading.shown.exchange,
        tool_calls,
        ended,
    }
}

/// The result without stamps.
fn timeless(mut shown: StreamResult) -> StreamResult {
    let exchange = &mut shown.exchange;
    for stamp in [
        &mut exchange.times.first_token,
        &mut exchange.times.first_thinking,
        &mut exchange.times.first_content,
        &mut exchange.times.first_tool_call,
        &mut exchange.times.last_token,
        &mut exchange.times.done,
    ] {
        *stamp = stamp.map(|_| Stamp::ZERO);
    }
    exchange.times.chunks.fill(Stamp::ZERO);
    shown
}

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!("../../../../fixtures/ndjson/", $name, ".ndjson")).as_slice(),
        )),*]
    };
}

const FIXTURES: [(&str, &[u8]); 13] = fixtures![
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

/// Streams line by line.
#[test]
fn every_fixture_says_what_it_should() {
    let mut text = String::new();
    for (name, bytes) in FIXTURES {
        let came = follow(bytes.split_inclusive(|b| *b == b'\n'));
        writeln!(text, "{name}: {came}").unwrap();
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
        writeln!(text, "{}: {}", line.escape_ascii(), follow([line])).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_cut_at_any_byte_changes_nothing_but_stamps() {
    for (name, bytes) in FIXTURES {
        let expected = timeless(follow([bytes]));
        for at in 0..=bytes.len() {
            assert_eq!(
                timeless(follow(cut(bytes, [at]))),
                expected,
                "{name} cut at {at}"
            );
        }
        assert_eq!(
            timeless(follow(bytes.chunks(1))),
            expected,
            "{name} in bytes"
        );
    }
}

#[test]
fn a_stream_that_stops_anywhere_is_incomplete_until_its_final_object_is_whole() {
    let bytes = FIXTURES[0].1.trim_ascii_end();
    for end in 0..bytes.len() {
        let shown = follow([&bytes[..end]]);
        let last = bytes[..end].rsplit(|byte| *byte == b'\n').next().unwrap();
        let is_cut = serde_json::from_slice::<serde_json::Value>(last).is_err();
        let missing = if is_cut && !last.is_empty() {
            ResponseNote::CutInValue
        } else {
            ResponseNote::NoFinalObject
        };
        assert_eq!(
            shown.ended,
            Err(RequestError::Incomplete(missing)),
            "stopped at {end}"
        );
    }
    assert_eq!(follow([bytes]).ended, Ok(()));
    // A newline after half a line shows that the server meant the line to end there.
    let broken = [&bytes[..20], b"\n"].concat();
    let ended = follow([broken.as_slice()]).ended;
    assert!(
        matches!(ended, Err(RequestError::Failed(FailureKind::Malformed, _))),
        "{ended:?}"
    );
}

#[test]
fn a_line_without_escapes_is_borrowed() {
    let line = FIXTURES[1].1.split(|b| *b == b'\n').next().unwrap();
    let chunk = Chunk::decode(line).unwrap();
    let span = line.as_ptr_range();
    assert!(span.contains(&chunk.content().as_ptr()));
}

proptest! {
    #[test]
    fn cuts_anywhere_change_nothing_but_stamps(
        which in 0..FIXTURES.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (_, bytes) = FIXTURES[which];
        let shown = follow(cut(bytes, cuts.iter().map(|c| c.index(bytes.len() + 1))));
        let chunks = shown.exchange.times.chunks.clone();
        prop_assert!(chunks.is_sorted());
        prop_assert_eq!(shown.exchange.times.first_token, chunks.first().copied());
        prop_assert_eq!(shown.exchange.times.last_token, chunks.last().copied());
        prop_assert_eq!(timeless(shown), timeless(follow([bytes])));
    }
}
