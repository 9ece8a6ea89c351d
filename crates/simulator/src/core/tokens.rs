//! A stand-in for the tokenizer: text to pieces and pieces to ids, the same everywhere.
//!
//! It is no model's vocabulary. It splits like byte-pair vocabularies do on average (a word
//! with its leading space, long words in parts, digits and punctuation alone), which puts English
//! near 4.5 characters a token.

/// Longest piece of a word, in characters.
const LONGEST: usize = 8;

/// Splits text into token pieces. Joined, they are the text again.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::with_capacity(text.len() / 4 + 1);
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(piece_len(rest));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// Bytes of the first piece of a text that is not empty.
fn piece_len(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let mut end = 0;
    let mut letters = 0;
    if let Some(&(_, ' ')) = chars.peek() {
        chars.next();
        end = 1;
    }
    while let Some(&(at, c)) = chars.peek() {
        if !c.is_alphabetic() || letters == LONGEST {
            break;
        }
        letters += 1;
        end = at + c.len_utf8();
        chars.next();
    }
    if letters > 0 {
        return end;
    }
    match chars.next() {
        // A run of blanks is one piece.
        Some((_, ' ')) | None => text.len() - text.trim_start_matches(' ').len(),
        Some((at, c)) => at + c.len_utf8(),
    }
}

/// FNV-1a without its highest bit, because clients read ids as signed numbers of 32 bits.
pub(crate) fn id(piece: &str) -> u32 {
    let hash = piece.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash & 0x7fff_ffff
}

/// The offsets in a text at which its pieces end.
pub(crate) fn ends(text: &str) -> Vec<u32> {
    let pieces = pieces(text).into_iter();
    let ends = pieces.scan(0, |end, piece| {
        *end += piece.len() as u32;
        Some(*end)
    });
    ends.collect()
}

pub(crate) fn ids(text: &str) -> Vec<u32> {
    pieces(text).into_iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_documented() {
        assert_eq!(
            pieces("Hello, big   internationalisation 42\n"),
            [
                "Hello", ",", " big", "   ", "internat", "ionalisa", "tion", " 4", "2", "\n"
            ]
        );
        assert!(pieces("").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn joined_pieces_are_the_text(text in "\\PC{0,60}") {
            let pieces = pieces(&text);
            proptest::prop_assert!(pieces.iter().all(|p| !p.is_empty()));
            proptest::prop_assert_eq!(pieces.concat(), text);
        }
    }
}
