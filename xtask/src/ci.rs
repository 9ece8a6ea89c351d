//! Every check of the repository, in the order that fails soonest.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;

use crate::clients;
use crate::delegate::{Profile, build, cargo, exit, root, succeeds};
use crate::engine;
use crate::fuzz::{self, Effort};
use crate::licences;
use crate::tidy;

pub(crate) const HELP: &str = include_str!("help/ci.txt");

/// A suite fails at this multiple of its budget: it hangs, or its work has multiplied.
const TOO_LONG: u32 = 10;

/// A suite: its name, its budget in seconds, and what runs it.
type Suite<'s> = (&'static str, u64, &'s dyn Fn() -> Result<bool>);

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let long = match args {
        [] => false,
        [flag] if flag == "--long" => true,
        _ => return crate::refuse("ci", args),
    };
    let clippy = "clippy --locked --workspace --all-targets -- -D warnings";
    let effort = if long {
        Effort::Seconds(60)
    } else {
        Effort::Inputs
    };
    let suites: [Suite; 10] = [
        ("format", 10, &|| cargo_ok("fmt --all --check")),
        ("tidy", 10, &|| Ok(tidy::check()?.is_empty())),
        ("clippy", 120, &|| cargo_ok(clippy)),
        ("test", 480, &|| {
            cargo_ok("test --locked --workspace --no-fail-fast")
        }),
        ("clients", 180, &clients::all),
        ("engine", 180, &|| Ok(engine::check())),
        ("fuzz", if long { 1200 } else { 420 }, &|| {
            Ok(fuzz::passes(effort))
        }),
        ("docs", 120, &docs),
        ("committed reports", 60, &committed_reports),
        ("licences", 60, &licences::check),
    ];
    let mut times = Vec::new();
    let mut failed = Vec::new();
    for (name, budget, suite) in suites {
        say!("\n== {name}");
        let (passed, took) = timed(suite)?;
        let budget = Duration::from_secs(budget);
        let passed = passed && took < budget * TOO_LONG;
        say!(
            "== {name}: {} in {took:?}",
            if passed { "ok" } else { "FAILED" }
        );
        let over = if took > budget { ", OVER BUDGET" } else { "" };
        times.push(format!("  {name:<18} {took:>6.0?} of {budget:?}{over}"));
        if !passed {
            failed.push(name);
        }
    }
    say!("\nci: time and budget of each suite\n{}", times.join("\n"));
    let skipped = clients::skipped();
    if !skipped.is_empty() {
        say!("\nci: skipped on this machine: {}", skipped.len());
        for what in skipped {
            say!("  skipped: {what}");
        }
    }
    match failed.as_slice() {
        [] => say!("\nci: all suites passed"),
        failed => say!("\nci: failed: {}", failed.join(", ")),
    }
    Ok(exit(failed.is_empty()))
}

/// Runs a suite; its result and its time in whole seconds.
fn timed(suite: &dyn Fn() -> Result<bool>) -> Result<(bool, Duration)> {
    #[expect(clippy::disallowed_types, reason = "CI time is host time")]
    let started = std::time::Instant::now();
    let passed = suite()?;
    Ok((passed, Duration::from_secs(started.elapsed().as_secs())))
}

fn docs() -> Result<bool> {
    let mut doc = cargo();
    doc.args(["doc", "--locked", "--workspace", "--no-deps"])
        .arg("--document-private-items")
        .env("RUSTDOCFLAGS", "-D warnings");
    succeeds(&mut doc)
}

fn committed_reports() -> Result<bool> {
    let binary = build("tandem-report", Profile::Dev)?;
    let mut check = Command::new(binary);
    succeeds(check.args(["report", "--check"]).current_dir(root()))
}

/// Runs a cargo command; a snapshot that differs is a failure.
fn cargo_ok(line: &str) -> Result<bool> {
    succeeds(cargo().args(line.split(' ')).env("INSTA_UPDATE", "no"))
}
