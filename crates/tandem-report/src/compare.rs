//! `compare`: two sets of runs compared, with gates.

use std::io::Write;

use analysis::compare::{self, CompareOptions};
use domain::exit::{Exit, Fatal};
use metrics::compare::GateOutcome;

use crate::args::CompareArgs;

pub(crate) fn run(args: &CompareArgs, out: &mut impl Write) -> Result<Exit, Fatal> {
    let options = CompareOptions {
        gates: args.fail_if.clone(),
        each: args.each,
        primary: args.primary.clone(),
    };
    let base = compare::read(&args.base.0, args.keep_going)?;
    let new = compare::read(&args.new.0, args.keep_going)?;
    let report = compare::compare(base, new, &options).map_err(Fatal::usage)?;
    let document = report.document();
    if args.json {
        write!(out, "{}", document.to_json()?)?;
    } else if args.markdown {
        write!(out, "{}", document.to_comment())?;
    } else {
        write!(out, "{}", document.to_text(usize::MAX))?;
    }
    Ok(match report.outcome() {
        Some(GateOutcome::Fail) => Exit::SomeFailed,
        Some(GateOutcome::Undecided) => Exit::Undecided,
        Some(GateOutcome::Pass) | None => Exit::Done,
    })
}
