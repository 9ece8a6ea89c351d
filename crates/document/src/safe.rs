//! Strings from elsewhere (model names, versions, error texts, names in a plan), made safe for each
//! output. Nothing of such a string is dropped silently: what cannot be shown is shown by its code.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters; the rest of a longer name is left out.
const LONGEST_FILE_NAME: usize = 120;

/// Control characters, and those that turn the direction of the text around them or take no room.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One line for a terminal: white space becomes a space, other hidden characters are shown as `\u{1b}`.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => safe.push(' '),
            c if is_hidden(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Lines of text or JSON as they may go to a terminal: of what is hidden only line ends stay, and colours
/// where they are wanted; the rest is shown as `\u001b`, which JSON reads as the same string.
pub fn lines(text: &str, colours: bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hidden(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let stays = c == '\n' || colours && begins_colour(&text[at..]);
        if is_hidden(c) && !stays {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// True for text that begins with the escape sequence of a colour: `ESC [ 1 ; 31 m`.
fn begins_colour(text: &str) -> bool {
    text.strip_prefix("\u{1b}[").is_some_and(|rest| {
        let numbers = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        numbers.starts_with('m')
    })
}

/// The string as text in Markdown, in a table's cell too: it makes no markup, no link and no HTML.
pub fn markdown(text: &str) -> String {
    let text = terminal(text);
    let mut safe = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '<' if letters.peek().is_some_and(|c| opens_html(*c)) => safe.push_str("&lt;"),
            '|' | '`' | '*' | '\\' | '~' => safe.extend(['\\', c]),
            // Within a word an underscore is a letter; a bracket is a link only before another.
            '_' if before.is_alphanumeric()
                && letters.peek().is_some_and(|n| n.is_alphanumeric()) =>
            {
                safe.push(c);
            }
            '_' => safe.push_str("\\_"),
            ']' if matches!(letters.peek(), Some('(' | '[' | ':')) => safe.push_str("\\]"),
            c => safe.push(c),
        }
        before = c;
    }
    safe
}

/// A sentence with its own Markdown: a string from elsewhere that it quotes starts no line and no HTML.
pub fn sentence(text: &str) -> String {
    let text = terminal(text);
    let mut safe = String::with_capacity(text.len());
    let mut in_code = false;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        in_code ^= c == '`';
        if c == '<' && !in_code && letters.peek().is_some_and(|c| opens_html(*c)) {
            safe.push_str("&lt;");
        } else {
            safe.push(c);
        }
    }
    safe
}

/// True for what makes HTML of a `<` before it.
fn opens_html(c: char) -> bool {
    c.is_alphabetic() || "/!?".contains(c)
}

pub fn code(text: &str) -> String {
    format!("`{}`", terminal(text).replace('`', "'"))
}

/// A cell of a CSV file that no spreadsheet takes for a formula; signed numbers stay. Quoting is the writer's.
pub fn csv_cell(text: &str) -> String {
    let text = terminal(text);
    let is_signed_number = text.strip_prefix(['+', '-']).is_some_and(|number| {
        let of_a_number = |c: char| c.is_alphanumeric() || ".,%/ ".contains(c);
        number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(of_a_number)
    });
    let formula = text.starts_with(['=', '@', '+', '-']) && !is_signed_number;
    if formula {
        format!("'{text}")
    } else {
        text.into_owned()
    }
}

/// A file name of letters, digits, `.`, `-` and `_`: no path, not hidden, not empty.
pub fn file_name(text: &str) -> String {
    let kept = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = text.chars().take(LONGEST_FILE_NAME).map(kept).collect();
    if name.is_empty() || name.starts_with(['.', '-']) {
        format!("_{}", name.trim_start_matches(['.', '-']))
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: [&str; 11] = [
        "gemma3:latest",
        "bvc_g60_c512_t0.6",
        "_emphasis_ and *bold* and ~gone~",
        "\u{1b}]0;title\u{7}\u{1b}[31mred",
        "two\nlines\r\nand\ta tab\0",
        "\u{202e}txt.exe \u{2066}x\u{2069} \u{200b}",
        "a|b|c `code` \\",
        "<script>alert('x')</script> & \"q\"",
        "[link](http://x) [ref][1] [95 %] in [1, 2]",
        "=HYPERLINK(\"http://x\")",
        "../../etc/passwd",
    ];

    #[test]
    fn every_output_is_safe() {
        let mut text = String::new();
        for string in STRINGS {
            let _ = write!(
                text,
                "{string:?}\n  terminal  {}\n  markdown  {}\n  code      {}\n  csv       {}\n  file      {}\n",
                terminal(string),
                markdown(string),
                code(string),
                csv_cell(string),
                file_name(string),
            );
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn names_of_files_and_numbers_in_cells() {
        for name in ["", ".", "..", "-rf", "/"] {
            let safe = file_name(name);
            let is_safe = safe.starts_with('_') && !safe.contains('/');
            assert!(is_safe, "{name:?}: {safe}");
        }
        for number in ["-1.5", "-16.8 %", "+1e9", "+13.1pp", "-0.87 tok/s worse"] {
            assert_eq!(csv_cell(number), number, "a number is no formula");
        }
        for formula in ["-cmd", "-", "+1+cmd|' /C calc'!A0"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
    }
}
