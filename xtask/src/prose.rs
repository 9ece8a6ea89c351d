//! What tidy checks in prose: words that hide the actor, and names in documents that the code does not have.

use std::collections::BTreeSet;

/// Words that stand in place of the actor, in halves so that this file does not match itself.
const REFUSED: [(&str, &str); 7] = [
    ("no", "body"),
    ("some", "body"),
    ("any", "body"),
    ("every", "body"),
    ("who", "ever"),
    ("whom", "ever"),
    ("who", "soever"),
];

pub(crate) fn refused_words(line: &str) -> Vec<String> {
    let line = line.to_lowercase();
    let words: BTreeSet<&str> = line.split(|c: char| !c.is_alphabetic()).collect();
    let refused = REFUSED.iter().map(|(start, end)| format!("{start}{end}"));
    refused
        .filter(|word| words.contains(word.as_str()))
        .collect()
}

/// Functions and files that a document names between backticks: `path::function()` and `folder/file`.
pub(crate) struct Named<'t> {
    /// Names of functions, without their paths.
    pub(crate) functions: Vec<&'t str>,
    /// Paths from the repository's root.
    pub(crate) files: Vec<&'t str>,
}

pub(crate) fn named(text: &str) -> Named<'_> {
    let code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let paths = code.iter().filter_map(|name| name.strip_suffix("()"));
    let roots = ["crates/", "xtask/", "docs/", "fixtures/", "reports/"];
    let is_file = |name: &&str| {
        roots.iter().any(|root| name.starts_with(root)) && !name.contains([' ', '<', '*', '{'])
    };
    Named {
        functions: paths.filter_map(|path| path.rsplit("::").next()).collect(),
        files: code.iter().copied().filter(is_file).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_words_are_found_in_any_case_and_as_whole_words() {
        let word = format!("{}{}", "No", "body");
        assert_eq!(
            refused_words(&format!("{word} knows.")),
            [word.to_lowercase()]
        );
        assert!(refused_words("the body of a request").is_empty());
    }

    #[test]
    fn functions_and_files_are_found_in_documents() {
        let named = named("`plan::parse()` in `crates/domain`, by `serde`, for `fixtures/<name>`");
        assert_eq!(named.functions, ["parse"]);
        assert_eq!(named.files, ["crates/domain"]);
    }
}
