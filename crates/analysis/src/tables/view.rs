//! The data as tables need them: one row per source and configuration, and a polars frame of them
//! for the aggregates.

use domain::plan::{ConfigId, ReportStyle, Topology};
use domain::record::Provenance;
use domain::{ModelOptions, Nanos};
use metrics::{ConfigSummary, Dataset, Summary};
use polars::prelude::{DataFrame, Expr, IntoLazy as _, NamedFrom as _, Series, col, lit};

use super::{Origin, topology_word};

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

/// One configuration as one source tells it.
#[derive(Debug, Clone)]
pub(crate) struct RowData<'a> {
    /// Index into [`View::sources`].
    pub(crate) source: usize,
    pub(crate) config: ConfigId,
    pub(crate) scenario: String,
    /// Options of the first two agents, where known.
    pub(crate) options: [Setting; 2],
    pub(crate) speedup_est: Option<f64>,
    pub(crate) efficiency_est: Option<f64>,
    pub(crate) ttft_delta_ms: Option<f64>,
    pub(crate) tp_delta: Option<f64>,
    /// Contention by the published or recorded flag, as a share of runs.
    pub(crate) contended: Option<f64>,
    /// What was computed from runs; none for a published row.
    pub(crate) summary: Option<&'a ConfigSummary>,
}

/// The options that TR113 varies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Setting {
    pub(crate) num_gpu: Option<f64>,
    pub(crate) num_ctx: Option<f64>,
    pub(crate) temperature: Option<f64>,
}

impl Setting {
    fn of(options: &ModelOptions) -> Self {
        Self {
            num_gpu: options.num_gpu.map(|v| v as f64),
            num_ctx: options.num_ctx.map(|v| v as f64),
            temperature: options.temperature,
        }
    }

    fn is_unset(&self) -> bool {
        *self == Self::default()
    }

    /// What an id tells: `bvc_g60_c512_t0.6`.
    fn from_id(id: &str) -> Self {
        let mut setting = Self::default();
        for part in id.split('_') {
            let Some((name, value)) = part.split_at_checked(1) else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            match name {
                "g" => setting.num_gpu = Some(value),
                "c" => setting.num_ctx = Some(value),
                "t" => setting.temperature = Some(value),
                _ => {}
            }
        }
        setting
    }

    /// `GPU=80, CTX=512, TEMP=0.8`; `defaults` when nothing is set.
    pub(crate) fn words(&self) -> String {
        let parts: Vec<String> = [
            self.num_gpu.map(|v| format!("GPU={v}")),
            self.num_ctx.map(|v| format!("CTX={v}")),
            self.temperature.map(|v| format!("TEMP={v}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() {
            "defaults".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// The data as tables need them.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) summary: &'a Summary,
    /// The data are TR113's or TR110's, or a plan says that they fill its tables.
    pub(crate) tr113: bool,
    pub(crate) sources: Vec<Source>,
    pub(crate) rows: Vec<RowData<'a>>,
    frame: DataFrame,
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

/// One group of an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) source: usize,
    /// The values of the keys after `source`, as text.
    pub(crate) keys: Vec<String>,
    pub(crate) configs: u32,
    pub(crate) speedup: Spread,
    pub(crate) efficiency: Spread,
    /// Configurations with contention by the published or recorded flag, and how many have one.
    pub(crate) contended: (u32, u32),
    /// Configurations above 95 % efficiency.
    pub(crate) above_95: u32,
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
            rows.extend(published_rows(dataset));
        }
        let (word, origin) = match dataset.provenance {
            Provenance::Measured => ("measured", Origin::Measured),
            Provenance::Simulated => ("simulated", Origin::Simulated),
            Provenance::Imported => ("recorded", Origin::Imported),
        };
        let mut topologies: Vec<Option<Topology>> = Vec::new();
        for config in &summary.configs {
            if !topologies.contains(&config.topology) {
                topologies.push(config.topology);
            }
        }
        for topology in &topologies {
            let (label, key) = match topology {
                Some(t) if topologies.len() > 1 => (
                    format!("{word}, {}", topology_word(*t)),
                    format!("{word}_{t}"),
                ),
                _ => (word.to_owned(), word.to_owned()),
            };
            let source = sources.len();
            sources.push(Source {
                label,
                key,
                origin,
                topology: *topology,
            });
            rows.extend(
                summary
                    .configs
                    .iter()
                    .filter(|c| c.topology == *topology)
                    .map(|c| data_row(dataset, c, source)),
            );
        }
        let frame = frame(&rows);
        Self {
            dataset,
            summary,
            tr113: is_tr113(dataset),
            sources,
            rows,
            frame,
        }
    }

    /// True when the data have both one server and one per agent.
    pub(crate) fn several_topologies(&self) -> bool {
        self.sources.iter().filter(|s| !s.is_published()).count() > 1
    }

    /// The scenarios, in order of appearance.
    pub(crate) fn scenarios(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !names.contains(&row.scenario.as_str()) {
                names.push(&row.scenario);
            }
        }
        names
    }

    /// The configurations of a scenario, in order of appearance.
    pub(crate) fn configs(&self, scenario: &str) -> Vec<&ConfigId> {
        let mut ids: Vec<&ConfigId> = Vec::new();
        for row in self.rows.iter().filter(|r| r.scenario == scenario) {
            if !ids.contains(&&row.config) {
                ids.push(&row.config);
            }
        }
        ids
    }

    /// A configuration as one source tells it.
    pub(crate) fn row(&self, source: usize, config: &ConfigId) -> Option<&RowData<'a>> {
        self.rows
            .iter()
            .find(|r| r.source == source && r.config == *config)
    }

