//! The data as tables need them: sources, the configurations in each, and a frame of their figures.

use domain::ModelOptions;
use domain::plan::{ConfigId, ReportStyle, Topology};
use domain::record::Provenance;
use itertools::Itertools as _;
use metrics::{AgentObservation, ConfigSummary, Dataset, PublishedRow, Summary};
use polars::prelude::{DataFrame, IntoLazy as _, LazyFrame, col, len, lit};
use serde_json::{Value, json};

use super::column::{self, Condition, Repeated, TableColumn, declared_columns};
use super::facts::{agent_letter, cause_phrase, scenario_title};
use super::frame::{collect, columns, frame, join, merged, number, with_columns};
use super::settings::{Settings, in_words};
use super::{Origin, Table, taking_part, topology_word};

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
            summary: None,
        }
    }

    fn of_runs(dataset: &Dataset, config: &'a ConfigSummary, source: usize) -> Self {
        let mut agents = agents_of(dataset, config).iter();
        let mut options = || agents.next().map(|a| a.options.clone()).unwrap_or_default();
        Self {
            source,
            config: &config.id,
            scenario: &config.scenario,
            options: [options(), options()],
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
    run.and_then(|run| run.arms().next())
        .map_or(&[], |arm| arm.agents.as_slice())
}

#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) summary: &'a Summary,
    /// The data are TR113's or TR110's, or a plan says that they fill its tables.
    pub(crate) tr113: bool,
    pub(crate) sources: Vec<Source>,
    pub(crate) rows: Vec<RowData<'a>>,
    /// A row for each of `rows`, with all that is known of it.
    configs: DataFrame,
}

/// A group of configurations of one source that have all settings in common.
#[derive(Debug, Clone)]
pub(crate) struct Group<'v> {
    /// The first of its rows.
    pub(crate) first: &'v RowData<'v>,
    /// Mean efficiency est.
    pub(crate) efficiency_est_percent: Option<f64>,
}

