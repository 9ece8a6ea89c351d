//! The words of reports. A report carries the meaning of the words that it uses, so that it can be read
//! wherever it lies.

use std::fmt::Write as _;

/// A term, the names by which a text shows that it uses it, its meaning in a line. The first name is the
/// anchor, the name of the figure in `report.json`.
const TERMS: [(&str, &[&str], &str); 23] = [
    (
        "wall",
        &["wall_s", "wall"],
        "last final object less first send over the agents' main requests, s",
    ),
    (
        "speedup est",
        &["speedup_est", "speedup est"],
        "TR113's speedup: sum of the agents' times while together / wall. Cannot tell serial from parallel",
    ),
    (
        "efficiency est",
        &["efficiency_est", "efficiency est"],
        "100 × speedup est / number of agents, %",
    ),
    (
        "TTFT",
        &["ttft_ms", "TTFT"],
        "first chunk with text less send, ms",
    ),
    (
        "TTFT delta",
        &["ttft_delta_ms", "TTFT delta"],
        "TTFT of A less TTFT of B, ms; positive: B is sooner",
    ),
    (
        "TP delta",
        &["tp_delta", "TP delta"],
        "decode rate of B less that of A, tok/s",
    ),
    (
        "true speedup",
        &["speedup", "true speedup", "measured speedup"],
        "wall in turn at equal work / wall together; 1 = nothing gained",
    ),
    (
        "true efficiency",
        &["efficiency", "true efficiency"],
        "100 × true speedup / number of agents, %",
    ),
    (
        "at most",
        &["speedup_upper_bound", "at most"],
        "a bound on the true speedup from the waits alone; not a measurement",
    ),
    (
        "decode overlap",
        &["decode_overlap", "decode overlap"],
        "time with two or more agents decoding / time with one or more; 0 = serial",
    ),
    (
        "alone",
        &["solo_s", "solo", "alone"],
        "an agent's time by itself on a ready model, s",
    ),
    (
        "progress",
        &["np", "progress"],
        "time alone / time together",
    ),
    (
        "STP",
        &["stp", "STP"],
        "system throughput: sum of the agents' progress",
    ),
    (
        "ANTT",
        &["antt", "ANTT"],
        "average normalised turnaround time: mean of time together / time alone",
    ),
    (
        "fairness",
        &["fairness", "Jain"],
        "least progress / greatest progress; 1 = all slowed alike. Jain's index beside it",
    ),
    (
        "aggregate",
        &["throughput_together", "aggregate", "throughput"],
        "all tokens / wall, tok/s",
    ),
    (
        "lost",
        &["lost_s", "lost", "perfect concurrency"],
        "wall less the longest time alone, s, split by cause",
    ),
    (
        "contention",
        &["contention_runs", "contention"],
        "runs with contention by each of four rules",
    ),
    (
        "verdict",
        &["verdict"],
        "of a configuration, whether running together paid by more than 5 %, by the interval of true speedup: parallel \
         (it paid), degraded (it cost), serial or shared (no difference; decoding in turn or at the same time), no gain \
         (whether it cost is open), undecided, unknown; of a level of agents, pass, fail or unresolved",
    ),
    (
        "in turn",
        &["wall_sequential_s", "in turn"],
        "the same agents one after another, from the same server state, at the output lengths of the together arm",
    ),
    (
        "TPOT",
        &["tpot_ms", "TPOT"],
        "time per output token after the first, ms",
    ),
    (
        "goodput",
        &["goodput", "Goodput"],
        "share of requests that completed within the stated limits",
    ),
    (
        "n",
        &["n", "(n = "],
        "observations behind a figure; 95 % intervals from n = 3 on",
    ),
];

/// The glossary of a text: the terms that it uses. Empty where it uses none.
pub fn of(text: &str) -> String {
    let mut list = String::new();
    for (term, names, meaning) in TERMS {
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

/// A figure's name linked to its meaning in the glossary of the same page; the bare name where the
/// glossary does not have it.
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
    if TERMS.iter().any(|(_, names, _)| names[0] == anchor) {
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
        assert!(
            text.contains("**true speedup**") && text.contains("**n**"),
            "{text}"
        );
        assert!(
            !text.contains("ANTT") && !text.contains("verdict"),
            "{text}"
        );
        assert!(!holds("walled", "wall") && holds("a wall.", "wall"));
    }

    #[test]
    fn links_stay_on_the_page() {
        assert_eq!(
            linked("lost_s.model_reload"),
            "[lost_s.model_reload](#lost_s)"
        );
        assert_eq!(linked("runs_excluded"), "`runs_excluded`");
    }

    #[test]
    fn figures_have_their_heading_in_the_dictionary_of_reports() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/README.md");
        let dictionary = std::fs::read_to_string(path).unwrap();
        for (term, names, _) in TERMS {
            let known = dictionary.contains(&format!("### {}\n", names[0]));
            let elsewhere = ["tpot_ms", "goodput"].contains(&names[0]);
            assert!(known || elsewhere, "{term}: no `### {}`", names[0]);
        }
    }
}
