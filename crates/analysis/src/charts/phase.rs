//! Phases of a request, their colours, and where decoding overlaps.

use plotters::style::RGBColor;

use super::axis::drawable;
use super::theme::{BLUE, Color, GREY, ORANGE, SKY};

const DARK_GREY: Color = RGBColor(0x8C, 0x92, 0x9A);
const LIGHT_GREY: Color = RGBColor(0xD3, 0xD6, 0xDA);
const SAND: Color = RGBColor(0xC9, 0xBB, 0x9E);
const PALE_PURPLE: Color = RGBColor(0xE9, 0xDD, 0xE4);

/// What a request was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    ClientQueue,
    /// Waiting for a permit under the client's own limit of requests in flight.
    Admission,
    /// Waiting while the server worked for another configuration.
    WaitOther,
    /// The model was loaded or reloaded.
    Load,
    /// Waiting for a free slot of the server.
    SlotQueue,
    Prefill,
    Decode,
    /// Not attributed.
    Other,
}

impl Phase {
    /// In the order in which a request passes through them, each with its name in the legend and its colour, which are the
    /// same in every picture: work is blue, waiting grey, loading orange.
    pub(crate) const ALL: [(Self, &str, Color); 8] = [
        (Self::ClientQueue, "client queue", DARK_GREY),
        (Self::Admission, "wait for a permit", SAND),
        (Self::WaitOther, "wait for the other agent", LIGHT_GREY),
        (Self::Load, "model load", ORANGE),
        (Self::SlotQueue, "slot queue", GREY),
        (Self::Prefill, "prefill", SKY),
        (Self::Decode, "decode", BLUE),
        (Self::Other, "unattributed", PALE_PURPLE),
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
    let decoding = |lane: &[Segment]| -> Vec<(f64, f64)> {
        let decoding = lane.iter().filter(|s| s.phase == Phase::Decode);
        decoding.filter_map(Segment::span).collect()
    };
    let lanes: Vec<_> = lanes.map(decoding).collect();
    let ends = lanes.iter().flatten().flat_map(|(from, to)| [*from, *to]);
    let mut edges: Vec<f64> = ends.collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    let mut spans: Vec<(f64, f64)> = Vec::new();
    for pair in edges.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let decodes = |(start, end): &(f64, f64)| (*start..*end).contains(&from);
        if lanes.iter().filter(|lane| lane.iter().any(decodes)).count() < 2 {
            continue;
        }
        match spans.last_mut() {
            Some(last) if last.1 >= from => last.1 = to,
            _ => spans.push((from, to)),
        }
    }
    spans
}
