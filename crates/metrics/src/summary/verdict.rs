//! The verdict on a configuration: did running together pay, and how was it served? Neither answer implies the other.

use itertools::Itertools as _;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use strum::VariantArray;

use crate::cause::SERIAL_BELOW;
use crate::stats::{Estimate, Interval, Location};

/// Above this a gain is worth having.
const GAIN: f64 = 1.05;
/// Below this a loss is worth avoiding.
const LOSS: f64 = 0.95;

/// Whether running together paid, from the 95 % interval of the speedup and a margin of 5 %.
/// The best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, VariantArray)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// The interval lies above 1.05.
    Pays,
    /// It lies within 0.95 to 1.05: no difference worth having.
    None,
    /// It ends at or below 1.05 and reaches below 0.95: no gain; whether it costs is open.
    NoGain,
    /// It lies below 0.95.
    Costs,
    /// It allows a gain and none, or there are fewer than three repetitions.
    Undecided,
    /// There is no speedup: nothing ran in turn.
    Unknown,
}

impl Gain {
    pub const ALL: &[Self] = Self::VARIANTS;

    pub fn of(speedup: Option<Estimate>) -> Self {
        match speedup.map(|s| s.interval()) {
            None => Self::Unknown,
            Some(None) => Self::Undecided,
            Some(Some(interval)) => Self::shown_by(interval),
        }
    }

    fn shown_by(speedup: Interval) -> Self {
        if speedup.lo > GAIN {
            Self::Pays
        } else if speedup.hi < LOSS {
            Self::Costs
        } else if speedup.hi > GAIN {
            Self::Undecided
        } else if speedup.lo >= LOSS {
            Self::None
        } else {
            Self::NoGain
        }
    }

    /// The least number of repetitions, three or more, that would decide if further ones had the centre and the spread of
    /// these speedups. None where these decide already, or a thousand are too few.
    pub fn repetitions_to_decide(speedups: &[f64]) -> Option<u32> {
        let logs: Vec<f64> = speedups.iter().map(|s| s.ln()).collect();
        let decides = |logs: Interval| Self::shown_by(logs.map(f64::exp)) != Self::Undecided;
        match logs.len() {
            0 => None,
            1 => Some(3),
            _ => Location::enough(&logs, decides),
        }
    }
}

/// Whether agents decoded at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// For less than 5 % of the decoding time.
    InTurn,
    /// For 5 % of it or more.
    Overlapping,
    Unknown,
}

impl Decoding {
    /// From the mean overlap, 0..1.
    pub fn of(decode_overlap: Option<f64>) -> Self {
        match decode_overlap {
            Some(overlap) if overlap < SERIAL_BELOW => Self::InTurn,
            Some(_) => Self::Overlapping,
            None => Self::Unknown,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub gain: Gain,
    pub decoding: Decoding,
}

impl Verdict {
    pub const UNKNOWN: Self = Self {
        gain: Gain::Unknown,
        decoding: Decoding::Unknown,
    };

    /// From the mean overlap and the measured speedup.
    pub fn of(decode_overlap: Option<f64>, speedup: Option<Estimate>) -> Self {
        Self {
            gain: Gain::of(speedup),
            decoding: Decoding::of(decode_overlap),
        }
    }

    /// The pair in a word, as in `report.json`.
    pub const fn word(self) -> &'static str {
        match (self.gain, self.decoding) {
            (Gain::Pays, _) => "parallel",
            (Gain::Costs, _) => "degraded",
            (Gain::None, Decoding::InTurn) => "serial",
            (Gain::None, Decoding::Overlapping) => "shared",
            (Gain::None, Decoding::Unknown) => "no difference",
            (Gain::NoGain, _) => "no gain",
            (Gain::Undecided, _) => "undecided",
            (Gain::Unknown, _) => "unknown",
        }
    }
}

/// The word and both answers, as fields of what has the verdict.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Verdict", 3)?;
        fields.serialize_field("verdict", self.word())?;
        fields.serialize_field("gain", &self.gain)?;
        fields.serialize_field("decoding", &self.decoding)?;
        fields.end()
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdicts(Vec<Verdict>);

impl Verdicts {
    pub fn of<'c>(configs: impl IntoIterator<Item = &'c super::ConfigSummary>) -> Self {
        Self(configs.into_iter().map(|c| c.verdict).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn with(&self, gain: Gain) -> usize {
        self.0.iter().filter(|v| v.gain == gain).count()
    }

    pub fn served(&self, decoding: Decoding) -> usize {
        self.0.iter().filter(|v| v.decoding == decoding).count()
    }

    /// None where they differ.
    pub fn shared_gain(&self) -> Option<Gain> {
        self.0.iter().map(|v| v.gain).all_equal_value().ok()
    }
}

/// How many have which word.
impl Serialize for Verdicts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.0.iter().map(|verdict| verdict.word()).counts();
        serializer.collect_map(counts.into_iter().sorted())
    }
}
