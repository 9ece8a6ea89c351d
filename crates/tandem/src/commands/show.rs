//! `tandem show`: a table of recorded sessions.

use document::number::plain;
use document::words::plural;
use document::{Cell, words};
use domain::exit::{Exit, Fatal};
use itertools::Itertools as _;
use serde::Serialize;
use sessions::Seconds;
use sessions::measure::{CriticalPath, Figures, SessionFigures, Work};

use crate::flags::ShowArgs;
use crate::recorded::{self, About, time};
use crate::terminal;

/// Rows of the table without `--all`.
const ROWS: usize = 50;

#[derive(Serialize)]
struct Shown<'w> {
    #[serde(flatten)]
    about: About<'w>,
    #[serde(flatten)]
    figures: &'w Figures,
}

/// Prints the sessions of a file. Fails when the file cannot be read or has a mistake.
pub(crate) fn show(args: &ShowArgs) -> Result<Exit, Fatal> {
    let workload = recorded::open(&args.input)?;
    let figures = Figures::of(&workload);
    let shown = Shown {
        about: About::of(&workload),
        figures: &figures,
    };
    terminal::print(args.input.json, &shown, || {
        let rows = if args.all { usize::MAX } else { ROWS };
        let more = figures.sessions.len().saturating_sub(rows);
        let more = match more {
            0 => String::new(),
            n => format!("{} more: --all shows them.\n", plural(n as u64, "session")),
        };
        let (table, path) = (table(&figures, rows), path_in_words(&figures.critical_path));
        let summary = recorded::summary(&workload, &figures);
        format!("{table}{more}\n{path}\n\n{summary}")
    })?;
    Ok(Exit::Done)
}

fn table(figures: &Figures, rows: usize) -> String {
    let headings = "<session | calls | tokens in | out | shared % | cuts | in calls s | tools s | \
                    user s | other s | children | <models";
    let sessions = figures.sessions.iter().take(rows).map(|session| {
        let models = match &session.models[..] {
            [] => Cell::Unknown,
            models => Cell::text(models.join(", ")),
        };
        let children = Cell::number(session.children as f64, 0);
        row(&name(session), &session.work, [children, models])
    });
    let totals = &figures.totals;
    let models = figures.sessions.iter().flat_map(|session| &session.models);
    let models = match models.unique().count() {
        0 => Cell::Unknown,
        n => Cell::text(plural(n as u64, "model")),
    };
    let children = Cell::number(totals.sub_agents as f64, 0);
    let total = row("all", &totals.work, [children, models]);
    terminal::table(headings, sessions.chain([total]))
}

/// The id, behind two spaces for each session above it, and without the part that repeats its parent's.
fn name(session: &SessionFigures) -> String {
    let parent = session.parent.as_deref();
    let rest = parent.and_then(|parent| session.id.strip_prefix(parent)?.strip_prefix('/'));
    let name = rest.unwrap_or(&session.id);
    let agent = session.agent.as_ref().map(|agent| format!(" ({agent})"));
    format!(
        "{}{name}{}",
        "  ".repeat(session.depth as usize),
        agent.unwrap_or_default()
    )
}

fn row(name: &str, work: &Work, rest: [Cell; 2]) -> Vec<Cell> {
    let has_tokens = work.calls_without_tokens < work.calls;
    let tokens = |n: u64| Cell::known((has_tokens || n > 0).then_some(n as f64), 0);
    let has_times = work.time.calls_without_time < work.calls;
    let is_compared = work.prefix.compared_calls > 0;
    let seconds = |time: Seconds| Cell::number(time.get(), 1);
    let mut cells = vec![
        Cell::text(name),
        Cell::number(work.calls as f64, 0),
        tokens(work.prompt_tokens),
        tokens(work.output_tokens),
        Cell::known(work.prefix.share().map(|share| 100.0 * share), 1),
        Cell::known(is_compared.then_some(work.prefix.cut_calls as f64), 0),
        Cell::known(has_times.then(|| work.time.in_calls_s.get()), 1),
        seconds(work.time.tool_gaps_s),
        seconds(work.time.user_gaps_s),
        seconds(work.time.unknown_gaps_s),
    ];
    cells.extend(rest);
    cells
}

fn path_in_words(path: &CriticalPath) -> String {
    let gaps = path.gap_share.map_or_else(String::new, |share| {
        let parts = [
            (path.time.tool_gaps_s, "tools"),
            (path.time.user_gaps_s, "the user"),
            (path.time.unknown_gaps_s, "unknown"),
        ];
        let parts = parts
            .into_iter()
            .filter(|(length, _)| *length > Seconds::ZERO);
        let parts: Vec<String> = parts
            .map(|(length, of)| format!("{} {of}", time(length)))
            .collect();
        let parts = match &parts[..] {
            [] => String::new(),
            parts => format!(" ({})", parts.join(", ")),
        };
        format!(" {} % of it are gaps{parts}.", plain(100.0 * share, 1))
    });
    let through = match &path.sessions[..] {
        few @ ([_] | [_, _] | [_, _, _]) => words::joined(few),
        many => plural(many.len() as u64, "session"),
    };
    format!(
        "The critical path, the longest chain of calls and gaps at recorded times, takes {}: {} of {through}.{gaps}",
        time(path.length_s),
        plural(path.calls as u64, "call")
    )
}
