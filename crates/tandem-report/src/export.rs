//! `export`: writes the frames of a results folder as files.

use std::io::Write;

use analysis::frames::{self, Format};
use analysis::load::SkippedPart;
use document::words::plural;
use domain::exit::{Exit, Fatal};

use crate::args::{ExportArgs, FormatArg};
use crate::report::write_provenance;

pub(crate) fn run(args: &ExportArgs, out: &mut impl Write) -> Result<Exit, Fatal> {
    let format = match args.format {
        FormatArg::Parquet => Format::Parquet,
        FormatArg::Csv => Format::Csv,
    };
    let (keep_going, overwrite) = (args.keep_going, args.overwrite);
    let exported = frames::export(&args.folder, &args.out, format, keep_going, overwrite)?;
    if args.json {
        writeln!(out, "{:#}", exported.json())?;
        return Ok(Exit::Done);
    }
    let source = &exported.source;
    write_provenance(out, source.provenance)?;
    let skipped: Vec<String> = source.skipped.iter().map(SkippedPart::line).collect();
    for line in &skipped {
        writeln!(out, "{line}")?;
    }
    let warnings = source.warnings.iter();
    for warning in warnings.filter(|warning| !skipped.contains(warning)) {
        writeln!(out, "warning: {warning}")?;
    }
    for (path, rows) in &exported.files {
        writeln!(out, "{}: {}", path.display(), plural(*rows as u64, "row"))?;
    }
    Ok(Exit::Done)
}
