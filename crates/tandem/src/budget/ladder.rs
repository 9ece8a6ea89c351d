//! Chooses the loads of a calibration and when it ends.

use domain::Nanos;
use domain::record::{BudgetDepth, BudgetEnd, BudgetStep};
use metrics::budget::is_within;
use metronome::Pace;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) streams: u32,
    pub(super) pace: Pace,
    /// Consecutive streams on each connection.
    pub(super) rounds: u32,
}

const TOKENS: u32 = 50;
const PLAIN: Pace = pace(51, 20, TOKENS);
const FAST: Pace = pace(10, 10, 20);

/// Run first and discarded, so that one-time costs of the process are in no figure.
pub(super) const WARM_UP: Load = load(1, pace(1, 1, 2), 2);

const fn pace(ttft_ms: u64, gap_ms: u64, tokens: u32) -> Pace {
    Pace {
        ttft: Nanos::from_millis(ttft_ms),
        gap: Nanos::from_millis(gap_ms),
        tokens,
    }
}

const fn load(streams: u32, pace: Pace, rounds: u32) -> Load {
    Load {
        streams,
        pace,
        rounds,
    }
}

/// The shortest gap between tokens that a server with a timer of 1 ms resolution keeps.
const LEAST_GAP: Nanos = Nanos(1_250_000);

/// Share of CPU time in use above which a higher load measures the machine instead of the client.
const CPU_FULL: f64 = 0.97;

/// Loads between the highest good one and the lowest late one.
const REFINEMENTS: u32 = 2;

#[derive(Debug)]
pub(crate) struct Ladder {
    pub(super) depth: BudgetDepth,
    /// Given loads still to run, the next one last.
    given: Vec<Load>,
    /// No load starts later than this after the start.
    time: Nanos,
    /// Streams for which the process has file descriptors.
    most_streams: u32,
    /// The fewest streams of a load that is skipped for lack of file descriptors.
    pub(super) left_out: Option<u32>,
    /// The highest load with a bias within the limit, and the lowest with a bias above it.
    held: Option<Load>,
    late: Option<Load>,
    refined: u32,
    end: BudgetEnd,
    given_over: bool,
}

impl Ladder {
    /// A few loads in about a second.
    pub(crate) fn quick(most_streams: u32) -> Self {
        let loads = [1, 16, 64, 256].map(|streams| load(streams, FAST, 1));
        let time = Nanos::from_secs(2);
        Self::new(BudgetDepth::Quick, loads.to_vec(), time, most_streams)
    }

    /// The given numbers of streams, then the rate of the last load doubled repeatedly.
    pub(crate) fn full(streams: &[u32], most_streams: u32) -> Self {
        let loads = streams.iter().map(|streams| load(*streams, PLAIN, 2));
        let time = Nanos::from_secs(27);
        Self::new(BudgetDepth::Full, loads.collect(), time, most_streams)
    }

    fn new(depth: BudgetDepth, mut given: Vec<Load>, time: Nanos, most_streams: u32) -> Self {
        let streams = given.iter().map(|load| load.streams);
        let left_out = streams.filter(|streams| *streams > most_streams).min();
        given.retain(|load| load.streams <= most_streams);
        given.reverse();
        Self {
            depth,
            given,
            time,
            most_streams,
            left_out,
            held: None,
            late: None,
            refined: 0,
            end: BudgetEnd::Done,
            given_over: false,
        }
    }

    /// The next load; none at the end. `past` is the time since the start.
    pub(super) fn next(&mut self, past: Nanos) -> Option<Load> {
        let load = self.choose()?;
        if past >= self.time {
            self.end = BudgetEnd::Time;
            return None;
        }
        Some(load)
    }

    fn choose(&mut self) -> Option<Load> {
        if self.end != BudgetEnd::Done {
            return self.refinement();
        }
        if let Some(load) = self.given.pop() {
            return Some(load);
        }
        self.given_over = true;
        if self.depth == BudgetDepth::Quick || self.late.is_some() {
            return self.refinement();
        }
        doubled(self.held?)
    }

    /// The geometric mean of the highest good load and the lowest late one.
    fn refinement(&mut self) -> Option<Load> {
        let both = self.held.zip(self.late);
        let (held, late) = both.filter(|_| self.depth == BudgetDepth::Full)?;
        if self.refined == REFINEMENTS {
            return None;
        }
        self.refined += 1;
        let between = |a: f64, b: f64| (a * b).sqrt().round();
        let streams = between(f64::from(held.streams), f64::from(late.streams));
        let gap = between(held.pace.gap.0 as f64, late.pace.gap.0 as f64);
        let load = at_gap(streams as u32, Nanos(gap as u64));
        (load != held && load != late && load.streams <= self.most_streams).then_some(load)
    }

