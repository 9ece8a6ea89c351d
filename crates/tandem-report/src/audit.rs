//! `audit`: the ledger of published claims.

use std::io::Write;
use std::path::Path;

use analysis::audit::{Claims, Sources};
use domain::exit::{Exit, Fatal};

use crate::args::AuditArgs;

pub(crate) fn run(args: &AuditArgs, out: &mut impl Write) -> Result<Exit, Fatal> {
    let folder = args.claims.parent().unwrap_or(Path::new("."));
    let claims = Claims::read(&args.claims)?;
    let ledger = claims.audit(&Sources::load(folder)?)?;
    if args.json {
        writeln!(out, "{}", ledger.to_json()?)?;
    } else {
        write!(out, "{}", ledger.to_text())?;
    }
    Ok(Exit::Done)
}
