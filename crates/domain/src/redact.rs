//! Replaces what differs between runs in printed text (moments, ports, versions, paths, figures of the host), so that
//! the rest can be compared.

use std::process::Output;

/// Replaces the values that differ from run to run with placeholders.
///
/// Moments, revisions and ports of this machine are recognised by their shape and keep their width, so that columns
/// stay aligned. Paths, versions and figures are named by the caller.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    texts: Vec<(String, String)>,
    labels: Vec<String>,
}

impl Redactor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Also replaces a text, such as a path.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>, placeholder: impl Into<String>) -> Self {
        self.texts.push((text.into(), placeholder.into()));
        self
    }

    /// Also replaces the number, or the JSON object, that follows a label such as `peak memory `.
    #[must_use]
    pub fn value_after(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// The transcript of a command that has ended: the typed line, its exit code and both outputs, with placeholders.
    pub fn transcript(&self, typed: &str, output: &Output) -> String {
        let code = output
            .status
            .code()
            .map_or("none".to_owned(), |c| c.to_string());
        let mut seen = format!("$ {typed}\nexit code {code}\n");
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                seen.push_str(&["--- ", name, "\n", &String::from_utf8_lossy(bytes)].concat());
            }
        }
        self.redact(&seen)
    }

    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.texts {
            text = text.replace(from, to);
        }
        for label in &self.labels {
            text = after(&text, label, |rest| {
                let number = |c: char| c.is_ascii_digit() || c == '.';
                let length = if rest.starts_with('{') {
                    object(rest)
                } else {
                    rest.find(|c| !number(c)).unwrap_or(rest.len())
                };
                (length > 0).then(|| (length, "N".to_owned()))
            });
        }
        text = after(&text, "(git ", |rest| {
            let length = rest.find(')')?;
            Some((length, "x".repeat(length)))
        });
        text = after(&text, "127.0.0.1:", |rest| {
            let digit = |c: char| c.is_ascii_digit();
            let length = rest.find(|c| !digit(c)).unwrap_or(rest.len());
            (length > 0).then(|| (length, "PORT".to_owned()))
        });
        for shape in ["0000-00-00T00:00:00Z", "00000000-000000"] {
            text = shaped(&text, shape);
        }
        text
    }
}

/// Replaces what follows each label by what `found` makes of it: a length and a placeholder.
fn after(text: &str, label: &str, found: impl Fn(&str) -> Option<(usize, String)>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(label) {
        let (before, behind) = rest.split_at(at + label.len());
        out.push_str(before);
        rest = behind;
        if let Some((length, placeholder)) = found(rest) {
            out.push_str(&placeholder);
            rest = &rest[length..];
        }
    }
    out + rest
}

/// Length of the JSON object that a text begins with.
fn object(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Replaces each text of a shape, in which `0` stands for any digit, by the shape itself.
fn shaped(text: &str, shape: &str) -> String {
    let is = |bytes: &[u8]| {
        bytes
            .iter()
            .zip(shape.as_bytes())
            .all(|(byte, of)| match of {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    let digit = |at: Option<usize>| {
        at.and_then(|at| text.as_bytes().get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let end = at + shape.len();
        let found = text.as_bytes().get(at..end).is_some_and(is);
        if found && !digit(at.checked_sub(1)) && !digit(Some(end)) {
            out.push_str(shape);
            at = end;
        } else {
            out.push(next);
            at += next.len_utf8();
        }
    }
    out
}

/// The words of a command line; single quotes keep the blanks in a word.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced_and_all_else_stays() {
        let redactor = Redactor::new()
            .text("/tmp/x1", "DIR")
            .value_after("peak memory ")
            .value_after("\"environment\":");
        for (text, redacted) in [
            ("at 2026-11-30T02:10:58Z, é", "at 0000-00-00T00:00:00Z, é"),
            ("2026-11-30 stays", "2026-11-30 stays"),
            ("load-20261130-021058-2", "load-00000000-000000-2"),
            ("120261130-021058", "120261130-021058"),
            ("tandem (git 0a1b2c3d4e5f)", "tandem (git xxxxxxxxxxxx)"),
            ("http://127.0.0.1:40123/v1", "http://127.0.0.1:PORT/v1"),
            ("127.0.0.1: nothing", "127.0.0.1: nothing"),
            ("Wrote /tmp/x1/load.json", "Wrote DIR/load.json"),
            ("peak memory 12.3 MiB", "peak memory N MiB"),
            (
                r#"{"environment":{"a":{"b":"}\""}},"c":1}"#,
                r#"{"environment":N,"c":1}"#,
            ),
            ("peak memory unknown", "peak memory unknown"),
        ] {
            assert_eq!(redactor.redact(text), redacted);
        }
    }
}
