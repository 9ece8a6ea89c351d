//! Progress of a capacity run: one line for each level.

use document::capacity::figure_in_words;
use document::output::say;
use document::verdict;
use domain::record::capacity::{LevelEnd, LevelRecord};
use indicatif::ProgressBar;
use metrics::capacity::LevelFigures;

use crate::terminal;

#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        Self(terminal::bar(
            json,
            None,
            "{spinner} {msg}  {elapsed}",
            None,
        ))
    }

    pub(super) fn started(&self, agents: u32) {
        self.0.reset_elapsed();
        self.0.set_prefix(agents.to_string());
        self.heard(0);
    }

    pub(super) fn heard(&self, requests: usize) {
        self.0.set_message(format!(
            "{:>4} agents: {requests} requests",
            self.0.prefix()
        ));
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
        _ => verdict::level(probe.decision.verdict),
    };
    let agents = probe.agents;
    let noun = if agents == 1 { "agent " } else { "agents" };
    let mut text = format!("{agents:>5} {noun}  {verdict:<12}");
    let judged: Vec<String> = probe
        .decision
        .judged
        .iter()
        .filter_map(figure_in_words)
        .collect();
    let mut parts = vec![judged.join(", ")];
    if let Some(figures) = figures {
        parts.push(format!(
            "{:.1} tok/s; {} requests in {:.1} s",
            figures.tokens_per_s.mean,
            figures.load.outcomes.total(),
            figures.window.seconds()
        ));
    } else {
        parts.push("never steady".to_owned());
    }
    if let Some(needs) = probe.decision.needs {
        parts.push(format!("needs about {needs} more"));
    }
    if probe.saturation.is_some() {
        parts.push("saturated".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    text.push_str(&parts.join("; "));
    text
}