    /// A configuration's options as any source tells them.
    pub(crate) fn options(&self, config: &ConfigId) -> [Setting; 2] {
        let known = self.rows.iter().filter(|r| r.config == *config);
        let best = known.max_by_key(|r| r.options.iter().filter(|o| !o.is_unset()).count());
        best.map(|r| r.options).unwrap_or_default()
    }

    /// Aggregates over configurations, by source and then by `keys`, in order of appearance.
    pub(crate) fn group(&self, scenario: Option<&str>, keys: &[&str]) -> Vec<Group> {
        let mut by: Vec<Expr> = vec![col("source")];
        by.extend(keys.iter().map(|k| col(*k)));
        let mut lazy = self.frame.clone().lazy();
        if let Some(scenario) = scenario {
            lazy = lazy.filter(col("scenario").eq(lit(scenario)));
        }
        let spread = |name: &str| {
            [
                col(name).count().alias(format!("{name}_n")),
                col(name).mean().alias(format!("{name}_mean")),
                col(name).std(1).alias(format!("{name}_sd")),
                col(name).min().alias(format!("{name}_min")),
                col(name).max().alias(format!("{name}_max")),
            ]
        };
        let mut aggregates = vec![
            col("config").count().alias("configs"),
            col("contended").gt(lit(0.0)).sum().alias("contended"),
            col("contended").count().alias("contended_known"),
            col("efficiency").gt(lit(95.0)).sum().alias("above_95"),
        ];
        aggregates.extend(spread("speedup"));
        aggregates.extend(spread("efficiency"));
        let result = lazy
            .group_by_stable(by)
            .agg(aggregates)
            .collect()
            .expect("the frame has these columns, of these types");
        groups(&result, keys)
    }

    /// A number as the frame's keys write it.
    fn key(value: Option<f64>) -> String {
        value.map_or_else(String::new, |v| v.to_string())
    }
}

/// Somebody else's records are TR113's: there is no other kind of table or record to import.
fn is_tr113(dataset: &Dataset) -> bool {
    dataset
        .manifest
        .as_ref()
        .map_or(dataset.provenance == Provenance::Imported, |manifest| {
            manifest.plan.report == Some(ReportStyle::Tr113)
        })
        || !dataset.published.is_empty()
}

fn groups(frame: &DataFrame, keys: &[&str]) -> Vec<Group> {
    let number = |column: &str, row: usize| -> Option<f64> {
        frame
            .column(column)
            .ok()?
            .get(row)
            .ok()?
            .extract::<f64>()
            .filter(|v| v.is_finite())
    };
    let count = |column: &str, row: usize| number(column, row).map_or(0, |v| v as u32);
    let spread = |name: &str, row: usize| {
        let n = count(&format!("{name}_n"), row);
        Spread {
            n,
            mean: number(&format!("{name}_mean"), row),
            sd: number(&format!("{name}_sd"), row).filter(|_| n >= 3),
            min: number(&format!("{name}_min"), row),
            max: number(&format!("{name}_max"), row),
        }
    };
    (0..frame.height())
        .map(|row| Group {
            source: count("source", row) as usize,
            keys: keys
                .iter()
                .map(|key| {
                    let text = frame.column(key).ok().and_then(|c| c.str().ok());
                    text.and_then(|c| c.get(row)).unwrap_or_default().to_owned()
                })
                .collect(),
            configs: count("configs", row),
            speedup: spread("speedup", row),
            efficiency: spread("efficiency", row),
            contended: (count("contended", row), count("contended_known", row)),
            above_95: count("above_95", row),
        })
        .collect()
}

