//! The command line.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use domain::exit::EXIT_CODES;
use metrics::compare::Gate;

/// Reports, exports, audits and comparisons from recorded runs.
#[derive(Debug, Parser)]
#[command(
    name = "tandem-report",
    version,
    after_help = EXIT_CODES
)]
pub(crate) struct Args {
    /// More logs on standard error; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Turn a sweep, a load, a capacity run, a calibration, recorded runs or a published table into Markdown, PNG, JSON and CSV
    Report(ReportArgs),
    /// Write the requests, chunks, runs, agents and telemetry of a sweep, a load or a capacity run as Parquet or CSV files
    Export(ExportArgs),
    /// Test the claims of a published report against its own tables, text and recorded runs
    Audit(AuditArgs),
    /// Compare two sweeps, loads, capacity runs or sets of recorded runs, with gates
    Compare(CompareArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// The folder of a sweep, a load, a capacity run or a calibration, a folder of recorded runs, a
    /// figures table or a published table; repeat to pool several (loads, capacity runs and
    /// calibrations stand alone). Without it: the newest folder under results/
    #[arg(long, value_name = "PATH")]
    pub(crate) input: Vec<PathBuf>,

    /// The report's name [default: the input's]
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// The report's folder (default: `reports/NAME`)
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Regenerate in memory and compare with what is there: texts exactly, pictures by their pixels.
    /// Without --input: every report under reports/
    #[arg(long)]
    pub(crate) check: bool,

    /// Leave out what cannot be read inside an input, and list it
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Describe on standard output, as JSON, what was written or found
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    /// The folder of a sweep, a load or a capacity run
    #[arg(value_name = "RESULTS_FOLDER")]
    pub(crate) folder: PathBuf,

    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// The format of the files. docs/export.md describes their columns
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: FormatArg,

    /// Replace an earlier export in the folder
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Leave out what cannot be read, and list it
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Describe on standard output, as JSON, what was written
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum FormatArg {
    /// Apache Parquet: typed and compressed
    #[default]
    Parquet,
    /// Comma-separated values
    Csv,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AuditArgs {
    /// The claims; the data lie beside them
    #[arg(
        long,
        value_name = "FILE",
        default_value = "fixtures/tr113/claims.toml"
    )]
    pub(crate) claims: PathBuf,

    /// The ledger as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags are what users switch on, each by itself"
)]
pub(crate) struct CompareArgs {
    /// What to compare with: any input that `report` takes but a calibration; several runs of one side
    /// separated by commas, or the folder that `load --repetitions` made
    #[arg(value_name = "BASE", value_parser = paths)]
    pub(crate) base: Paths,

    /// What to compare
    #[arg(value_name = "NEW", value_parser = paths)]
    pub(crate) new: Paths,

    /// Fail when this holds: `wall_s > +5%`, `ttft_p95 > +10%`, `speedup < -0.05`; repeat for more. A gate
    /// tests the geometric mean over configurations. docs/limits.md has the grammar
    #[arg(long, value_name = "EXPR")]
    pub(crate) fail_if: Vec<Gate>,

    /// Test the gates on every configuration
    #[arg(long, requires = "fail_if")]
    pub(crate) each: bool,

    /// Test this figure as well as wall time, TTFT and throughput; repeat for more
    #[arg(long, value_name = "FIGURE")]
    pub(crate) primary: Vec<String>,

    /// Leave out what cannot be read inside an input, and list it
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Markdown for a pull request instead of a terminal table
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,

    /// The comparison as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Paths(pub(crate) Vec<PathBuf>);

/// Reads paths separated by commas; a comma may stand in the path of something that exists.
fn paths(text: &str) -> Result<Paths, String> {
    if Path::new(text).exists() {
        return Ok(Paths(vec![text.into()]));
    }
    let paths: Vec<PathBuf> = text.split(',').map(PathBuf::from).collect();
    if paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err("a path between two commas is empty".to_owned());
    }
    Ok(Paths(paths))
}
