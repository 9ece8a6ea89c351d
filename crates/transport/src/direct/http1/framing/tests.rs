//! Bodies in all framings, split at every place.

use proptest::prelude::*;
use scripted::cut;

use super::*;

/// The data, and the bytes left after the body, of pieces that arrive one after another.
fn read(body: &mut Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>), RequestError> {
    let (mut data, mut behind) = (Vec::new(), Vec::new());
    for mut piece in pieces.iter().copied() {
        while let Some(some) = body.next(&mut piece)? {
            assert!(!some.is_empty());
            data.extend_from_slice(some);
        }
        behind.extend_from_slice(piece);
    }
    Ok((data, behind))
}

fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), RequestError> {
    read(&mut State::Size.into(), &[bytes])
}

#[test]
fn a_body_ends_where_its_framing_says() {
    let in_chunks = b"5\r\nhello\r\n1;name=\"v\"\r\n!\r\n00\r\nExpires: never\r\n\r\nHTTP/1.1";
    for (state, pieces, data, behind) in [
        (
            State::of_length(5),
            [b"hel".as_slice(), b"lo, world"],
            "hello",
            ", world",
        ),
        (State::of_length(0), [b"", b"x"], "", "x"),
        (State::Size, [b"", in_chunks], "hello!", "HTTP/1.1"),
    ] {
        let mut body = Framing::from(state);
        let read = read(&mut body, &pieces).unwrap();
        assert_eq!(read, (data.into(), behind.into()));
        assert!(body.is_done());
    }
}

#[test]
fn what_is_no_framing_is_refused() {
    for bytes in [
        b"zz\r\nabc".as_slice(),
        b"\r\n",
        b"5\nhello",
        b"-5\r\nhello",
        b"5\r\nhello, world\r\n",
        b"5;a\nb\r\nhello",
        b"5\rhello",
        b"11111111111111111\r\n",
        b"0\r\nA: b\rc\r\n\r\n",
        &[b"5;", vec![b'a'; 20_000].as_slice()].concat(),
        &[b"0\r\n", vec![b'a'; 70_000].as_slice()].concat(),
    ] {
        assert!(chunked(bytes).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_connection_that_closes_says_what_is_missing() {
    for (state, text, missing) in [
        (
            State::of_length(9),
            "abc",
            "with 6 bytes of the body to come",
        ),
        (State::Size, "5\r\nhel", "in a chunk with 2 bytes to come"),
        (State::Size, "5\r\nhello\r\n", "before the last chunk"),
        (State::Size, "0\r\n", "before the last chunk"),
        (State::UntilClosed, "abc", ""),
        (State::of_length(3), "abc", ""),
        (State::Size, "0\r\n\r\n", ""),
    ] {
        let mut body = Framing::from(state);
        read(&mut body, &[text.as_bytes()]).unwrap();
        let error = body
            .closed()
            .map_or_else(|error| error.words(), |()| String::new());
        let words = error.trim_start_matches("the server closed the connection ");
        assert_eq!(words, missing);
    }
}

proptest! {
    #[test]
    fn it_does_not_matter_where_it_is_cut(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        extension in "(;[a-z]{1,5}(=[a-z]{1,5})?)?",
        trailers in prop::collection::vec("[A-Z][a-z]{1,8}: [a-z ]{0,8}", 0..3),
        behind in prop::collection::vec(any::<u8>(), 0..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        for trailer in &trailers {
            bytes.extend_from_slice(format!("{trailer}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&behind);
        let pieces = cut(&bytes, cuts.iter().map(|place| place.index(bytes.len())));
        let mut body = Framing::from(State::Size);
        let (data, left) = read(&mut body, &pieces).unwrap();
        prop_assert_eq!(data, chunks.concat());
        prop_assert_eq!(left, behind);
        prop_assert!(body.is_done());
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = chunked(&bytes);
    }
}
