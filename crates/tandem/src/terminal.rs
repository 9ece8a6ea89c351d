//! What all commands print alike: logs, standard output for people or machines, colours, the badge of
//! simulated figures.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use domain::exit::{Fatal, OrFatal as _};
use domain::record::Provenance;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Logs go to standard error, so that standard output stays fit for machines; `RUST_LOG` overrules
/// `-v`.
pub(crate) fn start_logging(verbose: u8) {
    use tracing_subscriber::EnvFilter;

    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .init();
}

/// Prints a document as one JSON line, or in words for a person.
pub(crate) fn print(
    json: bool,
    document: &impl Serialize,
    in_words: impl FnOnce() -> String,
) -> Result<(), Fatal> {
    let text = if json {
        serde_json::to_string(document)? + "\n"
    } else {
        in_words()
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .or_environment("the output could not be printed")
}

/// Progress on standard error, where a person can see it; without a length it spins.
pub(crate) fn bar(json: bool, length: Option<u64>, template: &str) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// True where a person looks at standard output and has not asked for plain text.
pub(crate) fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Characters of a line of standard output: those of the terminal, or what COLUMNS says; 80 where
/// neither tells.
pub(crate) fn width() -> usize {
    const USUAL: usize = 80;
    let columns = std::env::var("COLUMNS").ok();
    let said = columns.and_then(|text| text.parse().ok());
    let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    said.or_else(of_terminal).unwrap_or(USUAL)
}

/// The line that simulated figures begin with; empty for real ones.
pub(crate) fn badge(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Simulated => "SIMULATED: no real server was used; times are simulated times\n",
        Provenance::Measured | Provenance::Imported => "",
    }
}
