//! What all commands print alike: logs, standard output for people or machines, colours, the badge of
//! simulated figures.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use document::output;
use domain::exit::{Fatal, OrFatal as _};
use domain::record::Provenance;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
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
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::stderr().has_colours())
        .with_writer(output::stderr)
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
    write(&text)
}

/// Writes to standard output; a reader that is gone is no error.
pub(crate) fn write(text: &str) -> Result<(), Fatal> {
    let mut out = output::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_environment("the output could not be printed")
}

/// Progress on standard error, where a person can see it; without a length it spins. `planned` is the
/// time for which it is going to run, where that is known beforehand.
pub(crate) fn bar(
    json: bool,
    length: Option<u64>,
    template: &str,
    planned: Option<Duration>,
) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    set_style(&bar, template, planned);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Has a bar drawn by a template, in which `{left}` is the time that is left.
pub(crate) fn set_style(bar: &ProgressBar, template: &str, planned: Option<Duration>) {
    let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let (done, all) = (state.pos(), state.len().unwrap_or_default());
        let _ = out.write_str(&time_left(planned, state.elapsed(), done, all));
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─").with_key("left", left));
    }
}

/// How long something still takes: as planned, else at the pace so far.
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

/// A time in whole seconds, such as `2m 5s`.
pub(crate) fn time(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_the_planned_one_or_that_of_the_pace_so_far() {
        let s = Duration::from_secs;
        // A ramp that has sent little so far.
        assert_eq!(time_left(Some(s(60)), s(10), 2, 300), "50s left");
        assert_eq!(time_left(Some(s(60)), s(0), 0, 300), "1m left");
        assert_eq!(
            time_left(Some(s(60)), s(61), 299, 300),
            "waiting for the last answers"
        );
        assert_eq!(time_left(None, s(10), 0, 300), "time left unknown");
        assert_eq!(time_left(None, s(10), 4, 300), "12m 20s left");
        assert_eq!(time_left(None, s(10), 300, 300), "0s left");
    }
}
