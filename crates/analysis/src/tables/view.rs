//! The data as tables need them: one row per source and configuration, and the aggregates over them,
//! which polars computes.

use document::provenance_word;
use domain::ModelOptions;
use domain::plan::{ConfigId, ReportStyle, Topology};
use domain::record::Provenance;
use metrics::{
    AgentObservation, ConfigSummary, Dataset, Estimate, PublishedRow, Summary, in_order,
};
use polars::prelude::{DataType, Expr, IntoLazy as _, col, lit};

use super::settings::Settings;
use super::{Origin, taking_part, topology_word};
use crate::frames::Columns;

/// Where a group of rows comes from: the published table, or the data on one topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Word for headings: `published`, `recorded`, `simulated, one server`.
    pub(crate) label: String,
    /// End of column keys: `published`, `recorded`.
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) topology: Option<Topology>,
}

impl Source {
    pub(crate) fn is_published(&self) -> bool {
        self.origin == Origin::Published
    }
}

/// One configuration in one source.
#[derive(Debug, Clone)]
pub(crate) struct RowData<'a> {
    /// Index into [`View::sources`].
    pub(crate) source: usize,
    pub(crate) config: &'a ConfigId,
    pub(crate) scenario: &'a str,
    /// Options of the first two agents, where known.
    pub(crate) options: [ModelOptions; 2],
    pub(crate) speedup_est: Option<f64>,
    pub(crate) efficiency_est: Option<f64>,
    /// Contention by the published or recorded flag, as a share of runs.
    pub(crate) contended: Option<f64>,
    /// The row of the published table, where it comes from there.
    pub(crate) published: Option<&'a PublishedRow>,
    /// What was computed from runs; none for a published row.
    pub(crate) summary: Option<&'a ConfigSummary>,
}

impl<'a> RowData<'a> {
    fn of_published(row: &'a PublishedRow) -> Self {
        Self {
            source: 0,
            config: &row.config,
            scenario: &row.scenario,
            options: [ModelOptions::default(), row.options.clone()],
            speedup_est: Some(row.speedup),
            efficiency_est: Some(row.efficiency_percent),
            contended: Some(f64::from(u8::from(row.contention))),
            published: Some(row),
            summary: None,
        }
    }

    fn of_runs(dataset: &Dataset, config: &'a ConfigSummary, source: usize) -> Self {
        let stats = &config.stats;
        let mut agents = agents_of(dataset, config).iter();
        let mut options = || agents.next().map(|a| a.options.clone()).unwrap_or_default();
        let flagged = stats.contention_runs.published;
        let runs = taking_part(config);
        Self {
            source,
            config: &config.id,
            scenario: &config.scenario,
            options: [options(), options()],
            speedup_est: stats.speedup_est.map(|e| e.mean),
            efficiency_est: stats.efficiency_est.map(|e| e.mean),
            contended: flagged
                .filter(|_| runs > 0)
                .map(|k| f64::from(k) / f64::from(runs)),
            published: None,
            summary: Some(config),
        }
    }

    pub(crate) fn settings(&self) -> Settings<'a> {
        Settings::of(self.config, &self.options)
    }
}

/// The agents of a configuration, as they ran in its first run.
pub(super) fn agents_of<'d>(
    dataset: &'d Dataset,
    config: &ConfigSummary,
) -> &'d [AgentObservation] {
    let mut runs = dataset.runs.iter();
    let run = runs.find(|r| r.config == config.id && r.topology == config.topology);
    let arm = run.and_then(|r| r.together.as_ref().or(r.sequential.as_ref()));
    arm.map_or(&[], |arm| arm.agents.as_slice())
}

#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) summary: &'a Summary,
    /// The data are TR113's or TR110's, or a plan says that they fill its tables.
    pub(crate) tr113: bool,
    pub(crate) sources: Vec<Source>,
    pub(crate) rows: Vec<RowData<'a>>,
}

/// Mean, spread and range of a quantity over configurations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spread {
    pub(crate) n: u32,
    pub(crate) mean: Option<f64>,
    /// Sample standard deviation; none below three.
    pub(crate) sd: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// A group of configurations of one source.
