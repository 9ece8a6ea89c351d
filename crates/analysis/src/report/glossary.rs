//! The words of a report, each linked to its definition in `reports/README.md`.

use std::fmt::Write as _;

/// Term, anchor in the dictionary, meaning in a line.
const TERMS: [(&str, &str, &str); 20] = [
    (
        "wall",
        "wall_s",
        "last final object less first send over the agents' main requests, s",
    ),
    (
        "speedup est",
        "speedup_est",
        "TR113's speedup: sum of the agents' times while together / wall. Cannot tell serial from parallel",
    ),
    (
        "efficiency est",
        "efficiency_est",
        "100 × speedup est / number of agents, %",
    ),
    ("TTFT", "ttft_ms", "first chunk with text less send, ms"),
    (
        "TTFT delta",
        "ttft_delta_ms",
        "TTFT of A less TTFT of B, ms; positive: B is sooner",
    ),
    (
        "TP delta",
        "tp_delta",
        "decode rate of B less that of A, tok/s",
    ),
    (
        "true speedup",
        "speedup",
        "wall in turn at equal work / wall together; 1 = nothing gained",
    ),
    (
        "true efficiency",
        "efficiency",
        "100 × true speedup / number of agents, %",
    ),
    (
        "at most",
        "speedup_upper_bound",
        "a bound on the true speedup from the waits alone; not a measurement",
    ),
    (
        "decode overlap",
        "decode_overlap",
        "time with two or more agents decoding / time with one or more; 0 = serial",
    ),
    (
        "alone",
        "solo_s",
        "an agent's time by itself on a ready model, s",
    ),
    ("progress", "np", "time alone / time together"),
    (
        "STP",
        "stp",
        "system throughput: sum of the agents' progress",
    ),
    (
        "ANTT",
        "antt",
        "average normalised turnaround time: mean of time together / time alone",
    ),
    (
        "fairness",
        "fairness",
        "least progress / greatest progress; 1 = all slowed alike. Jain's index beside it",
    ),
    (
        "aggregate",
        "throughput_together",
        "all tokens / wall, tok/s",
    ),
    (
        "lost",
        "lost_s",
        "wall less the longest time alone, s, split by cause",
    ),
    (
        "contention",
        "contention_runs",
        "runs with contention by each of four rules",
    ),
    (
        "verdict",
        "verdict",
        "serial, shared, parallel, degraded, undecided or unknown",
    ),
    (
        "n",
        "n",
        "observations behind a figure; 95 % intervals from n = 3 on",
    ),
];

/// The glossary as a Markdown list.
pub(super) fn markdown(dictionary: &str) -> String {
    let mut text = String::new();
    for (term, anchor, meaning) in TERMS {
        let _ = writeln!(text, "- [{term}]({dictionary}#{anchor}): {meaning}.");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_term_has_its_heading_in_the_dictionary() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/README.md");
        let dictionary = std::fs::read_to_string(path).unwrap();
        for (term, anchor, _) in super::TERMS {
            let heading = format!("### {anchor}\n");
            assert!(
                dictionary.contains(&heading),
                "{term}: no `{}`",
                heading.trim()
            );
        }
    }
}
