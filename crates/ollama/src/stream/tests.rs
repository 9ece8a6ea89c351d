//! Recorded streams through decoder and recorder, cut at every byte.

use domain::Nanos;
use domain::backend::ServerCounters;
use proptest::prelude::*;

use super::*;

/// What the pieces of a stream come to; piece `i` arrives at stamp `i + 1`.
#[derive(Debug, PartialEq)]
struct Came {
    exchange: Exchange,
    tool_calls: Vec<ToolCall>,
    ended: Result<(), Trouble>,
}

fn follow<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Came {
    let mut shown = Shown::default();
    let mut decoder = Decoder::new();
    let mut at = Stamp::ZERO;
    let mut ended = None;
    for piece in pieces {
        at = Stamp(at.0 + 1);
        match shown.take(&mut decoder, piece, at) {
            Ok(false) => {}
            Ok(true) => ended = Some(Ok(())),
            Err(trouble) => ended = Some(Err(trouble)),
        }
        if ended.is_some() {
            break;
        }
    }
    let ended = ended.unwrap_or_else(|| shown.finish(&mut decoder, at));
    Came {
        exchange: shown.exchange,
        tool_calls: shown.tool_calls,
        ended,
    }
}

/// The same without stamps.
fn timeless(mut shown: Came) -> Came {
    let exchange = &mut shown.exchange;
    for stamp in [
        &mut exchange.times.first_token,
        &mut exchange.times.first_thinking,
        &mut exchange.times.first_content,
        &mut exchange.times.last_token,
        &mut exchange.times.done,
    ] {
        *stamp = stamp.map(|_| Stamp::ZERO);
    }
    exchange.times.chunks.fill(Stamp::ZERO);
    shown
}

macro_rules! fixture {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../../fixtures/ndjson/", $name, ".ndjson")).as_slice(),
        )
    };
}

const FIXTURES: [(&str, &[u8]); 13] = [
    fixture!("generate"),
    fixture!("chat"),
    fixture!("escapes"),
    fixture!("thinking_generate"),
    fixture!("thinking_chat"),
    fixture!("tools_middle"),
    fixture!("tools_final"),
    fixture!("tools_generate"),
    fixture!("no_metrics"),
    fixture!("load"),
    fixture!("error_midstream"),
    fixture!("eof_without_done"),
    fixture!("second_final"),
];

fn stream(name: &str) -> &'static [u8] {
    FIXTURES.iter().find(|(n, _)| *n == name).expect(name).1
}

fn whole(name: &str) -> Came {
    follow([stream(name)])
}

#[test]
fn every_fixture_says_what_it_should() {
    let complete = [
        ("generate", "The sky is\n\"blue\".", "", 5),
        ("chat", "Grüße, 世界 🌍", "", 4),
        ("escapes", "café 🌍\t\\ \u{2028}", "", 2),
        ("thinking_generate", "42", "Let me think", 3),
        ("thinking_chat", "Yes", "Hm…", 3),
        ("tools_middle", "I will look. ", "", 1),
        ("tools_final", "", "", 0),
        ("tools_generate", "Look", "", 1),
        ("no_metrics", "x", "", 1),
        ("load", "", "", 0),
        ("second_final", "x", "", 1),
    ];
    for (name, text, thinking, chunks) in complete {
        let shown = whole(name);
        assert_eq!(shown.ended, Ok(()), "{name}");
        assert_eq!(shown.exchange.text, text, "{name}");
        assert_eq!(shown.exchange.thinking, thinking, "{name}");
        assert_eq!(shown.exchange.times.chunks.len(), chunks, "{name}");
        assert_eq!(shown.exchange.times.done, Some(Stamp(1)), "{name}");
    }
}

#[test]
fn counters_are_what_the_final_object_holds_and_nothing_else() {
    let counters = ServerCounters {
        total: Some(Nanos(4_883_583_458)),
        load: Some(Nanos(1_334_875)),
        prompt_eval_count: Some(26),
        prompt_eval: Some(Nanos(342_546_000)),
        prompt_eval_cached_count: None,
        eval_count: Some(9),
        eval: Some(Nanos(4_535_599_000)),
    };
    assert_eq!(whole("generate").exchange.times.counters, counters);
    assert_eq!(whole("second_final").exchange.times.counters, counters);
    let chat = whole("chat").exchange.times.counters;
    assert_eq!(chat.prompt_eval_cached_count, Some(20));
    for bare in ["no_metrics", "load"] {
        assert_eq!(
            whole(bare).exchange.times.counters,
            ServerCounters::default()
        );
    }
    let reason = |name| whole(name).exchange.done_reason;
    assert_eq!(reason("load").as_deref(), Some("load"));
    assert_eq!(reason("escapes").as_deref(), Some("length"));
    assert_eq!(reason("no_metrics"), None);
}

#[test]
fn tool_calls_are_found_wherever_they_come() {
    let calls = |name| whole(name).tool_calls;
    let middle = calls("tools_middle");
    assert_eq!(middle.len(), 2);
    assert_eq!(middle[0].id.as_deref(), Some("call_00000000"));
    assert_eq!(middle[1].function.index, Some(1));
    assert_eq!(middle[1].function.arguments["city"], "Oslo");
    let last = calls("tools_final");
    assert_eq!((last.len(), &last[0].id), (1, &None));
    assert_eq!(calls("tools_generate")[0].function.name, "get_weather");
}

