//! Everything that guards the repository, in the order that fails soonest.

use std::ffi::OsStr;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clients;
use crate::delegate::{Profile, build, cargo, root};
use crate::engine;
use crate::licences;
use crate::tidy;

pub(crate) fn run() -> Result<ExitCode> {
    let mut failed = Vec::new();
    let mut step = |name: &str, action: &mut dyn FnMut() -> Result<bool>| -> Result<()> {
        eprintln!("\n== {name}");
        #[expect(
            clippy::disallowed_types,
            reason = "how long a CI step takes is host time"
        )]
        let started = std::time::Instant::now();
        let ok = action()?;
        let took = Duration::from_secs(started.elapsed().as_secs());
        eprintln!(
            "== {name}: {} in {took:?}",
            if ok { "ok" } else { "FAILED" }
        );
        if !ok {
            failed.push(name.to_owned());
        }
        Ok(())
    };

    step("format", &mut || cargo_ok(["fmt", "--all", "--check"]))?;
    step("tidy", &mut || Ok(tidy::check()?.is_empty()))?;
    step("clippy", &mut || {
        cargo_ok([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    step("test", &mut || {
        cargo_ok(["test", "--locked", "--workspace"])
    })?;
    step("clients", &mut clients::all)?;
    step("engine", &mut engine::check)?;
    step("docs", &mut || {
        let status = cargo()
            .args([
                "doc",
                "--locked",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .context("cargo doc could not be started")?;
        Ok(status.success())
    })?;
    step("committed reports", &mut || {
        let binary = build("tandem-report", Profile::Dev)?;
        let status = Command::new(&binary)
            .args(["report", "--check"])
            .current_dir(root())
            .status()
            .with_context(|| format!("{} could not be started", binary.display()))?;
        Ok(status.success())
    })?;
    step("licences", &mut licences::check)?;

    if failed.is_empty() {
        eprintln!("\nci: all steps passed");
        Ok(ExitCode::SUCCESS)
    } else {
        eprintln!("\nci: failed: {}", failed.join(", "));
        Ok(ExitCode::FAILURE)
    }
}

fn cargo_ok<I, S>(args: I) -> Result<bool>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let status = cargo()
        .args(args)
        .env("INSTA_UPDATE", "no")
        .status()
        .context("cargo could not be started")?;
    Ok(status.success())
}
