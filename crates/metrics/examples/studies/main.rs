//! How good the statistics are, on data whose truth is known: the tables in `docs/statistics.md` and
//! `docs/capacity.md`.
//!
//! `cargo run --release -p metrics --example studies -- speedup|laws|capacity [NUMBER]`

mod capacity;
mod laws;
mod levels;
mod servers;
mod speedup;

use std::collections::BTreeMap;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    match args.next().as_deref() {
        Some("speedup") => print_speedup(number(args.next()).unwrap_or(SWEEPS)),
        Some("laws") => print_laws(number(args.next()).unwrap_or(500)),
        Some("capacity") => capacity::print(number(args.next()).unwrap_or(capacity::SEARCHES)),
        _ => eprintln!("say which: speedup, laws, capacity [NUMBER]"),
    }
}

fn number(arg: Option<String>) -> Option<u32> {
    arg.map(|n| n.parse().expect("a number"))
}

/// Default number of sweeps of each setting.
const SWEEPS: u32 = 300;

/// How often the stated speedup interval holds the truth, and how often each verdict is wrong.
fn print_speedup(sweeps: u32) {
    let of = |setting| speedup::case(setting, 113, sweeps);
    println!("| server | repetitions | truth | mean estimate | mean width | covered (%) |");
    println!("|---|---|---|---|---|---|");
    for c in speedup::as_they_are().map(of) {
        println!(
            "| {:?} | {} | {:.3} | {:.3} | {:.3} | {:.1} |",
            c.setting.model,
            c.setting.repetitions,
            c.truth,
            c.mean_estimate,
            c.mean_width,
            percent(c.covered, c.sweeps)
        );
    }
    let cases: Vec<speedup::Case> = speedup::grid().map(of).collect();
    let mut words: BTreeMap<&str, [[u32; 2]; speedup::NOISES.len()]> = BTreeMap::new();
    println!(
        "\n| noise | n | covered | {} |",
        speedup::TRUTHS.map(|t| format!("{t:.2}")).join(" | ")
    );
    println!("|---|---|---|{}", "---|".repeat(speedup::TRUTHS.len()));
    let noise_and_n = cases.chunks(speedup::TRUTHS.len() * servers::Model::ALL.len());
    for (place, rows) in noise_and_n.enumerate() {
        let setting = rows[0].setting;
        let covered: u32 = rows.iter().map(|c| c.covered).sum();
        let cells = rows.chunks(servers::Model::ALL.len()).map(|servers| {
            let worst = |of: fn(&speedup::Case) -> u32| servers.iter().map(of).max();
            let worst = |of| percent(worst(of).unwrap_or(0), sweeps);
            format!(
                "{:.1} / {:.0}",
                worst(|c| c.wrong),
                worst(speedup::Case::undecided)
            )
        });
        println!(
            "| {} % | {} | {:.1} | {} |",
            100.0 * setting.noise,
            setting.repetitions,
            percent(covered, sweeps * rows.len() as u32),
            cells.collect::<Vec<_>>().join(" | ")
        );
        for (word, [said, wrong]) in rows.iter().flat_map(|c| &c.words) {
            let all = &mut words.entry(word).or_default()[place / speedup::REPETITIONS.len()];
            *all = [all[0] + said, all[1] + wrong];
        }
    }
    println!(
        "\n| word | {} | all |",
        speedup::NOISES
            .map(|n| format!("{} %", 100.0 * n))
            .join(" | ")
    );
    println!("|---|---|{}", "---|".repeat(speedup::NOISES.len()));
    for (word, cells) in words {
        let all = cells.iter().fold([0, 0], |[s, w], c| [s + c[0], w + c[1]]);
        let cell = |[said, wrong]: [u32; 2]| format!("{:.1} of {said}", percent(wrong, said));
        println!(
            "| {word} | {} | {} |",
            cells.map(cell).join(" | "),
            cell(all)
        );
    }
}

fn percent(part: u32, all: u32) -> f64 {
    100.0 * f64::from(part) / f64::from(all)
}

/// How often what is said of throughput's course is right, the servers side by side.
fn print_laws(runs: u32) {
    println!(
        "| server | noise (%) | peak | flat | grows | open | no law | highest throughput | bound | peak by the law |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let cases = laws::Server::ALL.into_iter();
    let cases = cases.flat_map(|server| [1.0, 3.0, 10.0].map(|noise| (server, noise)));
    std::thread::scope(|scope| {
        let running: Vec<_> = cases
            .map(|(server, noise)| {
                let said = scope.spawn(move || laws::runs(server, noise / 100.0, runs));
                (server, noise, said)
            })
            .collect();
        for (server, noise, said) in running {
            let said = said.join().expect("a study does not panic");
            let of = |count: laws::Count| format!("{} of {}", count.right, count.said);
            println!(
                "| {server:?} | {noise} | {} | {} | {} | {} | {} | {} | {} | {} |",
                of(said.peak),
                of(said.flat),
                of(said.grows),
                said.open,
                said.rejected,
                of(said.x_max),
                of(said.batch),
                of(said.law_peak)
            );
        }
    });
}
