//! How often the stated speedup interval holds the truth: the second table in
//! `docs/statistics.md`.
//!
//! `cargo run --release -p metrics --example speedup_coverage`

use metrics::coverage::validate;

fn main() {
    let report = validate(113, 1000);
    println!(
        "| server | repetitions | truth | mean estimate | mean width | covered | verdict not wrong |"
    );
    println!("|---|---|---|---|---|---|---|");
    for c in &report.cases {
        println!(
            "| {:?} | {} | {:.3} | {:.3} | {:.3} | {} of {} | {} |",
            c.model,
            c.repetitions,
            c.truth,
            c.mean_estimate,
            c.mean_width,
            c.covered,
            c.sweeps,
            c.verdict_not_wrong
        );
    }
    println!("\nover all: {:.1} of 100", 100.0 * report.share());
}
