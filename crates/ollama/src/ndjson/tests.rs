use proptest::prelude::*;
use scripted::cut;

use super::*;

fn lines_of(pieces: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, TooLong> {
    let mut decoder = Decoder::with_limit(limit);
    let mut all = Vec::new();
    for piece in pieces {
        let mut lines = decoder.push(piece);
        while let Some(line) = lines.next_line()? {
            all.push(line.to_vec());
        }
    }
    all.extend(decoder.finish().map(<[u8]>::to_vec));
    Ok(all)
}

fn too_long(limit: usize) -> TooLong {
    TooLong {
        what: "a line",
        limit,
    }
}

#[test]
fn blank_lines_and_carriage_returns_are_dropped() {
    let lines = lines_of(&[b"\r\na\r\n \n\n", b"b", b"\r", b"\nc"], 10).unwrap();
    assert_eq!(lines, [b"a", b"b", b"c"]);
    assert_eq!(lines_of(&[b"a\n \r\n "], 10).unwrap(), [b"a"]);
}

#[test]
fn a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let cuts: [&[&[u8]]; 3] = [&[b"12345\n"], &[b"123", b"45\n"], &[b"12345", b"\n"]];
    for pieces in cuts {
        assert_eq!(lines_of(pieces, 5).unwrap(), [b"12345"]);
        assert_eq!(lines_of(pieces, 4), Err(too_long(4)));
    }
    // Refused as soon as the line is too long, not when its newline comes.
    assert_eq!(lines_of(&[b"12345"], 4), Err(too_long(4)));
}

#[test]
fn the_default_limit_is_eight_mebibytes() {
    let line = vec![b'x'; MAX_LINE];
    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(&line).next_line(), Ok(None));
    assert_eq!(
        decoder.push(b"x").next_line(),
        Err(too_long(8 * 1024 * 1024))
    );
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        lines in prop::collection::vec("[^\\s][^\\n\\r]{0,20}[^\\s]", 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream = lines.iter().flat_map(|l| [l.as_bytes(), b"\n"].concat()).collect::<Vec<u8>>();
        let pieces = cut(&stream, cuts.iter().map(|place| place.index(stream.len() + 1)));
        let expected: Vec<Vec<u8>> =
            lines.iter().map(|l| l.trim_ascii().to_owned().into_bytes()).collect();
        prop_assert_eq!(lines_of(&pieces, 1000).unwrap(), expected);
    }

    #[test]
    fn any_bytes_give_lines_without_newlines_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        if let Ok(lines) = lines_of(&[a, b], 64) {
            prop_assert!(lines.iter().all(|l| !l.is_empty() && !l.contains(&b'\n') && l.len() <= 64));
        }
    }
}
