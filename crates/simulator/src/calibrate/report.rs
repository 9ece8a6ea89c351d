//! How well a replay agrees with its recording.

use std::fmt;

use super::figures::RecordedRun;
use super::replay::ReplayedRun;

/// What is compared, its unit, and its figures in one run.
type Quantity = (&'static str, &'static str, fn(&RecordedRun) -> Vec<f64>);

const QUANTITIES: [Quantity; 5] = [
    ("wall", "s", |run| vec![run.wall_s]),
    ("ttft A", "s", |run| vec![run.agents[0].ttft_ms / 1e3]),
    ("ttft B", "s", |run| vec![run.agents[1].ttft_ms / 1e3]),
    ("load", "s", |run| {
        let loads = run.agents.iter().map(|agent| agent.load_ms / 1e3);
        loads.collect()
    }),
    ("speedup_est", "", |run| vec![run.speedup_est]),
];

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
        let replayed = replayed.iter().map(|again| &again.run);
        let pairs: Vec<(&RecordedRun, &RecordedRun)> = recorded.iter().zip(replayed).collect();
        let mut rows: Vec<ErrorRow> = Vec::new();
        for (quantity, unit, figures) in QUANTITIES {
            let mut row = ErrorRow {
                quantity,
                unit,
                ..ErrorRow::default()
            };
            for (run, again) in &pairs {
                for (was, is) in figures(run).into_iter().zip(figures(again)) {
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
            let n = row.n.max(1) as f64;
            row.mean_absolute /= n;
            row.mean_relative_percent /= n;
            rows.push(row);
        }
        let overlap_differs = pairs
            .iter()
            .filter(|(run, again)| run.never_overlapped() != again.never_overlapped())
            .map(|(run, _)| run.config.clone())
            .collect();
        Self {
            rows,
            runs: pairs.len(),
            never_overlapped: recorded.iter().filter(|run| run.never_overlapped()).count(),
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
