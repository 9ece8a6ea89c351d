//! Replaces what differs between runs in printed text (moments, ports, versions, paths, figures of the host), so that
//! the rest can be compared.

use std::process::Output;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::de::IgnoredAny;

/// Replaces the values that differ from run to run with placeholders.
///
/// Moments, revisions and ports of this machine are recognised by their shape and keep their width, so that columns
/// stay aligned. Paths, versions and figures are named by the caller.
#[derive(Debug, Clone)]
pub struct Redactor {
    /// Texts, such as paths, and their placeholders.
    pub texts: Vec<(String, &'static str)>,
    /// Labels, such as `peak memory `; the number or the JSON object after one is replaced.
    pub labels: &'static [&'static str],
}

impl Redactor {
    /// The transcript of a command that has ended: the typed line, its exit code and both outputs, with placeholders.
    pub fn transcript(&self, typed: &str, output: &Output) -> String {
        let code = output.status.code();
        let code = code.map_or("none".to_owned(), |c| c.to_string());
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
        for label in self.labels {
            let value = format!(r"{}(\{{|[0-9.]+)", regex::escape(label));
            let value = Regex::new(&value).expect("an escaped label and a fixed end");
            while let Some(found) = value.captures(&text).and_then(|found| found.get(1)) {
                let length = match found.as_str() {
                    "{" => json_length(&text[found.start()..]),
                    number => number.len(),
                };
                text.replace_range(found.start()..found.start() + length, "N");
            }
        }
        for (shape, placeholder) in &*SHAPES {
            text = shape.replace_all(&text, *placeholder).into_owned();
        }
        let revision = |git: &Captures<'_>| format!("(git {})", "x".repeat(git[1].len()));
        REVISION.replace_all(&text, revision).into_owned()
    }
}

static REVISION: LazyLock<Regex> = LazyLock::new(|| fixed(r"\(git ([^)]*)\)"));

/// Ports of this machine, moments, and dates in the names of folders.
static SHAPES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
    let moment = r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\b";
    [
        (fixed(r"127\.0\.0\.1:[0-9]+"), "127.0.0.1:PORT"),
        (fixed(moment), "0000-00-00T00:00:00Z"),
        (fixed(r"\b[0-9]{8}-[0-9]{6}\b"), "00000000-000000"),
    ]
});

fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("fixed patterns are valid")
}

/// Length of the JSON value that a text begins with.
fn json_length(text: &str) -> usize {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => values.byte_offset(),
        _ => text.len(),
    }
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
        let redactor = Redactor {
            texts: vec![("/tmp/x1".to_owned(), "DIR")],
            labels: &["peak memory ", "\"environment\":"],
        };
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
