//! `tandem report`, `export`, `audit` and `compare`, which run `tandem-report`.

use std::process::Command;

use domain::exit::{Exit, Fatal, Hint as _, OrFatal as _};

const COMMANDS: [&str; 4] = ["report", "export", "audit", "compare"];

/// Runs `tandem-report` from this binary's folder or the PATH, as git runs its subcommands.
pub(crate) fn pass_on(args: &[String]) -> Result<Exit, Fatal> {
    let command = args.first().map_or("", String::as_str);
    if !COMMANDS.contains(&command) {
        let hint =
            "see `tandem --help`; report, export, audit and compare are passed on to tandem-report";
        return Err(Fatal::usage(format!("no command `{command}`")).hint(hint));
    }
    let name = format!("tandem-report{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe();
    let sibling = own.map(|exe| exe.with_file_name(&name)).ok();
    let sibling = sibling.filter(|path| path.exists());
    let binary = sibling.unwrap_or_else(|| name.into());
    let status = Command::new(&binary)
        .args(args)
        .status()
        .or_environment(format!("{} could not be started", binary.display()))
        .hint("build it with `cargo build --workspace --bin tandem-report`, or use `cargo xtask report`")?;
    Ok(match status.code() {
        None => Exit::Interrupted,
        Some(code) => Exit::of_code(code),
    })
}
