//! What a reader must know about the data, typed; the words are the report's.

use domain::backend::ServerIdentity;
use domain::plan::{Arm, ConfigId};
use domain::record::{ResponseNote, RunKey};
use domain::{Nanos, Outcome};
use serde::Serialize;

use crate::stats;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Unusable {
    NoTogetherArm,
    NoAgents,
    Unfinished,
    /// No time passed between the first send and the last answer.
    NoTime,
    /// The sequential arm's agents are not those of the together arm.
    OtherAgents,
    /// An agent generated tokens together but none alone.
    NoTokensAlone,
    /// An agent, by its place and name, sent no request.
    NoRequest(u32, String),
    /// A request of an agent, counted from 1, spoils the arm.
    Request(u32, String, usize, RequestFault),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RequestFault {
    NotCompleted(Outcome),
    /// It ended too soon, without this.
    Lacks(ResponseNote),
    /// It is completed but lacks a stamp.
    NoStamp,
    /// It ends so long before it was sent: the clock stepped.
    EndsBeforeItBegins(Nanos),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RunWarning {
    SequentialLeftOut(Unusable),
    /// Contradicting and all requests of an arm; the figure that falls short most, and its value in ns (negative).
    Clocks(Arm, [usize; 2], &'static str, i64),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Warning {
    /// A sentence from the reader that found it.
    Text(String),
    ArmUnfinished(RunKey, Arm),
    /// An arm is left out: the journal has no request of one of its agents.
    NoRequestOf(RunKey, Arm, String),
    /// A server is something else than when the sweep began: its URL, what it was and is, and in how many arms.
    ServerChanged(String, [ServerIdentity; 2], usize),
    /// Requests with durations that our own stamps rule out, and all; how often each duration was dropped.
    ImpossibleDurations([u32; 2], Vec<(&'static str, u32)>),
    /// A note and the number of responses that have it.
    Responses(ResponseNote, u32),
    Run(ConfigId, u32, RunWarning),
}

/// What a reader must know about a configuration's figures.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    LeftOut(u32, Unusable),
    /// Usable runs, fewer than three.
    FewRuns(usize),
    OneAgent,
    /// Tokens are counted by chunks.
    EstimatedTokens,
    /// A figure of a repetition lies far from those of the others.
    FarFromOthers {
        figure: &'static str,
        repetition: u32,
        /// Over the geometric mean of the others.
        factor: f64,
        /// It is the first one, which found the server in another state.
        first: bool,
    },
    OnlyPublished,
}

/// The repetitions whose positive value lies too far from the others'. The first one that does is no accident:
/// the server was not yet in the state of the later ones.
pub(crate) fn far_from_others(
    figure: &'static str,
    values: &[(u32, f64)],
    first: Option<u32>,
) -> Vec<Note> {
    let known = values.iter().copied().filter(|(_, value)| *value > 0.0);
    let (numbers, logs): (Vec<u32>, Vec<f64>) = known.map(|(n, value)| (n, value.ln())).unzip();
    let far = stats::outliers(&logs).into_iter().filter_map(|(place, _)| {
        let mut others = logs.clone();
        let log = others.remove(place);
        Some(Note::FarFromOthers {
            figure,
            repetition: numbers[place],
            factor: (log - stats::mean(&others)?).exp(),
            first: Some(numbers[place]) == first,
        })
    });
    far.collect()
}
