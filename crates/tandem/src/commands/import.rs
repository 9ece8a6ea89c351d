//! `tandem import`: writes recorded sessions as a sessions file.

use std::path::Path;

use domain::exit::{Exit, Fatal, OrFatal as _};
use serde::Serialize;
use sessions::measure::{Figures, Totals};

use crate::flags::ImportArgs;
use crate::recorded::{self, About};
use crate::terminal;

#[derive(Serialize)]
struct Imported<'w> {
    out: &'w Path,
    #[serde(flatten)]
    about: About<'w>,
    totals: &'w Totals,
}

/// Imports the files and prints what they hold. Fails when a file has a mistake, and when the sessions file exists or
/// cannot be written.
pub(crate) fn import(args: &ImportArgs) -> Result<Exit, Fatal> {
    let (out, shown) = (&args.out, args.out.display());
    // A link to nothing is something, too.
    if out.symlink_metadata().is_ok() {
        return Err(
            Fatal::usage(format!("{shown} exists already")).hint("name another file: --out FILE")
        );
    }
    let workload = recorded::open(&args.input)?;
    workload
        .write(out)
        .or_environment(format!("{shown} could not be written"))?;
    let figures = Figures::of(&workload);
    let imported = Imported {
        out,
        about: About::of(&workload),
        totals: &figures.totals,
    };
    terminal::print(args.input.json, &imported, || {
        let summary = recorded::summary(&workload, &figures);
        format!("{summary}Wrote {shown}. Look into it: tandem show {shown}\n")
    })?;
    Ok(Exit::Done)
}
