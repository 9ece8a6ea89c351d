//! How good the statistics are, on data whose truth is known: the tables in `docs/statistics.md` and
//! `docs/capacity.md`.
//!
//! `cargo run --release -p metrics --example studies -- speedup|capacity [SEARCHES]`

mod capacity;
mod levels;
mod servers;
mod speedup;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    match args.next().as_deref() {
        Some("speedup") => print_speedup(),
        Some("capacity") => {
            let searches = args
                .next()
                .map(|n| n.parse().expect("a number of searches"));
            capacity::print(searches.unwrap_or(capacity::SEARCHES));
        }
        _ => eprintln!("say which: speedup, capacity [SEARCHES]"),
    }
}

/// How often the stated speedup interval holds the truth.
fn print_speedup() {
    let report = speedup::validate(113, 1000);
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
            report.sweeps,
            c.verdict_not_wrong
        );
    }
    println!("\nover all: {:.1} of 100", 100.0 * report.share());
}