/// What configurations with the same settings have in common. Words do not tell agents that share a value from one
/// whose partner sets none; the second agent's value does.
pub(super) const SETTINGS: [&str; 5] = ["family", "num_gpu", "num_gpu_b", "num_ctx", "num_ctx_b"];

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
            Provenance::Imported => "recorded".to_owned(),
            provenance => provenance.to_string(),
        };
        let topologies = summary.configs.iter().map(|c| c.topology);
        let topologies = topologies.unique().collect_vec();
        for topology in &topologies {
            let (label, key) = match topology {
                Some(t) if topologies.len() > 1 => (
                    format!("{word}, {}", topology_word(*t)),
                    format!("{word}_{t}"),
                ),
                _ => (word.clone(), word.clone()),
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
        let mut view = Self {
            dataset,
            summary,
            tr113: is_tr113(dataset),
            sources,
            rows,
            configs: DataFrame::empty(),
        };
        let configs = frame((0..view.rows.len()).map(|row| view.figures_of(row)));
        view.configs = with_columns(
            configs,
            &[
                "speedup_est.mean",
                "efficiency_est.mean",
                "contention_runs.cause",
                "contention_runs.speedup_rule",
                "contention_runs.ttft_rule",
            ],
        );
        view
    }

    /// A row of the frame: the figures of its summary or of the published table, and what tables group and name by.
    fn figures_of(&self, place: usize) -> Value {
        let row = &self.rows[place];
        let (own, best) = (row.settings(), self.options(row.config));
        let known = Settings::of(row.config, &best);
        // Figures, and contention by the published or recorded flag, as a share of runs.
        let (all, contended) = if let Some(summary) = row.summary {
            let flagged = summary.stats.contention_runs.published;
            let runs = f64::from(taking_part(summary));
            let share = flagged.filter(|_| runs > 0.0).map(|k| f64::from(k) / runs);
            (json!(summary), share)
        } else {
            // Rows of a published table come before those of summaries.
            let published = &self.dataset.published[place];
            let figures = json!({
                "speedup_est": { "mean": published.speedup },
                "efficiency_est": { "mean": published.efficiency_percent },
                "ttft_delta_ms": { "mean": published.ttft_delta_ms },
                "tp_delta": { "mean": published.tp_delta_tokens_per_s },
            });
            (figures, Some(f64::from(u8::from(published.contention))))
        };
        // `yes` or `no` of a single run, else how many of the runs had contention by the flag.
        let runs = row.summary.map_or(1, |s| s.runs);
        let flag = contended.map(|share| match runs {
            ..=1 => if share > 0.0 { "yes" } else { "no" }.to_owned(),
            _ => format!("{}/{runs}", (share * f64::from(runs)).round()),
        });
        let mut configs = self.summary.configs.iter();
        let more = json!({
            "row": place,
            "place": configs.position(|c| row.summary.is_some_and(|s| std::ptr::eq(s, c))),
            "source": row.source,
            "label": self.sources[row.source].label,
            "is_there": true,
            "is_data": row.summary.is_some(),
            "config": row.config,
            "scenario": row.scenario,
            "scenario_place": self.scenarios().iter().position(|s| *s == row.scenario),
            "title": scenario_title(row.scenario),
            "servers": row.summary.and_then(|s| s.topology).map(topology_word),
            "n": row.summary.map(taking_part),
            "contended": contended,
            "flag": flag,
            "cause": row.summary.and_then(cause_phrase),
            "family": own.family,
            "num_gpu": own.num_gpu.words(),
            "num_gpu_b": own.num_gpu.0[1],
            "num_ctx": own.num_ctx.words(),
            "num_ctx_b": own.num_ctx.0[1],
            "temperature": own.temperature.shared(),
            "temperatures": own.temperature.words(),
            "known_num_gpu": known.num_gpu.words(),
            "known_num_ctx": known.num_ctx.words(),
            "known_temperature": known.temperature.words(),
            "agent_a": in_words(&best[0]),
            "agent_b": in_words(&best[1]),
        });
        merged(all, &more)
    }

    /// A row for each configuration in each source, in order of the sources.
    pub(super) fn configs_frame(&self) -> LazyFrame {
        self.configs.clone().lazy()
    }

    /// The rows of a scenario.
    pub(super) fn scenario_frame(&self, scenario: &str) -> LazyFrame {
        self.configs_frame()
            .filter(col("scenario").eq(lit(scenario.to_owned())))
    }

    /// A row for each value of the keys, with every source's own columns after it: `n@0`, `n@1`, ….
    pub(super) fn by_source(&self, rows: &LazyFrame, keys: &[&str]) -> LazyFrame {
        let columns = columns(keys);
        let groups = rows.clone().group_by_stable(&columns);
        let all = groups.agg([len().alias("rows")]);
        (0..self.sources.len()).fold(all, |wide, place| {
            let own = rows.clone().filter(col("source").eq(lit(place as f64)));
            let others = polars::prelude::all().exclude_cols(keys.to_vec()).as_expr();
            let others = others.name().suffix(&format!("@{place}"));
            join(wide, own.select([&columns[..], &[others]].concat()), keys)
        })
    }

    /// The columns of a declared table, as these data have them.
    pub(super) fn columns(&self, name: &str) -> Vec<TableColumn> {
        let mut columns = Vec::new();
        for column in declared_columns(name) {
            let holds = column.condition.is_none_or(|condition| match condition {
                Condition::Servers => self.several_topologies(),
                Condition::Admission => self.has_admission_limit(),
                Condition::Offload => {
                    let mut runs = self.summary.runs.iter();
                    runs.any(|r| r.cause.offload.is_some())
                }
            });
            match column.each {
                _ if !holds => {}
                None => columns.push(column),
                Some(Repeated::Source) => {
                    let several = self.sources.len() > 1;
                    let sources = 0..self.sources.len();
                    columns.extend(sources.map(|place| self.of_source(&column, place, several)));
                }
                Some(Repeated::Agent) => {
                    let agents = self.summary.configs.iter().map(|c| c.agents).max();
                    columns.extend((0..agents.unwrap_or_default()).map(|agent| {
                        let letter = agent_letter(agent);
                        let column = column.clone().with("number", &agent.to_string());
                        let column = column.with("key", &letter.to_lowercase().replace(' ', "_"));
                        column.with("agent", &letter)
                    }));
                }
            }
        }
        columns
    }

    /// Whether the client limited requests in flight.
    fn has_admission_limit(&self) -> bool {
        let mut waits = self.summary.runs.iter().flat_map(|r| &r.cause.waits);
        waits.any(|w| w.admission.is_some())
    }

    /// The column of one source; where there are `several`, its key and heading name the source.
    pub(super) fn of_source(
        &self,
        column: &TableColumn,
        place: usize,
        several: bool,
    ) -> TableColumn {
        let source = &self.sources[place];
        let name = several.then_some((&*source.key, &*source.label));
        column.of_source(place, source.origin, name)
    }

    /// A declared table.
    pub(super) fn table(&self, id: &str, rows: LazyFrame) -> Table {
        self.table_of(id, &self.columns(id), rows)
    }

    /// A declared table with these columns.
    pub(super) fn table_of(&self, id: &str, columns: &[TableColumn], rows: LazyFrame) -> Table {
        column::table(id, columns, self.origin(), rows)
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
        self.rows.iter().map(|r| r.scenario).unique().collect()
    }

    /// In order of appearance.
    pub(crate) fn configs(&self, scenario: &str) -> Vec<&'a ConfigId> {
        let rows = self.rows.iter().filter(|r| r.scenario == scenario);
        rows.map(|r| r.config).unique().collect()
    }

    /// A number of the frame, in the row of one of [`View::rows`].
    pub(crate) fn number(&self, row: usize, column: &str) -> Option<f64> {
        number(&self.configs, column, row)
    }

    /// The options of a configuration's first two agents, by the source that knows most of them.
    fn options(&self, config: &ConfigId) -> [ModelOptions; 2] {
        let known = self.rows.iter().filter(|r| r.config == config);
        let best = known.max_by_key(|r| r.options.iter().filter(|o| !o.is_empty()).count());
        best.map(|r| r.options.clone()).unwrap_or_default()
    }

    /// The configurations by source and all settings, in order of appearance.
    pub(crate) fn group_by_settings(&'a self) -> Vec<Group<'a>> {
        let keys = ["source", "temperatures", "temperature"];
        let keys = columns(&[&keys[..], &SETTINGS].concat());
        let figures = [col("row").first(), col("efficiency_est.mean").mean()];
        let groups = collect(self.configs_frame().group_by_stable(keys).agg(figures));
        let group = |place| {
            Some(Group {
                first: &self.rows[number(&groups, "row", place)? as usize],
                efficiency_est_percent: number(&groups, "efficiency_est.mean", place),
            })
        };
        (0..groups.height()).filter_map(group).collect()
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
