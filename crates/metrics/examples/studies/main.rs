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
use std::fmt::Display;

use itertools::Itertools as _;
use laws::Count;
use servers::Model;
use speedup::{Case, NOISES, REPETITIONS, TRUTHS};

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let study = args.next();
    let number = args.next().map(|n| n.parse().expect("a number"));
    match study.as_deref() {
        Some("speedup") => print_speedup(number.unwrap_or(300)),
        Some("laws") => print_laws(number.unwrap_or(500)),
        Some("capacity") => capacity::print(number.unwrap_or(100)),
        _ => eprintln!("say which: speedup, laws, capacity [NUMBER]"),
    }
}

/// Prints the headings of a table in Markdown, given with ` | ` between them.
fn print_heads(heads: &str) {
    let columns = heads.matches(" | ").count() + 1;
    println!("| {heads} |\n|{}", "---|".repeat(columns));
}

/// The part of `all` that `part` is, percent.
fn percent(part: u32, all: u32) -> f64 {
    100.0 * f64::from(part) / f64::from(all)
}

fn joined(cells: impl IntoIterator<Item = impl Display>) -> String {
    cells.into_iter().join(" | ")
}

/// How often the stated speedup interval holds the truth, and how often each verdict is wrong.
fn print_speedup(sweeps: u32) {
    let of = |setting| speedup::case(setting, 113, sweeps);
    print_heads("server | repetitions | truth | mean estimate | mean width | covered (%)");
    for c in speedup::as_they_are().map(of) {
        let (model, repetitions) = (c.setting.model, c.setting.repetitions);
        let (truth, mean, width) = (c.truth, c.mean_estimate, c.mean_width);
        let covered = percent(c.covered, c.sweeps);
        println!(
            "| {model:?} | {repetitions} | {truth:.3} | {mean:.3} | {width:.3} | {covered:.1} |"
        );
    }
    let cases: Vec<Case> = speedup::grid().map(of).collect();
    let mut words: BTreeMap<&str, [[u32; 2]; NOISES.len()]> = BTreeMap::new();
    println!();
    print_heads(&joined(
        ["noise", "n", "covered"]
            .map(str::to_owned)
            .into_iter()
            .chain(TRUTHS.map(|truth| format!("{truth:.2}"))),
    ));
    let noise_and_n = cases.chunks(TRUTHS.len() * Model::ALL.len());
    for (place, rows) in noise_and_n.enumerate() {
        let setting = rows[0].setting;
        let covered: u32 = rows.iter().map(|c| c.covered).sum();
        let cells = rows.chunks(Model::ALL.len()).map(|servers| {
            let worst = |of: fn(&Case) -> u32| servers.iter().map(of).max().unwrap_or(0);
            let [wrong, open] = [|c: &Case| c.wrong, Case::undecided].map(worst);
            format!(
                "{:.1} / {:.0}",
                percent(wrong, sweeps),
                percent(open, sweeps)
            )
        });
        println!(
            "| {} % | {} | {:.1} | {} |",
            100.0 * setting.noise,
            setting.repetitions,
            percent(covered, sweeps * rows.len() as u32),
            joined(cells)
        );
        for (word, [given, wrong]) in rows.iter().flat_map(|c| &c.words) {
            let all = &mut words.entry(word).or_default()[place / REPETITIONS.len()];
            *all = [all[0] + given, all[1] + wrong];
        }
    }
    let noises = NOISES.map(|noise| format!("{} %", 100.0 * noise));
    println!();
    print_heads(&format!("word | {} | all", noises.join(" | ")));
    for (word, cells) in words {
        let all = cells.iter().fold([0, 0], |[s, w], c| [s + c[0], w + c[1]]);
        let cell = |[given, wrong]: [u32; 2]| format!("{:.1} of {given}", percent(wrong, given));
        println!("| {word} | {} | {} |", joined(cells.map(cell)), cell(all));
    }
}

/// How often what is said of throughput's course is right, the servers side by side.
fn print_laws(runs: u32) {
    print_heads(
        "server | noise (%) | peak | flat | grows | open | no law | highest throughput | bound | peak by the law",
    );
    std::thread::scope(|scope| {
        // Stretches of a level scatter by so many percent.
        let cases = laws::Server::ALL
            .into_iter()
            .cartesian_product([1.0, 3.0, 10.0]);
        let running = cases.map(|(server, noise)| {
            let claims = scope.spawn(move || laws::runs(server, noise / 100.0, runs));
            (server, noise, claims)
        });
        for (server, noise, claims) in running.collect_vec() {
            let claims = claims.join().expect("a study does not panic");
            let of = |count: Count| format!("{} of {}", count.right, count.made);
            let [peak, flat, grows, x_max, batch, law_peak] = claims.counts().map(of);
            let (open, rejected) = (claims.open, claims.rejected);
            println!(
                "| {server:?} | {noise} | {peak} | {flat} | {grows} | {open} | {rejected} | {x_max} | {batch} | {law_peak} |"
            );
        }
    });
}
