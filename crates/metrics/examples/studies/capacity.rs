//! How often a capacity run errs, on servers whose truth is known exactly: the tables in `docs/capacity.md`.

use domain::record::capacity::{Observed, Verdict};
use itertools::iproduct;
use metrics::capacity::{Next, search};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use strum::VariantArray as _;

use crate::levels::{Decided, LIMIT_S, Limit, SPREAD, Server, Together, asked, decide, levels};
use crate::{joined, percent, print_heads};

/// Long runs that a server's limit is taken of.
const RUNS: u32 = 64;

/// What is counted of the levels of a server.
type Figure = fn(&Decided, u32) -> String;

/// Prints a table with a row for each server, named by `names`, and a column for each figure and number of agents.
fn print_table(
    names: &str,
    agents: &[u32],
    figures: [&str; 2],
    each: u32,
    rows: impl Iterator<Item = (String, Server, [Figure; 2])>,
) {
    let columns = iproduct!(figures, agents).map(|(figure, n)| format!("{figure}, {n}"));
    print_heads(&format!("{names} | {}", joined(columns)));
    for (name, server, figures) in rows {
        let decided: Vec<Decided> = agents.iter().map(|n| levels(server, *n, each)).collect();
        let cells = iproduct!(figures, &decided).map(|(figure, of)| figure(of, each));
        println!("| {name} | {} |", joined(cells));
    }
}

fn passes(of: &Decided, each: u32) -> String {
    format!("{:.1}", percent(of.passes, each))
}

fn fails(of: &Decided, each: u32) -> String {
    format!("{:.1}", percent(of.fails, each))
}

fn requests(of: &Decided, each: u32) -> String {
    format!("{:.0}", of.requests as f64 / f64::from(each))
}

/// Levels exactly at their limit: either decision is wrong.
fn at_the_limit(limits: &[Limit], agents: &[u32], each: u32) {
    let rows = iproduct!(limits, Together::VARIANTS).map(|(limit, together)| {
        let server = Server::at_its_limit(*limit, *together, RUNS);
        let name = format!("{} | {together:?}", limit.objective());
        (name, server, [passes as Figure, fails])
    });
    let figures = ["passes (%)", "fails (%)"];
    print_table("limit | together", agents, figures, each, rows);
}

/// Levels within and beyond their limit: how many are decided rightly, and by how many requests.
fn off_the_limit(agents: &[u32], each: u32) {
    let rows = iproduct!([-1.0, -0.5, 0.5], &Together::VARIANTS[..3]).map(|(off, together)| {
        let server = Server::at_its_limit(Limit::Percentile(95), *together, RUNS).off(off);
        let name = format!("{:.0} | {together:?}", 100.0 * (SPREAD * off).exp());
        let right = if off < 0.0 { passes as Figure } else { fails };
        (name, server, [right, requests])
    });
    let names = "percentile / limit (%) | together";
    let figures = ["decided rightly (%)", "requests"];
    print_table(names, agents, figures, each, rows);
}

#[derive(Debug, Default)]
struct Outcomes {
    /// The most agents carried keep the limit, and the fewest that break do not.
    right: u32,
    /// The search reports more agents than are carried.
    too_many: u32,
    /// A level is said to break the limit that keeps it.
    too_few: u32,
    /// Of the right ones those with a level left open between the two, or without either.
    open: u32,
    levels: u32,
    requests: u64,
}

/// Searches of a server that keeps the limit with up to `holds` agents; the percentile of twice the
/// agents lies `ln 2` times `slope` standard deviations higher.
fn search(server: Server, (holds, slope): (f64, f64), searches: u32) -> Outcomes {
    let objective = server.limit.objective();
    let search = asked(&objective).search;
    let mut rng = ChaCha8Rng::seed_from_u64(113);
    let mut out = Outcomes::default();
    for _ in 0..searches {
        let mut seen: Vec<Observed> = Vec::new();
        while let Next::Level(agents, _) = search::next(&search, &seen) {
            let off = slope * (f64::from(agents) / holds).ln();
            let records = server.off(off).level(agents, &mut rng);
            let (verdict, requests) = decide(&records, agents, &objective);
            seen.push(Observed {
                agents,
                verdict,
                failing: false,
                saturated: false,
            });
            out.levels += 1;
            out.requests += u64::from(requests);
        }
        let (carries, breaks) = (search::most_passing(&seen), search::fewest_failing(&seen));
        let too_many = carries.is_some_and(|n| f64::from(n) > holds);
        let too_few = breaks.is_some_and(|n| f64::from(n) <= holds);
        out.too_many += u32::from(too_many);
        out.too_few += u32::from(too_few);
        if !too_many && !too_few {
            out.right += 1;
            let between = |o: &Observed| {
                o.verdict == Verdict::Unresolved
                    && carries.is_none_or(|c| o.agents > c)
                    && breaks.is_none_or(|b| o.agents < b)
            };
            let open = carries.is_none() || breaks.is_none() || seen.iter().any(between);
            out.open += u32::from(open);
        }
    }
    out
}

fn searches(each: u32) {
    print_heads(
        "holds up to | gets worse | together | right (%) | of these open (%) | carries too many (%) | breaks too few (%) | \
         levels | requests",
    );
    let slopes = [("steeply", 6.0), ("slowly", 1.5)];
    for (holds, (how, slope), together) in iproduct!([6.5, 20.5], slopes, &Together::VARIANTS[..3])
    {
        let server = Server::at_its_limit(Limit::Percentile(95), *together, RUNS);
        let out = search(server, (holds, slope), each);
        let shares = [out.right, out.open, out.too_many, out.too_few];
        println!(
            "| {} | {how} | {together:?} | {} | {:.1} | {:.0} |",
            f64::floor(holds),
            joined(shares.map(|count| format!("{:.1}", percent(count, each)))),
            f64::from(out.levels) / f64::from(each),
            out.requests as f64 / f64::from(each),
        );
    }
}

pub(crate) fn print(each: u32) {
    let limits = [
        Limit::Percentile(90),
        Limit::Percentile(95),
        Limit::Percentile(99),
        Limit::Mean,
        Limit::Goodput,
        Limit::Failed,
    ];
    println!("Levels exactly at their limit, {} each:\n", 5 * each);
    at_the_limit(&limits, &[1, 8, 64], 5 * each);
    println!("\nThe same of many agents:\n");
    at_the_limit(&[Limit::Percentile(95)], &[256], 5 * each);
    println!(
        "\nLevels off their limit, ttft_p95 < {LIMIT_S}s, {} each:\n",
        2 * each
    );
    off_the_limit(&[1, 8, 64], 2 * each);
    println!("\nWhole searches, ttft_p95 < {LIMIT_S}s, {each} each:\n");
    searches(each);
}
