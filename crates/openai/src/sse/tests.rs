use std::fmt::Write as _;

use proptest::prelude::*;
use scripted::cut;

use super::*;

type Owned = (String, Vec<u8>);

/// Pushes pieces and returns the events of each, and the event left at the end.
fn decode(pieces: &[&[u8]]) -> (Vec<Owned>, Option<Owned>) {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    let own = |e: Event<'_>| {
        (
            String::from_utf8_lossy(e.kind).into_owned(),
            e.data.to_vec(),
        )
    };
    for piece in pieces {
        let mut events = decoder.push(piece);
        while let Some(event) = events.next_event().unwrap() {
            all.push(own(event));
        }
    }
    let rest = decoder.finish().unwrap().map(own);
    (all, rest)
}

fn data(text: &str) -> Owned {
    (String::new(), text.as_bytes().to_vec())
}

const STREAM: &str = "\u{feff}: a comment\n\
    data: {\"text\":\"Grüße 🦀 \u{fffd}\"}\r\n\r\n\
    event: ping\n\n\
    event: error\r\ndata: bad\r\n\r\n\
    data: one\rdata:two\rdata\r\r\
    id: 7\nretry: 10\ndata:  two spaces\n\n\
    error: {\"code\":500}\n\n\
    :\n\n\
    data: [DONE]\n\n";

fn events_of_stream() -> Vec<Owned> {
    vec![
        data("{\"text\":\"Grüße 🦀 \u{fffd}\"}"),
        ("error".to_owned(), b"bad".to_vec()),
        data("one\ntwo\n"),
        data(" two spaces"),
        ("error".to_owned(), b"{\"code\":500}".to_vec()),
        data("[DONE]"),
    ]
}

#[test]
fn fields_comments_and_line_ends() {
    assert_eq!(decode(&[STREAM.as_bytes()]), (events_of_stream(), None));
}

#[test]
fn split_at_every_byte() {
    let bytes = STREAM.as_bytes();
    for at in 0..=bytes.len() {
        let (a, b) = bytes.split_at(at);
        assert_eq!(decode(&[a, b]).0, events_of_stream(), "split at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single), (events_of_stream(), None));
}

#[test]
fn an_event_is_whole_with_the_read_that_ends_it() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(b"data: a\n").next_event(), Ok(None));
    // A CR ends the blank line by itself; the LF that may follow belongs to it.
    let mut events = decoder.push(b"\r");
    assert_eq!(events.next_event().unwrap().unwrap().data, b"a");
    let mut events = decoder.push(b"\ndata: b\n\n");
    assert_eq!(events.next_event().unwrap().unwrap().data, b"b");
    assert_eq!(events.next_event(), Ok(None));
}

#[test]
fn the_body_may_end_the_last_event() {
    for last in ["data: [DONE]", "data: [DONE]\n", "data: [DONE]\r"] {
        assert_eq!(
            decode(&[last.as_bytes()]),
            (vec![], Some(data("[DONE]"))),
            "{last:?}"
        );
    }
    assert_eq!(decode(&[b"event: x\n"]), (vec![], None));
    assert_eq!(decode(&[b"data: a\n\n: bye"]), (vec![data("a")], None));
}

#[test]
fn an_event_name_lasts_for_its_event_only() {
    let (events, _) = decode(&[b"event: error\n\ndata: a\n\nevent: x\ndata: b\n\ndata: c\n\n"]);
    let kinds: Vec<_> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["", "x", ""]);
}

#[test]
fn too_long_is_refused_in_one_line_and_in_several() {
    let error = TooLong {
        what: "an event",
        limit: 8,
    };
    let too_long = Err(error);
    let mut decoder = Decoder::with_limit(8);
    assert_eq!(decoder.push(b"data: 456").next_event(), too_long);
    let mut decoder = Decoder::with_limit(8);
    assert_eq!(
        decoder.push(b"data:abc\ndata:abc\n\n").next_event(),
        Ok(Some(Event {
            kind: b"",
            data: b"abc\nabc"
        }))
    );
    assert_eq!(
        decoder
            .push(b"data:abc\ndata:abc\ndata:abc\n\n")
            .next_event(),
        too_long
    );
    assert_eq!(error.to_string(), "an event is longer than 8 bytes");
}

proptest! {
    /// The events do not depend on where the bytes are split.
    #[test]
    fn cuts_change_nothing(
        texts in proptest::collection::vec("[^\r\n\u{feff}]{0,20}(\n[^\r\n]{0,9}){0,2}", 1..8),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut stream = String::new();
        for text in &texts {
            for line in text.split('\n') {
                write!(stream, "data: {line}{end}").unwrap();
            }
            write!(stream, ": comment{end}{end}").unwrap();
        }
        let bytes = stream.as_bytes();
        let pieces = cut(bytes, cuts.iter().map(|place| place.index(bytes.len() + 1)));
        let expected: Vec<Owned> = texts.iter().map(|text| data(text)).collect();
        prop_assert_eq!(decode(&pieces), (expected, None));
    }

    /// No input makes it panic or return more bytes than it was given.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(prop_oneof![
        Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>(),
    ], 0..200)) {
        let (events, rest) = decode(&[&bytes]);
        let total: usize = events.iter().chain(&rest).map(|e| e.1.len()).sum();
        prop_assert!(total <= bytes.len());
    }
}
