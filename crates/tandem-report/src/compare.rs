//! `compare`: two inputs side by side, with gates.

use std::io::Write;

use analysis::compare::compare;
use analysis::load;
use metrics::compare::{Gate, GateOutcome};

use domain::exit::{Exit, Fatal};

use crate::args::CompareArgs;

pub(crate) fn run(args: &CompareArgs, out: &mut impl Write) -> Result<Exit, Fatal> {
    let gates = args
        .fail_if
        .iter()
        .map(|text| text.parse::<Gate>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(Fatal::usage)?;
    let base = load::load(&args.base, args.keep_going)?;
    let new = load::load(&args.new, args.keep_going)?;
    for skipped in base.skipped.iter().chain(&new.skipped) {
        tracing::warn!("{}", skipped.line());
    }
    let shown = compare(&base.dataset, &new.dataset, &gates);
    let document = shown.document();
    if args.json {
        write!(out, "{}", document.to_json()?)?;
    } else if args.markdown {
        write!(out, "{}", document.to_comment())?;
    } else {
        write!(out, "{}", document.to_text(usize::MAX))?;
    }
    Ok(match shown.outcome() {
        Some(GateOutcome::Fail) => Exit::SomeFailed,
        Some(GateOutcome::Undecided) if args.undecided_fails => Exit::SomeFailed,
        _ => Exit::Done,
    })
}
