//! How well a replay agrees with its recording.

use std::fmt;

use super::figures::RecordedRun;
use super::replay::ReplayedRun;

/// The figures of one quantity in one run: recorded, simulated.
type Pick<'a> = &'a dyn Fn(&RecordedRun, &ReplayedRun) -> Vec<(f64, f64)>;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorRow {
    pub quantity: &'static str,
    pub unit: &'static str,
    /// Figures compared.
    pub n: usize,
    /// Mean absolute error, in the unit.
    pub mean_absolute: f64,
    /// Mean of `|simulated - recorded| / recorded`, percent.
    pub mean_relative_percent: f64,
    /// Largest of them, percent.
    pub worst_percent: f64,
    pub worst_config: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FitReport {
    pub rows: Vec<ErrorRow>,
    pub runs: usize,
    /// Runs that never overlapped in the recording.
    pub never_overlapped: usize,
    /// Configurations that overlapped in one and not in the other.
    pub overlap_differs: Vec<String>,
}

impl FitReport {
    pub fn new(recorded: &[RecordedRun], replayed: &[ReplayedRun]) -> Self {
        let pairs: Vec<(&RecordedRun, &ReplayedRun)> = recorded.iter().zip(replayed).collect();
        let row = |quantity, unit, pick: Pick<'_>| {
            let mut row = ErrorRow {
                quantity,
                unit,
                ..ErrorRow::default()
            };
            for (run, again) in &pairs {
                for (was, is) in pick(run, again) {
                    let error = (is - was).abs();
                    let percent = 100.0 * error / was;
                    row.n += 1;
                    row.mean_absolute += error;
                    row.mean_relative_percent += percent;
                    if percent > row.worst_percent {
                        row.worst_percent = percent;
                        row.worst_config.clone_from(&run.config);
                    }
                }
            }
            if row.n > 0 {
                row.mean_absolute /= row.n as f64;
                row.mean_relative_percent /= row.n as f64;
            }
            row
        };
        let ttft = |agent: usize| {
            move |run: &RecordedRun, again: &ReplayedRun| {
                vec![(
                    run.agents[agent].ttft_ms / 1e3,
                    again.agents[agent].ttft_ms / 1e3,
                )]
            }
        };
        let rows = vec![
            row("wall", "s", &|run, again| vec![(run.wall_s, again.wall_s)]),
            row("ttft A", "s", &ttft(0)),
            row("ttft B", "s", &ttft(1)),
            row("load", "s", &|run, again| {
                run.agents
                    .iter()
                    .zip(&again.agents)
                    .map(|(was, is)| (was.load_ms / 1e3, is.timings.load.as_secs_f64()))
                    .collect()
            }),
            row("speedup_est", "", &|run, again| {
                vec![(run.speedup_est, again.speedup_est)]
            }),
        ];
        let overlap_differs = pairs
            .iter()
            .filter(|(run, again)| run.never_overlapped() != again.never_overlapped())
            .map(|(run, _)| run.config.clone())
            .collect();
        Self {
            rows,
            runs: pairs.len(),
            never_overlapped: pairs
                .iter()
                .filter(|(run, _)| run.never_overlapped())
                .count(),
            overlap_differs,
        }
    }
}

impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>4} {:>12} {:>8} {:>8}  worst in",
            "quantity", "n", "MAE", "mean %", "worst %"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<12} {:>4} {:>12} {:>8.2} {:>8.2}  {}",
                row.quantity,
                row.n,
                format!("{:.4} {}", row.mean_absolute, row.unit),
                row.mean_relative_percent,
                row.worst_percent,
                row.worst_config
            )?;
        }
        let simulated = match self.overlap_differs.join(", ") {
            same if same.is_empty() => "the same ones when simulated".to_owned(),
            differing => format!("the simulation differs in {differing}"),
        };
        write!(
            f,
            "never overlapped: {} of {} recorded runs, {simulated}",
            self.never_overlapped, self.runs
        )
    }
}
