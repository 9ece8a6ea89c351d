use std::fmt::Write as _;

use proptest::prelude::*;
use scripted::cut;

use super::*;

type Owned = (String, Vec<u8>);

/// The events that pieces complete, and the event left at the end.
fn decode(pieces: &[&[u8]]) -> (Vec<Owned>, Option<Owned>) {
    let mut decoder = Decoder::default();
    let own = |event: Event<'_>| {
        let kind = String::from_utf8_lossy(event.kind).into_owned();
        (kind, event.data.to_vec())
    };
    let (mut all, mut last) = (Vec::new(), None);
    for piece in pieces {
        let pushed = decoder.push(piece, |event| {
            all.push(own(event));
            Ok(false)
        });
        assert_eq!(pushed, Ok(false));
    }
    let ended = decoder.finish(|event| {
        last = Some(own(event));
        Ok(true)
    });
    assert_eq!(ended, Ok(last.is_some()));
    (all, last)
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
fn fields_comments_and_line_ends_wherever_they_are_cut() {
    let bytes = STREAM.as_bytes();
    for at in 0..=bytes.len() {
        let (a, b) = bytes.split_at(at);
        let expected = (events_of_stream(), None);
        assert_eq!(decode(&[a, b]), expected, "split at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single), (events_of_stream(), None));
}

/// Pieces with a bar between them; the events that they complete, and the one left at the end, each with the kind that
/// it names.
#[test]
fn where_events_end() {
    let events = |text: &str| -> Vec<Owned> {
        let event = |event: &str| {
            let (kind, data) = event.split_once('/').unwrap();
            (kind.to_owned(), data.into())
        };
        text.split_whitespace().map(event).collect()
    };
    for (pieces, whole, last) in [
        // Whole with the read that ends it: a CR ends the blank line by itself; the LF that may follow belongs to it.
        ("data: a\n|\r", "/a", ""),
        ("data: a\n|\r|\ndata: b\n\n", "/a /b", ""),
        // The body may end the last event.
        ("data: [DONE]", "", "/[DONE]"),
        ("data: [DONE]\n", "", "/[DONE]"),
        ("data: [DONE]\r", "", "/[DONE]"),
        ("event: x\n", "", ""),
        ("data: a\n\n: bye", "/a", ""),
        // A name lasts for its event only.
        (
            "event: error\n\ndata: a\n\nevent: x\ndata: b\n\ndata: c\n\n",
            "/a x/b /c",
            "",
        ),
    ] {
        let bytes: Vec<_> = pieces.split('|').map(str::as_bytes).collect();
        let expected = (events(whole), events(last).pop());
        assert_eq!(decode(&bytes), expected, "{pieces:?}");
    }
}

#[test]
fn too_long_is_refused_in_one_line_and_in_several() {
    for (bytes, is_too_long) in [
        ("data: 456", true),
        (":\ndata: 456\n\n", true),
        ("data:abc\ndata:abc\n\n", false),
        ("data:abc\ndata:abc\ndata:abc\n\n", true),
    ] {
        let pushed = Decoder::with_limit(8).push(bytes.as_bytes(), |event| {
            assert_eq!(event.data, b"abc\nabc");
            Ok(true)
        });
        let refused = Err(element_too_long("an event", 8));
        assert_eq!(pushed, if is_too_long { refused } else { Ok(true) });
    }
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
