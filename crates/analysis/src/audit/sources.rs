//! The tables that claims are tested against.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::{Column, DataFrame, IntoLazy as _};

use super::claims::View;
use super::error::{AuditError, line_of};
use crate::load::{Grid, stamp};
use crate::tables::frame;

/// The tables that an audit's queries can name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    pub(super) tables: BTreeMap<String, DataFrame>,
}

/// The scenarios that TR113 and TR110 share.
const SCENARIOS: [&str; 3] = ["baseline_vs_chimera", "chimera_hetero", "chimera_homo"];

/// Columns that a table of runs gains where it has the columns they are computed from and lacks the column
/// itself. Each line is a name and an expression over the columns before it. Agent A is the collector, agent B the insight agent, whose options name a configuration.
const DERIVED: &str = "
num_gpu = b_num_gpu
num_ctx = b_num_ctx
temperature = b_temperature
contention = contention_recorded
efficiency_percent = 50 * speedup
efficiency_percent_sd = 50 * speedup_sd
speedup_from_times = (a_execution_s + b_execution_s) / concurrent_wall_time_s
-- Positive: B's first token came first.
ttft_delta_ms = a_ttft_ms - b_ttft_ms
tokens = a_tokens + b_tokens
-- Rates are in tokens per second.
aggregate_rate = tokens / concurrent_wall_time_s
a_rate = 1000 * a_tokens / NULLIF(a_eval_ms, 0)
b_rate = 1000 * b_tokens / NULLIF(b_eval_ms, 0)
tp_delta = b_rate - a_rate
mean_rate = (a_rate + b_rate) / 2
-- The agent whose first token came first, and the other one.
first = CASE WHEN a_ttft_ms <= b_ttft_ms THEN 'a' ELSE 'b' END
first_execution_ms = 1000 * CASE WHEN first = 'a' THEN a_execution_s ELSE b_execution_s END
second_ttft_ms = GREATEST(a_ttft_ms, b_ttft_ms)
second_load_ms = CASE WHEN first = 'a' THEN b_load_ms ELSE a_load_ms END
-- At least 0: the two never generated at once.
gap_ms = second_ttft_ms - first_execution_ms
overlap_s = GREATEST(LEAST(a_execution_s, b_execution_s) - second_ttft_ms / 1000, 0)
decoding_s = GREATEST(a_execution_s, b_execution_s) - (LEAST(a_ttft_ms, b_ttft_ms) + GREATEST(gap_ms, 0)) / 1000
decode_overlap = overlap_s / decoding_s
-- TR113's speedup of a server that serves strictly in turn.
serial_speedup = 1 + first_execution_ms / 1000 / concurrent_wall_time_s
server_work_ms = a_load_ms + a_prompt_eval_ms + a_eval_ms + b_load_ms + b_prompt_eval_ms + b_eval_ms
server_work_speedup = server_work_ms / 1000 / concurrent_wall_time_s
-- The record is stamped when agent B's result is there.
start_s = recorded_at - b_execution_s
end_s = start_s + concurrent_wall_time_s
";

/// Adds the [`DERIVED`] columns, and the options that a configuration's id spells (`bvc_g60_c512_t0.6`).
fn derive(mut table: DataFrame) -> DataFrame {
    for (name, sql) in DERIVED.lines().filter_map(|line| line.split_once(" = ")) {
        if table.column(name).is_ok() {
            continue;
        }
        let value = polars_sql::sql_expr(sql).expect("a constant expression");
        let wider = table.clone().lazy().with_column(value.alias(name));
        table = wider.collect().unwrap_or(table);
    }
    let Ok(configs) = table.column("config").and_then(Column::str).cloned() else {
        return table;
    };
    for (letter, name) in [('g', "num_gpu"), ('c', "num_ctx"), ('t', "temperature")] {
        let from_id = |config: Option<&str>| {
            let parts = config?.split('_');
            let mut values = parts.filter_map(|part| part.strip_prefix(letter)?.parse().ok());
            values.next_back()
        };
        if table.column(name).is_err() {
            let values: Vec<Option<f64>> = configs.iter().map(from_id).collect();
            _ = table.with_column(Column::new(name.into(), values));
        }
    }
    table
}

