//! Words that every output shares: plurals, lists, and how requests ended.

use domain::OutcomeCounts;

use crate::number::count;

/// `1 agent`, `2 agents`, `1,024 requests`: a count with the noun in the right number.
pub fn plural(n: impl Into<u64>, noun: &str) -> String {
    let n = n.into();
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n))
}

/// `the one run`, `both runs`, `all 3 runs`.
pub fn all(n: impl Into<u64>, noun: &str) -> String {
    match n.into() {
        1 => format!("the one {noun}"),
        2 => format!("both {noun}s"),
        n => format!("all {}", plural(n, noun)),
    }
}

/// What is known, or `unknown`.
pub fn known(words: Option<String>) -> String {
    words.unwrap_or_else(|| "unknown".to_owned())
}

/// `a`, `a and b`, `a, b and c`.
pub fn joined<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// Every count in words, the ones that are zero left out, except for `completed`.
pub fn outcomes(counts: &OutcomeCounts) -> String {
    let mut words = vec![format!("{} completed", count(counts.completed))];
    words.extend(not_completed(counts));
    words.join(", ")
}

/// Without the counts that are zero.
pub fn not_completed(counts: &OutcomeCounts) -> Vec<String> {
    [
        (counts.failed, "failed"),
        (counts.incomplete, "incomplete"),
        (counts.timed_out, "timed out"),
        (counts.cancelled, "cancelled"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{} {word}", count(n)))
    .collect()
}

/// A template with each `{name}` replaced by its value.
pub fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let parts = template.split(['{', '}']).enumerate();
    let part = |(place, part): (usize, &str)| match place % 2 {
        0 => part.to_owned(),
        _ => value(part),
    };
    parts.map(part).collect()
}

/// A fragment as a sentence; a first word that holds a dot or an underscore is a name and keeps its case.
pub fn sentence(fragment: &str) -> String {
    let first = fragment.split([' ', ':']).next();
    let name = first.is_some_and(|word| word.contains(['.', '_']));
    let stop = if fragment.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    if name {
        format!("{fragment}{stop}")
    } else {
        capital(fragment) + stop
    }
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lists_and_sentences() {
        assert_eq!(plural(1_u32, "agent"), "1 agent");
        assert_eq!(plural(1_024_u32, "request"), "1,024 requests");
        assert_eq!(plural(0_u32, "run"), "0 runs");
        assert_eq!(joined(&["a", "b", "c"]), "a, b and c");
        assert_eq!(joined(&["a", "b"]), "a and b");
        assert_eq!(sentence("memory was short"), "Memory was short.");
        assert_eq!(sentence("load.json: is cut"), "load.json: is cut.");
        let counts = OutcomeCounts {
            completed: 1_200,
            failed: 2,
            timed_out: 1,
            ..OutcomeCounts::default()
        };
        assert_eq!(outcomes(&counts), "1,200 completed, 2 failed, 1 timed out");
    }
}