#[derive(Debug, Clone)]
pub(crate) struct Group<'v> {
    /// The first of its rows, which has what all of them are grouped by.
    pub(crate) first: &'v RowData<'v>,
    pub(crate) configs: u32,
    pub(crate) speedup: Spread,
    pub(crate) efficiency: Spread,
    /// Configurations with contention by the published or recorded flag, and how many have one.
    pub(crate) contended: (u32, u32),
    /// Configurations above 95 % efficiency.
    pub(crate) above_95: u32,
}

/// The columns that rows are grouped by and aggregated over.
fn columns<'f>() -> Columns<'f, RowData<'f>> {
    Columns::<RowData<'f>>::new()
        .uint("source", |r| u32::try_from(r.source).ok())
        .text("scenario", |r| Some(r.scenario))
        .text("family", |r| Some(r.settings().family))
        .int("num_gpu_a", |r| r.settings().num_gpu.0[0])
        .int("num_gpu_b", |r| r.settings().num_gpu.0[1])
        .int("num_ctx_a", |r| r.settings().num_ctx.0[0])
        .int("num_ctx_b", |r| r.settings().num_ctx.0[1])
        .float("temperature_a", |r| r.settings().temperature.0[0])
        .float("temperature_b", |r| r.settings().temperature.0[1])
        .float("speedup", |r| r.speedup_est)
        .float("efficiency", |r| r.efficiency_est)
        .float("contended", |r| r.contended)
}

impl<'a> View<'a> {
    pub(crate) fn new(dataset: &'a Dataset, summary: &'a Summary) -> Self {
        let mut sources = Vec::new();
        let mut rows = Vec::new();
        if !dataset.published.is_empty() {
            sources.push(Source {
                label: "published".to_owned(),
                key: "published".to_owned(),
                origin: Origin::Published,
                topology: None,
            });
            rows.extend(dataset.published.iter().map(RowData::of_published));
        }
        let word = match dataset.provenance {
            Provenance::Imported => "recorded",
            provenance => provenance_word(provenance),
        };
        let topologies = in_order(summary.configs.iter().map(|c| c.topology));
        for topology in &topologies {
            let (label, key) = match topology {
                Some(t) if topologies.len() > 1 => (
                    format!("{word}, {}", topology_word(*t)),
                    format!("{word}_{t}"),
                ),
                _ => (word.to_owned(), word.to_owned()),
            };
            let own = summary.configs.iter().filter(|c| c.topology == *topology);
            rows.extend(own.map(|c| RowData::of_runs(dataset, c, sources.len())));
            sources.push(Source {
                label,
                key,
                origin: dataset.provenance.into(),
                topology: *topology,
            });
        }
        Self {
            dataset,
            summary,
            tr113: is_tr113(dataset),
            sources,
            rows,
        }
    }

    /// Where the figures of the data come from, published ones apart.
    pub(crate) fn origin(&self) -> Origin {
        let data = self.sources.iter().find(|s| !s.is_published());
        data.map_or(Origin::Derived, |s| s.origin)
    }

    /// True when the data have both one server and one per agent.
    pub(crate) fn several_topologies(&self) -> bool {
        self.sources.iter().filter(|s| !s.is_published()).count() > 1
    }

    /// The word for the data on a topology; empty where there are none.
    pub(crate) fn label(&self, topology: Option<Topology>) -> &str {
        let mut data = self.sources.iter().filter(|s| !s.is_published());
        let source = data.find(|s| s.topology == topology);
        source.map_or("", |s| &s.label)
    }