impl Sources {
    /// Reads a folder laid out as `fixtures/tr113`: the tables `published`, `recorded`, `one_server`,
    /// `two_servers` and `repeated`; `tr110`, `facts` and `mechanisms`, each one row of figures; and
    /// `tr110_cited` and `tr110_report`, a row of TR110's figures for each scenario. Fails when a file is missing or
    /// cannot be parsed.
    pub fn load(folder: &Path) -> Result<Self, AuditError> {
        let mut sources = Self::default();
        for file in [
            "published",
            "recorded",
            "one-server",
            "two-servers",
            "repeated",
        ] {
            let path = folder.join(format!("{file}.csv"));
            let text = AuditError::read(&path)?;
            sources = sources.with_csv(&file.replace('-', "_"), &path, &text)?;
        }
        for name in ["tr110", "facts", "mechanisms"] {
            let path = folder.join(format!("{name}.toml"));
            let mut figures: toml::Table = AuditError::toml(&path, &AuditError::read(&path)?)?;
            figures.remove("schema");
            for (part, figures) in &figures {
                let row = |scenario| Some(scenario_row(scenario, figures.get(scenario)?));
                let rows: Vec<_> = SCENARIOS.into_iter().filter_map(row).collect();
                if !rows.is_empty() {
                    sources = sources.with_table(&format!("{name}_{part}"), frame(rows));
                }
            }
            let mut row = Vec::new();
            flatten("", &figures.into(), &mut row)
                .map_err(|problem| AuditError::invalid(&path, None, problem))?;
            let table = DataFrame::new(1, row);
            let table =
                table.map_err(|error| AuditError::invalid(&path, None, error.to_string()))?;
            sources = sources.with_table(name, table);
        }
        Ok(sources)
    }

    /// Adds a table of runs and the columns derived from it. `path` is for errors. Fails when the text is
    /// not a table.
    pub fn with_csv(self, name: &str, path: &Path, text: &str) -> Result<Self, AuditError> {
        let table = Grid::parse(path, text.as_bytes())?.frame()?;
        Ok(self.with_table(name, derive(table)))
    }

    pub(super) fn with_table(mut self, name: &str, table: DataFrame) -> Self {
        self.tables.insert(name.to_owned(), table);
        self
    }

    /// Adds the views of a file with this text. Each may use the ones before it. `path` is for errors.
    /// Fails when a name is taken or a query cannot be run.
    pub(super) fn with_views(
        mut self,
        path: &Path,
        text: &str,
        views: &[View],
    ) -> Result<Self, AuditError> {
        for View { name, query } in views {
            let refuse = |problem: &str| {
                let line = line_of(text, name.span().start);
                let problem = format!("view `{}`: {problem}", name.get_ref());
                AuditError::invalid(path, line, problem)
            };
            if self.tables.contains_key(name.get_ref()) {
                return Err(refuse("there is a table of this name; give it another"));
            }
            let table = self.rows(query).map_err(|e| refuse(&e.to_string()))?;
            self.tables.insert(name.get_ref().clone(), table);
        }
        Ok(self)
    }
}

/// The figures of a TOML table as columns of one row, the keys of nested tables joined by `_`.
fn flatten(prefix: &str, value: &toml::Value, row: &mut Vec<Column>) -> Result<(), String> {
    let name = prefix.into();
    row.push(match value {
        toml::Value::Table(table) => {
            return table.iter().try_for_each(|(key, value)| {
                let separator = if prefix.is_empty() { "" } else { "_" };
                flatten(&format!("{prefix}{separator}{key}"), value, row)
            });
        }
        toml::Value::Integer(number) => Column::new(name, [*number as f64]),
        toml::Value::Float(number) if number.is_finite() => Column::new(name, [*number]),
        toml::Value::String(text) => match stamp(text) {
            Some(seconds) => Column::new(name, [seconds]),
            None => Column::new(name, [text.as_str()]),
        },
        other => {
            let kind = other.type_str();
            return Err(format!("`{prefix}` is {kind}; write a number or a text"));
        }
    });
    Ok(())
}

/// The figures of a scenario, with its name.
fn scenario_row(scenario: &str, figures: &toml::Value) -> BTreeMap<String, toml::Value> {
    let figures = figures.as_table().into_iter().flatten();
    let figures = figures.map(|(key, value)| (key.clone(), value.clone()));
    figures
        .chain([("scenario".to_owned(), scenario.into())])
        .collect()
}
