//! Everything that guards the repository, in the order that fails soonest.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;

use crate::clients;
use crate::delegate::{Profile, build, cargo, root, succeeds};
use crate::engine;
use crate::fuzz::{self, Effort};
use crate::licences;
use crate::tidy;

/// Inputs that each fuzz target gets: ten seconds of the slowest.
const FUZZ: Effort = Effort::Inputs(5_000);
/// With `--long`.
const FUZZ_LONG: Effort = Effort::Seconds(60);

pub(crate) fn run(long: bool) -> Result<ExitCode> {
    let mut failed = Vec::new();
    let mut step = |name: &str, action: &mut dyn FnMut() -> Result<bool>| -> Result<()> {
        say!("\n== {name}");
        #[expect(
            clippy::disallowed_types,
            reason = "how long a CI step takes is host time"
        )]
        let started = std::time::Instant::now();
        let ok = action()?;
        let took = Duration::from_secs(started.elapsed().as_secs());
        say!(
            "== {name}: {} in {took:?}",
            if ok { "ok" } else { "FAILED" }
        );
        if !ok {
            failed.push(name.to_owned());
        }
        Ok(())
    };

    step("format", &mut || cargo_ok("fmt --all --check"))?;
    step("tidy", &mut || Ok(tidy::check()?.is_empty()))?;
    step("clippy", &mut || {
        cargo_ok("clippy --locked --workspace --all-targets -- -D warnings")
    })?;
    step("test", &mut || {
        cargo_ok("test --locked --workspace --no-fail-fast")
    })?;
    step("clients", &mut clients::all)?;
    step("engine", &mut engine::check)?;
    step("fuzz", &mut || {
        fuzz::holds(if long { FUZZ_LONG } else { FUZZ })
    })?;
    step("docs", &mut || {
        let mut doc = cargo();
        doc.args(["doc", "--locked", "--workspace", "--no-deps"])
            .arg("--document-private-items")
            .env("RUSTDOCFLAGS", "-D warnings");
        succeeds(&mut doc)
    })?;
    step("committed reports", &mut || {
        let binary = build("tandem-report", Profile::Dev)?;
        let mut check = Command::new(binary);
        succeeds(check.args(["report", "--check"]).current_dir(root()))
    })?;
    step("licences", &mut licences::check)?;

    let skipped = clients::skipped();
    if !skipped.is_empty() {
        say!("\nci: skipped on this machine: {}", skipped.len());
        for what in skipped {
            say!("  skipped: {what}");
        }
    }
    if failed.is_empty() {
        say!("\nci: all steps passed");
        Ok(ExitCode::SUCCESS)
    } else {
        say!("\nci: failed: {}", failed.join(", "));
        Ok(ExitCode::FAILURE)
    }
}

/// Runs a cargo command; a snapshot that differs is a failure.
fn cargo_ok(line: &str) -> Result<bool> {
    succeeds(cargo().args(line.split(' ')).env("INSTA_UPDATE", "no"))
}
