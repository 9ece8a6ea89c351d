//! Data frames of figures: rows from anything that can be serialized, and means with intervals over groups.

use std::collections::BTreeMap;

use metrics::Estimate;
use polars::prelude::{
    Column, DataFrame, DataType, Expr, JoinArgs, JoinType, LazyFrame, Series, SortMultipleOptions,
    all, col,
};
use serde::Serialize;
use serde_json::Value;

/// A frame with a row for each item and a column for each value in it, named by its path: `speedup.mean`. The path
/// leaves out `stats`; lists are left out. All numbers are floats; a column without values is one of floats.
pub(crate) fn frame<T: Serialize>(items: impl IntoIterator<Item = T>) -> DataFrame {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut height = 0;
    for item in items {
        let item = serde_json::to_value(item).expect("figures and names can be JSON");
        flatten("", item, &mut |name, value| {
            let column = all.entry(name).or_default();
            column.resize(height, Value::Null);
            column.push(value);
        });
        height += 1;
    }
    let columns = all.into_iter().map(|(name, mut values)| {
        values.resize(height, Value::Null);
        let name = name.into();
        if values.iter().any(Value::is_string) {
            Column::new(name, values.iter().map(Value::as_str).collect::<Vec<_>>())
        } else if values.iter().any(Value::is_boolean) {
            Column::new(name, values.iter().map(Value::as_bool).collect::<Vec<_>>())
        } else {
            Column::new(name, values.iter().map(Value::as_f64).collect::<Vec<_>>())
        }
    });
    DataFrame::new(height, columns.collect()).expect("names differ and lengths are equal")
}

fn flatten(path: &str, value: Value, add: &mut impl FnMut(String, Value)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match (path, key.as_str()) {
                    (_, "stats") => flatten(path, value, add),
                    ("", _) => flatten(&key, value, add),
                    _ => flatten(&format!("{path}.{key}"), value, add),
                }
            }
        }
        Value::Array(_) => {}
        value => add(path.to_owned(), value),
    }
}

/// An object with the members of another one, too.
pub(super) fn merged(mut object: Value, more: &Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more.clone());
    }
    object
}

/// The frame with these columns of numbers: one that it lacks, because no row has the figure, holds nulls.
pub(super) fn with_columns(mut frame: DataFrame, names: &[&str]) -> DataFrame {
    for name in names.iter().copied() {
        if frame.column(name).is_err() {
            let nulls = Column::full_null(name.into(), frame.height(), &DataType::Float64);
            frame.with_column(nulls).expect("as many rows");
        }
    }
    frame
}

/// The number in a row of a column; none where there is no such column or value.
pub(super) fn number(frame: &DataFrame, name: &str, row: usize) -> Option<f64> {
    frame.column(name).ok()?.f64().ok()?.get(row)
}

pub(super) fn collect(frame: LazyFrame) -> DataFrame {
    frame
        .collect()
        .expect("the frame has these columns, of these types")
}

/// Expressions of columns.
pub(super) fn columns(names: &[&str]) -> Vec<Expr> {
    names.iter().map(|name| col(*name)).collect()
}

/// `left` with the columns of the row of `right` that has the same `keys`; nulls where there is none.
pub(super) fn join(left: LazyFrame, right: LazyFrame, keys: &[&str]) -> LazyFrame {
    let keys = columns(keys);
    let how = JoinArgs {
        nulls_equal: true,
        ..JoinArgs::new(JoinType::Left)
    };
    // A join may change the order of the rows.
    let joined = left
        .with_row_index("place_in_left", None)
        .join(right, &keys, &keys, how);
    let sorted = joined.sort(["place_in_left"], SortMultipleOptions::default());
    sorted.select([all().exclude_cols(["place_in_left"]).as_expr()])
}

/// One row for each group of `keys`, with the mean of each of `figures` and its interval as an estimate's columns.
/// Amounts only: no interval reaches below zero.
pub(super) fn means(rows: LazyFrame, keys: &[&str], figures: &[&str]) -> DataFrame {
    let lists: Vec<Expr> = figures.iter().map(|name| col(*name).drop_nulls()).collect();
    let mut groups = collect(rows.group_by_stable(columns(keys)).agg(lists));
    for name in figures {
        let lists = groups.column(name).and_then(|column| column.list());
        let lists = lists.expect("an aggregated column holds lists");
        let mean = |list: Option<Series>| {
            let values: Vec<f64> = list?.f64().ok()?.iter().flatten().collect();
            Estimate::of_sizes(&values)
        };
        let means: Vec<Option<Estimate>> = (0..groups.height())
            .map(|row| mean(lists.get_as_series(row)))
            .collect();
        let parts = frame(means.iter().map(|mean| BTreeMap::from([(*name, mean)])));
        let parts = parts.columns().iter().filter(|part| part.name() != *name);
        for part in parts.cloned().collect::<Vec<_>>() {
            groups.with_column(part).expect("as many rows as groups");
        }
    }
    groups
}

/// The frame with all of its numbers as floats, such as counts.
pub(super) fn floats(frame: &DataFrame) -> DataFrame {
    let columns = frame.columns().iter().map(|column| {
        let is_number = column.dtype().is_primitive_numeric();
        let float = column.cast(&DataType::Float64).ok();
        float
            .filter(|_| is_number)
            .unwrap_or_else(|| column.clone())
    });
    DataFrame::new(frame.height(), columns.collect()).expect("the same names and lengths")
}
