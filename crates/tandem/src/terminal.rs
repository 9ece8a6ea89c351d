//! Output that all commands share: logs, progress bars, text or JSON on standard output, the notice of
//! simulated figures.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::LazyLock;
use std::time::Duration;

use document::{Cell, Kind, Origin, Table, output};
use domain::Nanos;
use domain::exit::{Fatal, OrFatal as _};
use domain::record::Provenance;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use runtime::{Shutdown, ShutdownLevel};
use serde::Serialize;

/// All progress bars on standard error; log lines are written above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes log lines to standard error without tearing a progress bar.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| output::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        output::stderr().flush()
    }
}

/// Writes logs to standard error, which keeps standard output free for JSON; `RUST_LOG` overrides `-v`.
pub(crate) fn start_logging(verbose: u8) {
    use tracing_subscriber::EnvFilter;

    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::stderr().has_colours())
        .with_writer(|| LogWriter)
        .init();
}

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
    write(&text)
}

/// Writes to standard output; a closed pipe is no error.
pub(crate) fn write(text: &str) -> Result<(), Fatal> {
    let mut out = output::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_environment("the output could not be printed")
}

/// Time between two drawings of a progress bar.
pub(crate) const TICK: Duration = Duration::from_millis(200);

/// A progress bar on standard error, not drawn until its tick is enabled, and never unless standard error is a
/// terminal; without a length it spins. The template's key `{left}` is the remaining time. `planned` is the expected run time, when it is known beforehand.
pub(crate) fn bar(
    json: bool,
    length: Option<u64>,
    template: &str,
    planned: Option<Duration>,
) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = BARS.add(length.map_or_else(ProgressBar::no_length, ProgressBar::new));
    let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let (done, all) = (state.pos(), state.len().unwrap_or_default());
        let _ = out.write_str(&time_left(planned, state.elapsed(), done, all));
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─").with_key("left", left));
    }
    bar
}

/// The remaining time: by the plan, else at the pace so far.
fn time_left(planned: Option<Duration>, elapsed: Duration, done: u64, all: u64) -> String {
    let left = match planned {
        Some(planned) => planned.checked_sub(elapsed),
        None if done == 0 => None,
        None => Some(elapsed.mul_f64(all.saturating_sub(done) as f64 / done as f64)),
    };
    match left {
        Some(left) => format!("{} left", time(left)),
        None if planned.is_some() => "waiting for the last answers".to_owned(),
        None => "time left unknown".to_owned(),
    }
}

/// A duration in whole seconds, such as `2m 5s`.
pub(crate) fn time(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

/// Runs a measurement. Each signal moves its shutdown to the next level; the first is answered by `Stopping; ANSWER.`
/// Fails when the measurement does or when signals cannot be received.
pub(crate) async fn until_stopped<T>(
    answer: &str,
    measurement: impl AsyncFnOnce(&Shutdown) -> Result<T, Fatal>,
) -> Result<T, Fatal> {
    let stop = Shutdown::new(Nanos::ZERO);
    let on_signal = |level| {
        if level < ShutdownLevel::Aborted {
            output::say(format_args!("Stopping; {answer}."));
        }
    };
    tokio::select! {
        end = Box::pin(measurement(&stop)) => end,
        error = stop.on_signal(on_signal) => Err(Fatal::environment(error)),
    }
}

/// A table as wide as the terminal. Its headings have ` | ` between them, and `<` before those of words, which are aligned
/// to the left.
pub(crate) fn table(headings: &str, rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::default();
    for heading in headings.split(" | ") {
        match heading.strip_prefix('<') {
            Some(heading) => table.label("", heading),
            None => table.column("", heading, Kind::Number, Origin::Derived),
        }
    }
    table.rows.extend(rows);
    table.to_text(width())
}

/// Width of a line on standard output, characters: COLUMNS, else the terminal's width, else 80.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok();
    let set = columns.and_then(|text| text.parse().ok());
    let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    set.or_else(of_terminal).unwrap_or(80)
}

/// The first line of simulated figures; empty for measured ones.
pub(crate) fn badge(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Simulated => "SIMULATED: no real server was used; times are simulated times\n",
        Provenance::Measured | Provenance::Imported => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_the_planned_one_or_that_of_the_pace_so_far() {
        let s = Duration::from_secs;
        for (planned, elapsed, done, expected) in [
            // A ramp that has sent little so far.
            (Some(s(60)), 10, 2, "50s left"),
            (Some(s(60)), 0, 0, "1m left"),
            (Some(s(60)), 61, 299, "waiting for the last answers"),
            (None, 10, 0, "time left unknown"),
            (None, 10, 4, "12m 20s left"),
            (None, 10, 300, "0s left"),
        ] {
            assert_eq!(time_left(planned, s(elapsed), done, 300), expected);
        }
    }
}