#[test]
fn streams_that_end_badly_keep_what_came_before() {
    let broken = whole("error_midstream");
    let Err(Trouble::Failed(FailureKind::MidStream, words)) = &broken.ended else {
        panic!("{:?}", broken.ended);
    };
    assert!(
        words.starts_with("model runner has unexpectedly stopped"),
        "{words}"
    );
    assert_eq!(broken.exchange.text, "The sky");
    assert_eq!(broken.exchange.times.done, None);

    let silent = whole("eof_without_done");
    assert_eq!(silent.ended, Err(Trouble::Incomplete));
    assert_eq!(silent.exchange.text, "aaa");
}

#[test]
fn a_cut_at_any_byte_changes_nothing_but_stamps() {
    for (name, bytes) in FIXTURES {
        let expected = timeless(follow([bytes]));
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(timeless(follow([a, b])), expected, "{name} cut at {cut}");
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
    let bytes = stream("generate").trim_ascii_end();
    for end in 0..bytes.len() {
        let shown = follow([&bytes[..end]]);
        assert_eq!(shown.ended, Err(Trouble::Incomplete), "stopped at {end}");
    }
    assert_eq!(follow([bytes]).ended, Ok(()));
    // A newline after half a line shows that the server meant it so.
    let broken = [&bytes[..20], b"\n"].concat();
    let ended = follow([broken.as_slice()]).ended;
    assert!(
        matches!(ended, Err(Trouble::Failed(FailureKind::Malformed, _))),
        "{ended:?}"
    );
}

#[test]
fn a_line_carries_the_stamp_of_the_read_that_completed_it() {
    let (_, bytes) = fixture!("generate");
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    // Reads: lines 0 and 1 together; half of line 2; its rest with line 3 (no text) and line 4;
    // the final object.
    let (head, tail) = lines[2].split_at(30);
    let reads = [
        [lines[0], lines[1]].concat(),
        head.to_vec(),
        [tail, lines[3], lines[4]].concat(),
        lines[5].to_vec(),
    ];
    let exchange = follow(reads.iter().map(Vec::as_slice)).exchange;
    assert_eq!(exchange.times.chunks, [1, 1, 3, 3, 4].map(Stamp));
    assert_eq!(exchange.times.first_token, Some(Stamp(1)));
    assert_eq!(exchange.times.first_content, Some(Stamp(1)));
    assert_eq!(exchange.times.first_thinking, None);
    assert_eq!(exchange.times.last_token, Some(Stamp(4)));
    assert_eq!(exchange.times.done, Some(Stamp(4)));
}

#[test]
fn thinking_and_content_have_their_own_firsts() {
    let bytes = stream("thinking_chat");
    let exchange = follow(bytes.split_inclusive(|b| *b == b'\n')).exchange;
    assert_eq!(exchange.times.first_token, Some(Stamp(1)));
    assert_eq!(exchange.times.first_thinking, Some(Stamp(1)));
    assert_eq!(exchange.times.first_content, Some(Stamp(3)));
    assert_eq!(exchange.times.last_token, Some(Stamp(3)));
    assert_eq!(exchange.times.done, Some(Stamp(4)));
}

#[test]
fn lines_that_are_not_the_protocol_are_malformed_and_quoted() {
    for (line, word) in [
        (
            b"{\"response\":\"a\" \"done\":false}\n".as_slice(),
            "expected",
        ),
        (b"<html>busy</html>\n", "<html>busy"),
        (b"{}\n", "neither `done` nor `error`"),
        (b"[1]\n", "[1]"),
        (b"{\"response\":7,\"done\":false}\n", "expected text"),
        (
            b"{\"response\":\"a\xff\",\"done\":false}\n",
            "invalid UTF-8 after byte 14",
        ),
        (
            b"{\"response\":\"\\ud83c\",\"done\":false}\n",
            "malformed line",
        ),
        (b"{\"done\":true,\"eval_count\":1.5}\n", "a number"),
        (
            b"{\"message\":{\"tool_calls\":[{}]},\"done\":false}\n",
            "tool calls",
        ),
        (b"{\"resp\n", "stops in the middle"),
    ] {
        let ended = follow([line]).ended;
        let Err(Trouble::Failed(FailureKind::Malformed, message)) = ended else {
            panic!("{ended:?}");
        };
        assert!(message.contains(word), "{message}");
        assert!(message.contains("it starts with"), "{message}");
    }
}

#[test]
fn null_members_and_odd_counters_do_not_cost_the_outcome() {
    let line = br#"{"response":null,"thinking":null,"message":{"tool_calls":null},"done":true,
        "done_reason":null,"total_duration":-5,"load_duration":null,"eval_count":3.0}"#;
    let line: Vec<u8> = line.iter().copied().filter(|b| *b != b'\n').collect();
    let shown = follow([line.as_slice()]);
    assert_eq!(shown.ended, Ok(()));
    assert_eq!(shown.exchange.times.counters.total, None);
    assert_eq!(shown.exchange.times.counters.eval_count, Some(3));
}

#[test]
fn a_line_without_escapes_is_borrowed() {
    let line = stream("chat").split(|b| *b == b'\n').next().unwrap();
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
        let mut at: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let shown = follow(at.windows(2).map(|w| &bytes[w[0]..w[1]]));
        let chunks = shown.exchange.times.chunks.clone();
        prop_assert!(chunks.is_sorted());
        prop_assert_eq!(shown.exchange.times.first_token, chunks.first().copied());
        prop_assert_eq!(shown.exchange.times.last_token, chunks.last().copied());
        prop_assert_eq!(timeless(shown), timeless(follow([bytes])));
    }
}
