//! Phases of a request, their colours, and where decoding overlaps.

use plotters::style::RGBColor;

use super::axis::drawable;
use super::theme::{BLUE, Color, GREY, ORANGE, PURPLE, SKY};

/// What a request was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    ClientQueue,
    /// Waiting for a permit under the client's own limit of requests in flight.
    Admission,
    /// Waiting for a free slot of the server.
    SlotQueue,
    /// Waiting while the server worked for another configuration.
    WaitOther,
    /// The model was loaded or reloaded.
    Load,
    /// Loading and waiting, which the data cannot tell apart.
    LoadOrWait,
    Prefill,
    Decode,
    /// Tools, files, thinking: the agent's own work.
    Agent,
    /// Not attributed.
    Other,
}

impl Phase {
    /// Each with its name in the legend and its colour, which are the same in every picture: work
    /// is blue, waiting grey, loading orange.
    pub(crate) const ALL: [(Self, &str, Color); 10] = [
        (
            Self::ClientQueue,
            "client queue",
            RGBColor(0x8C, 0x92, 0x9A),
        ),
        (
            Self::Admission,
            "wait for a permit",
            RGBColor(0xC9, 0xBB, 0x9E),
        ),
        (Self::SlotQueue, "slot queue", GREY),
        (
            Self::WaitOther,
            "wait for the other agent",
            RGBColor(0xD3, 0xD6, 0xDA),
        ),
        (Self::Load, "model load", ORANGE),
        (
            Self::LoadOrWait,
            "load or wait for the other agent",
            RGBColor(0xF3, 0xCF, 0x80),
        ),
        (Self::Prefill, "prefill", SKY),
        (Self::Decode, "decode", BLUE),
        (Self::Agent, "agent's own work", PURPLE),
        (Self::Other, "unattributed", RGBColor(0xE9, 0xDD, 0xE4)),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub(crate) fn color(self) -> Color {
        Self::ALL[self as usize].2
    }
}

/// A stretch of time spent in one phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Segment {
    pub(crate) phase: Phase,
    pub(crate) start_s: f64,
    /// A segment whose ends are not finite or in the wrong order is not drawn.
    pub(crate) end_s: f64,
}

impl Segment {
    /// Its ends, when they can be drawn.
    pub(crate) fn span(&self) -> Option<(f64, f64)> {
        let (start, end) = (drawable(self.start_s)?, drawable(self.end_s)?);
        (end > start).then_some((start, end))
    }
}

/// Stretches in which two or more lanes decode, in time order. Only for shading: the figure beside
/// the group is measured elsewhere.
pub(crate) fn overlaps<'s>(lanes: impl Iterator<Item = &'s [Segment]>) -> Vec<(f64, f64)> {
    let mut edges: Vec<(f64, i32)> = Vec::new();
    for lane in lanes {
        // A lane counts once even if its own segments overlap.
        let mut own: Vec<(f64, f64)> = lane
            .iter()
            .filter(|segment| segment.phase == Phase::Decode)
            .filter_map(Segment::span)
            .collect();
        own.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (start, end) in own {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        let ends = |(start, end)| [(start, 1), (end, -1)];
        edges.extend(merged.into_iter().flat_map(ends));
    }
    // At one instant ends come before starts: touching is not overlapping.
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut spans = Vec::new();
    let (mut active, mut since) = (0, 0.0);
    for (at, change) in edges {
        if active < 2 && active + change >= 2 {
            since = at;
        } else if active >= 2 && active + change < 2 && at > since {
            spans.push((since, at));
        }
        active += change;
    }
    spans
}