fn frame(rows: &[RowData<'_>]) -> DataFrame {
    let text = |name: &str, value: &dyn Fn(&RowData<'_>) -> String| {
        Series::new(name.into(), rows.iter().map(value).collect::<Vec<_>>()).into()
    };
    let number = |name: &str, value: &dyn Fn(&RowData<'_>) -> Option<f64>| {
        Series::new(name.into(), rows.iter().map(value).collect::<Vec<_>>()).into()
    };
    // Where two agents differ the key names both, so that only like is grouped with like.
    let key = |row: &RowData<'_>, get: &dyn Fn(&Setting) -> Option<f64>| {
        let [a, b] = row.options.map(|o| View::key(get(&o)));
        if a.is_empty() || a == b {
            b
        } else {
            format!("{a}/{b}")
        }
    };
    let columns = vec![
        Series::new(
            "source".into(),
            rows.iter().map(|r| r.source as u32).collect::<Vec<_>>(),
        )
        .into(),
        text("config", &|r| r.config.to_string()),
        text("scenario", &|r| r.scenario.clone()),
        text("family", &|r| family(&r.config).to_owned()),
        text("num_gpu", &|r| key(r, &|o| o.num_gpu)),
        text("num_ctx", &|r| key(r, &|o| o.num_ctx)),
        text("temperature", &|r| key(r, &|o| o.temperature)),
        number("speedup", &|r| r.speedup_est),
        number("efficiency", &|r| r.efficiency_est),
        number("contended", &|r| r.contended),
    ];
    DataFrame::new(rows.len(), columns).expect("columns of one length with different names")
}

/// The part of an id before its first underscore. TR113 leaves its repeated `baseline_…` run out
/// of the tables by option; the family keeps it apart.
pub(crate) fn family(config: &ConfigId) -> &str {
    config.as_str().split('_').next().unwrap_or_default()
}

fn published_rows(dataset: &Dataset) -> impl Iterator<Item = RowData<'_>> {
    dataset.published.iter().map(|row| RowData {
        source: 0,
        config: row.config.clone(),
        scenario: row.scenario.clone(),
        options: [
            Setting::default(),
            if family(&row.config) == "het" {
                Setting::default()
            } else {
                Setting::from_id(row.config.as_str())
            },
        ],
        speedup_est: Some(row.speedup),
        efficiency_est: Some(row.efficiency_percent),
        ttft_delta_ms: row.ttft_delta_ms,
        tp_delta: row.tp_delta,
        contended: Some(f64::from(u8::from(row.contention))),
        summary: None,
    })
}

fn data_row<'a>(dataset: &Dataset, config: &'a ConfigSummary, source: usize) -> RowData<'a> {
    let stats = &config.stats;
    let mean = |e: &Option<metrics::Estimate>| e.map(|e| e.mean);
    let mut options = [Setting::default(); 2];
    let run = dataset
        .runs
        .iter()
        .find(|r| r.config == config.id && r.topology == config.topology);
    let arm = run.and_then(|r| r.together.as_ref().or(r.sequential.as_ref()));
    for (slot, agent) in options
        .iter_mut()
        .zip(arm.map_or(&[][..], |a| a.agents.as_slice()))
    {
        *slot = Setting::of(&agent.options);
    }
    if options.iter().all(Setting::is_unset) {
        options[1] = Setting::from_id(config.id.as_str());
    }
    let runs = config.runs - config.runs_excluded.min(config.runs);
    let contended = stats
        .contention_runs
        .published
        .filter(|_| runs > 0)
        .map(|k| f64::from(k) / f64::from(runs));
    RowData {
        source,
        config: config.id.clone(),
        scenario: config.scenario.clone(),
        options,
        speedup_est: mean(&stats.speedup_est),
        efficiency_est: mean(&stats.efficiency_est),
        ttft_delta_ms: mean(&stats.ttft_delta_ms),
        tp_delta: mean(&stats.tp_delta),
        contended,
        summary: Some(config),
    }
}

/// Seconds of a nanosecond count, for cells.
pub(crate) fn seconds(span: Nanos) -> f64 {
    span.as_secs_f64()
}
