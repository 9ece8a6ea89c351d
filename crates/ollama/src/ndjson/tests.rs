use proptest::prelude::*;
use scripted::cut;

use super::*;

fn lines_of(pieces: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, RequestError> {
    let mut decoder = Decoder::with_limit(limit);
    let mut all = Vec::new();
    for piece in pieces {
        decoder.push(piece, |line| {
            all.push(line.to_vec());
            Ok(false)
        })?;
    }
    all.extend(decoder.finish().map(<[u8]>::to_vec));
    Ok(all)
}

#[test]
fn lines_end_at_newlines_and_have_a_limit() {
    for (pieces, lines) in [
        (
            vec![b"\r\na\r\n \n\n".as_slice(), b"b", b"\r", b"\nc"],
            vec!["a", "b", "c"],
        ),
        (vec![b"a\n \r\n "], vec!["a"]),
        (vec![b"12345\n"], vec!["12345"]),
        (vec![b"123", b"45\n"], vec!["12345"]),
        (vec![b"12345", b"\n"], vec!["12345"]),
    ] {
        let found = lines_of(&pieces, 5).unwrap();
        assert!(found.iter().eq(lines.iter().map(|line| line.as_bytes())));
        let too_long = lines.contains(&"12345");
        let refused = Err(element_too_long("a line", 4));
        assert_eq!(lines_of(&pieces, 4) == refused, too_long, "{lines:?}");
    }
    // Refused as soon as the line is too long, not when its newline comes.
    assert_eq!(lines_of(&[b"12345"], 4), Err(element_too_long("a line", 4)));
    let mut decoder = Decoder::default();
    let mut push = |bytes: &[u8]| decoder.push(bytes, |_| Ok(true));
    assert_eq!(push(&vec![b'x'; 8 * 1024 * 1024]), Ok(false));
    assert_eq!(push(b"x"), Err(element_too_long("a line", 8 * 1024 * 1024)));
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