    pub(super) fn learn(&mut self, load: Load, step: &BudgetStep) {
        let is_below = |late: Option<Load>| late.is_none_or(|late| rate(load) < rate(late));
        let good = is_within(step);
        if good {
            let more = self.held.is_none_or(|held| rate(held) < rate(load));
            if more && is_below(self.late) {
                self.held = Some(load);
            }
        } else if is_below(self.late) {
            self.late = Some(load);
            self.held = self.held.filter(|held| rate(*held) < rate(load));
        }
        let over = self.given_over || self.depth == BudgetDepth::Quick;
        if self.end == BudgetEnd::Done && over {
            if !good {
                self.end = BudgetEnd::Bias;
            } else if step.cpu_used_share.is_some_and(|used| used >= CPU_FULL) {
                self.end = BudgetEnd::Cpu;
            }
        }
    }

    pub(super) fn end(&self) -> BudgetEnd {
        match self.end {
            BudgetEnd::Done if self.late.is_some() => BudgetEnd::Bias,
            end => end,
        }
    }
}

/// Tokens per second of a load.
fn rate(load: Load) -> f64 {
    f64::from(load.streams) / load.pace.gap.as_secs_f64()
}

/// The same number of streams at twice the rate, for about as long.
fn doubled(load: Load) -> Option<Load> {
    let gap = Nanos(load.pace.gap.0 / 2);
    (gap >= LEAST_GAP).then(|| at_gap(load.streams, gap))
}

fn at_gap(streams: u32, gap: Nanos) -> Load {
    let tokens = u64::from(TOKENS) * PLAIN.gap.0 / gap.0.max(1);
    let tokens = u32::try_from(tokens).unwrap_or(u32::MAX).max(2);
    let pace = Pace {
        gap,
        tokens,
        ..PLAIN
    };
    load(streams, pace, 2)
}

#[cfg(test)]
mod tests {
    use domain::record::Bias;

    use super::*;

    /// Runs a ladder on a client that is late above `limit` tok/s, and lists its loads as STREAMS@RATE.
    fn climb(mut ladder: Ladder, limit: f64, cpu_full_at: f64) -> (String, BudgetEnd) {
        let mut tried = Vec::new();
        while let Some(load) = ladder.next(Nanos::ZERO) {
            tried.push(format!("{}@{:.0}", load.streams, rate(load)));
            let is_late = rate(load) > limit;
            let mean_ns = if is_late { 1_500_000 } else { 90_000 };
            let step = BudgetStep {
                token_bias: Some(Bias {
                    n: 100,
                    mean_ns,
                    p50_ns: mean_ns,
                    p99_ns: None,
                    max_ns: mean_ns,
                }),
                cpu_used_share: Some(rate(load) / cpu_full_at),
                ..metrics::budget::Compared::default().step(load.streams, load.pace.gap)
            };
            ladder.learn(load, &step);
            assert!(tried.len() < 20, "it never ends: {tried:?}");
        }
        (tried.join(" "), ladder.end())
    }

    #[test]
    fn the_rate_doubles_until_the_client_is_late_and_is_then_refined() {
        use BudgetEnd::{Bias, Cpu, Done, Time};
        let doubled = "500@25000 500@50000";
        // 70,711 and 59,460 are geometric means of the rates around them.
        let refined = format!("1@50 32@1600 128@6400 {doubled} 500@100000 500@70711 500@59460");
        let endless = format!("1@50 {doubled} 500@100000 500@200000 500@400000");
        let after_late = "32@1600 128@6400 500@25000 64@3200 45@2250";
        let few_files = "32@1600 32@3200 32@6400 32@12800 32@25600";
        let all_quick = "1@100 16@1600 64@6400 256@25600";
        let full = |streams: &[u32]| Ladder::full(streams, 5000);
        let quick = || Ladder::quick(5000);
        let never = f64::INFINITY;
        for (ladder, limit, cpu_full_at, tried, end) in [
            (full(&[1, 32, 128, 500]), 60e3, never, &*refined, Bias),
            // Given loads are tried even after a late one.
            (full(&[32, 128, 500]), 2e3, never, after_late, Bias),
            (full(&[500]), never, 50e3, doubled, Cpu),
            (full(&[1, 500]), never, never, &endless, Done),
            (Ladder::full(&[32, 500], 99), never, never, few_files, Done),
            // A quick calibration stops at the first late load.
            (quick(), 2e3, never, "1@100 16@1600 64@6400", Bias),
            (quick(), never, never, all_quick, Done),
        ] {
            assert_eq!(climb(ladder, limit, cpu_full_at), (tried.to_owned(), end));
        }
        let mut ladder = full(&[1]);
        assert_eq!(ladder.next(Nanos::from_secs(60)), None);
        assert_eq!(ladder.end(), Time);
    }
}
