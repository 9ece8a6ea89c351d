//! Progress of a capacity run: one line for each level.

use document::capacity::figure_in_words;
use document::output::say;
use domain::record::capacity::{LevelEnd, LevelRecord};
use indicatif::ProgressBar;
use metrics::capacity::LevelFigures;

use crate::terminal;

#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let template = "{spinner} {msg}  {elapsed}";
        let bar = terminal::bar(json, None, template, None);
        bar.enable_steady_tick(terminal::TICK);
        Self(bar)
    }

    pub(super) fn started(&self, agents: u32) {
        self.0.reset_elapsed();
        self.0.set_prefix(agents.to_string());
        self.heard(0);
    }

    pub(super) fn heard(&self, requests: usize) {
        let agents = self.0.prefix();
        let message = format!("{agents:>4} agents: {requests} requests");
        self.0.set_message(message);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }

    pub(super) fn ended(&self, probe: &LevelRecord, figures: Option<&LevelFigures>) {
        self.say(&line(probe, figures));
        for (note, responses) in figures.iter().flat_map(|figures| &figures.load.notes) {
            self.say(&format!("       warning: {}", note.counted(*responses)));
        }
    }

    /// Prints a line above the bar.
    pub(super) fn say(&self, text: &str) {
        self.0.suspend(|| say(text));
    }
}

/// `   8 agents  pass        ttft_p95 812 ms [790 ms .. 840 ms]; 231 tok/s; 128 requests in 34 s`.
fn line(probe: &LevelRecord, figures: Option<&LevelFigures>) -> String {
    let verdict = match probe.end {
        LevelEnd::Interrupted => "interrupted",
        _ if probe.failing => "failing",
        _ => probe.decision.verdict.into(),
    };
    let agents = probe.agents;
    let noun = if agents == 1 { "agent " } else { "agents" };
    let judged = probe.decision.judged.iter().filter_map(figure_in_words);
    let judged = judged.collect::<Vec<_>>().join(", ");
    let measured = figures.map_or("never steady".to_owned(), |figures| {
        format!(
            "{:.1} tok/s; {} requests in {:.1} s",
            figures.tokens_per_s.mean,
            figures.load.outcomes.total(),
            figures.window.seconds()
        )
    });
    let needs = probe.decision.needs;
    let parts = [
        Some(judged).filter(|judged| !judged.is_empty()),
        Some(measured),
        needs.map(|needs| format!("needs about {needs} more")),
        probe.saturation.is_some().then(|| "saturated".to_owned()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("{agents:>5} {noun}  {verdict:<12}{}", parts.join("; "))
}