    /// In order of appearance.
    pub(crate) fn scenarios(&self) -> Vec<&'a str> {
        in_order(self.rows.iter().map(|r| r.scenario))
    }

    /// In order of appearance.
    pub(crate) fn configs(&self, scenario: &str) -> Vec<&'a ConfigId> {
        let rows = self.rows.iter().filter(|r| r.scenario == scenario);
        in_order(rows.map(|r| r.config))
    }

    pub(crate) fn row(&self, source: usize, config: &ConfigId) -> Option<&RowData<'a>> {
        self.rows
            .iter()
            .find(|r| r.source == source && r.config == config)
    }

    /// The options of a configuration's first two agents, by the source that knows most of them.
    pub(crate) fn options(&self, config: &ConfigId) -> [ModelOptions; 2] {
        let known = self.rows.iter().filter(|r| r.config == config);
        let best = known.max_by_key(|r| r.options.iter().filter(|o| !o.is_empty()).count());
        best.map(|r| r.options.clone()).unwrap_or_default()
    }

    /// The settings by [`Self::options`].
    pub(crate) fn settings<'c>(&self, config: &'c ConfigId) -> Settings<'c> {
        Settings::of(config, &self.options(config))
    }

    /// Aggregates over the configurations of a scenario, or of all, by source and then by columns of
    /// [`columns`], in order of appearance.
    pub(crate) fn group(&'a self, scenario: Option<&str>, by: &[&str]) -> Vec<Group<'a>> {
        let rows = self.rows.iter();
        let rows = rows.filter(|row| scenario.is_none_or(|scenario| row.scenario == scenario));
        let rows: Vec<&RowData<'a>> = rows.collect();
        let spread = |name: &str| {
            [
                col(name).count().alias(format!("{name}_n")),
                col(name).mean().alias(format!("{name}_mean")),
                col(name).std(1).alias(format!("{name}_sd")),
                col(name).min().alias(format!("{name}_min")),
                col(name).max().alias(format!("{name}_max")),
            ]
        };
        let counts = [
            col("row").first().alias("first"),
            col("row").count().alias("configs"),
            col("contended").gt(lit(0.0)).sum().alias("contended"),
            col("contended").count().alias("contended_known"),
            col("efficiency").gt(lit(95.0)).sum().alias("above_95"),
        ];
        let aggregates = [spread("speedup"), spread("efficiency")].concat();
        let aggregates = counts.into_iter().chain(aggregates);
        let keys: Vec<Expr> = ["source"].iter().chain(by).map(|name| col(*name)).collect();
        let frame = columns().frame(rows.iter().copied());
        let frame = frame.lazy().with_row_index("row", None);
        let groups = frame
            .group_by_stable(keys)
            .agg(
                aggregates
                    .map(|e| e.cast(DataType::Float64))
                    .collect::<Vec<_>>(),
            )
            .collect()
            .expect("the frame has these columns, of these types");
        let group = |place: usize| {
            let number = |name: &str| groups.column(name).ok()?.f64().ok()?.get(place);
            let count = |name: &str| number(name).map_or(0, |v| v as u32);
            let spread = |name: &str| {
                let n = count(&format!("{name}_n"));
                Spread {
                    n,
                    mean: number(&format!("{name}_mean")),
                    sd: number(&format!("{name}_sd")).filter(|_| n >= 3),
                    min: number(&format!("{name}_min")),
                    max: number(&format!("{name}_max")),
                }
            };
            Group {
                first: rows[count("first") as usize],
                configs: count("configs"),
                speedup: spread("speedup"),
                efficiency: spread("efficiency"),
                contended: (count("contended"), count("contended_known")),
                above_95: count("above_95"),
            }
        };
        (0..groups.height()).map(group).collect()
    }

    /// [`Self::group`] by all settings.
    pub(crate) fn group_by_settings(&'a self, scenario: Option<&str>) -> Vec<Group<'a>> {
        let settings = ["num_gpu_a", "num_gpu_b", "num_ctx_a", "num_ctx_b"];
        let by = ["family", "temperature_a", "temperature_b"];
        self.group(scenario, &[&by[..], &settings].concat())
    }
}

/// Imported data are TR113's: there is no other kind of table or record to import.
fn is_tr113(dataset: &Dataset) -> bool {
    let manifest = dataset.manifest.as_ref();
    !dataset.published.is_empty()
        || manifest.map_or(dataset.provenance == Provenance::Imported, |manifest| {
            manifest.plan.report == Some(ReportStyle::Tr113)
        })
}

/// The mean of times, rates or counts: its interval is cut at zero, below which none of them can lie.
pub(super) fn mean_of_amounts(values: &[f64]) -> Option<Estimate> {
    Estimate::of(values).map(|e| e.within((0.0, f64::INFINITY)))
}
