//! The glossary of reports. A report explains the terms that it uses.

use std::fmt::Write as _;

/// A line for each term: the term, the names by which a text uses it (the first is the anchor), and its meaning.
const TERMS: &str = include_str!("glossary.txt");

fn terms() -> impl Iterator<Item = (&'static str, Vec<&'static str>, &'static str)> {
    TERMS.lines().map(|line| {
        let mut parts = line.splitn(3, " | ");
        let mut part = || parts.next().expect("a line has three parts");
        (part(), part().split(", ").collect(), part())
    })
}

/// The terms that a text uses; empty where it uses none.
pub fn of(text: &str) -> String {
    let mut list = String::new();
    for (term, names, meaning) in terms() {
        if names.iter().any(|name| holds(text, name)) {
            let _ = writeln!(list, "- <a id=\"{}\"></a>**{term}**: {meaning}.", names[0]);
        }
    }
    if list.is_empty() {
        return list;
    }
    format!("## Glossary\n\n{list}")
}

/// True when the text has the name as a word of its own.
fn holds(text: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        let ends = name.ends_with(inside);
        !(before.is_some_and(inside) || ends && after.is_some_and(inside))
    })
}

/// A figure's name linked to its meaning in the page's glossary; the bare name if the glossary lacks it.
pub fn linked(figure: &str) -> String {
    let first = figure.split(['.', '[']).next().unwrap_or(figure);
    let anchor = match first {
        "wait_other_config" | "model_reload" | "cold_load" | "slot_queue" | "shared_prefill"
        | "shared_decode" | "offload" | "admission" | "client" | "thermal_or_power"
        | "unexplained" => "lost_s",
        "wall_sequential_raw_s" => "wall_sequential_s",
        "speedup_raw" => "speedup",
        "throughput_sequential" => "throughput_together",
        "overlap" => "decode_overlap",
        "jain" => "fairness",
        own => own,
    };
    if terms().any(|(_, names, _)| names[0] == anchor) {
        format!("[{figure}](#{anchor})")
    } else {
        format!("`{figure}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_used_is_explained() {
        assert_eq!(of("nothing of note"), "");
        let text = of("The true speedup is 1.2 (n = 5).");
        for (term, is_used) in [("**true speedup**", true), ("**n**", true), ("ANTT", false)] {
            assert_eq!(text.contains(term), is_used, "{text}");
        }
        assert!(!holds("walled", "wall") && holds("a wall.", "wall"));
    }

    #[test]
    fn links_stay_on_the_page() {
        let linked_part = linked("lost_s.model_reload");
        assert_eq!(linked_part, "[lost_s.model_reload](#lost_s)");
        assert_eq!(linked("runs_excluded"), "`runs_excluded`");
    }

    #[test]
    fn figures_have_their_heading_in_the_dictionary_of_reports() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/README.md");
        let dictionary = std::fs::read_to_string(path).unwrap();
        for (term, names, _) in terms() {
            let known = dictionary.contains(&format!("### {}\n", names[0]));
            let elsewhere = ["tpot_ms", "goodput"].contains(&names[0]);
            assert!(known || elsewhere, "{term}: no `### {}`", names[0]);
        }
    }
}
