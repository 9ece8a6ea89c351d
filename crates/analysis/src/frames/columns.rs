//! The columns of a frame by name, type and value. What they mean is in `docs/export.md`, which a test
//! compares with this description.

use std::borrow::Borrow;

use domain::{Nanos, Stamp};
use polars::prelude::{
    BooleanChunked, Column, DataFrame, Float64Chunked, Int64Chunked, IntoColumn as _,
    NewChunkedArray as _, PlSmallStr, StringChunked, UInt32Chunked,
};

type Get<'f, R, T> = Box<dyn Fn(&R) -> Option<T> + Send + Sync + 'f>;
type GetText<'f, R> = Box<dyn for<'r> Fn(&'r R) -> Option<&'r str> + Send + Sync + 'f>;

/// How a column gets its values; an absent value is a null.
enum Read<'f, R> {
    UInt(Get<'f, R, u32>),
    Int(Get<'f, R, i64>),
    Float(Get<'f, R, f64>),
    Flag(Get<'f, R, bool>),
    Text(GetText<'f, R>),
    Words(Get<'f, R, String>),
}

/// The columns of a frame with rows of `R`: name and value of each.
pub(crate) struct Columns<'f, R>(Vec<(String, Read<'f, R>)>);

impl<'f, R: 'f> Columns<'f, R> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn with(mut self, name: impl Into<String>, read: Read<'f, R>) -> Self {
        self.0.push((name.into(), read));
        self
    }

    pub(crate) fn uint(
        self,
        name: &str,
        get: impl Fn(&R) -> Option<u32> + Send + Sync + 'f,
    ) -> Self {
        self.with(name, Read::UInt(Box::new(get)))
    }

    pub(crate) fn int<T: TryInto<i64>>(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<T> + Send + Sync + 'f,
    ) -> Self {
        let get = move |row: &R| get(row)?.try_into().ok();
        self.with(name, Read::Int(Box::new(get)))
    }

    pub(crate) fn float(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<f64> + Send + Sync + 'f,
    ) -> Self {
        self.with(name, Read::Float(Box::new(get)))
    }

    pub(crate) fn flag(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<bool> + Send + Sync + 'f,
    ) -> Self {
        self.with(name, Read::Flag(Box::new(get)))
    }

    pub(crate) fn text(
        self,
        name: &str,
        get: impl for<'r> Fn(&'r R) -> Option<&'r str> + Send + Sync + 'f,
    ) -> Self {
        self.with(name, Read::Text(Box::new(get)))
    }

    /// A column of values as text.
    pub(crate) fn words<T: ToString>(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<T> + Send + Sync + 'f,
    ) -> Self {
        let get = move |row: &R| get(row).map(|value| value.to_string());
        self.with(name, Read::Words(Box::new(get)))
    }

    /// A moment on the run's clock, in a column of nanoseconds.
    pub(crate) fn stamp(
        self,
        name: &str,
        get: impl Fn(&R) -> Option<Stamp> + Send + Sync + 'f,
    ) -> Self {
        self.int(name, move |row| get(row).map(|at| at.0))
    }

    /// A length of time, in a column of milliseconds.
    pub(crate) fn millis(
        self,
        name: &str,
        get: impl Fn(&R) -> Option<Nanos> + Send + Sync + 'f,
    ) -> Self {
        self.float(name, move |row| get(row).map(Nanos::as_millis_f64))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "an iterator is handed over, though each column reads a clone of it"
    )]
    pub(crate) fn frame<B: Borrow<R>>(&self, rows: impl Iterator<Item = B> + Clone) -> DataFrame {
        let column = |(name, read): &(String, Read<'f, R>)| -> Column {
            let name = PlSmallStr::from(name.as_str());
            let rows = rows.clone();
            match read {
                Read::UInt(get) => {
                    let values = rows.map(|row| get(row.borrow()));
                    UInt32Chunked::from_iter_options(name, values).into_column()
                }
                Read::Int(get) => {
                    let values = rows.map(|row| get(row.borrow()));
                    Int64Chunked::from_iter_options(name, values).into_column()
                }
                Read::Float(get) => {
                    let values = rows.map(|row| get(row.borrow()));
                    Float64Chunked::from_iter_options(name, values).into_column()
                }
                Read::Flag(get) => {
                    let values = rows.map(|row| get(row.borrow()));
                    BooleanChunked::from_iter_options(name, values).into_column()
                }
                Read::Text(get) => {
                    let rows: Vec<B> = rows.collect();
                    let values = rows.iter().map(|row| get(row.borrow()));
                    StringChunked::from_iter_options(name, values).into_column()
                }
                Read::Words(get) => {
                    let values = rows.map(|row| get(row.borrow()));
                    StringChunked::from_iter_options(name, values).into_column()
                }
            }
        };
        let columns: Vec<Column> = self.0.iter().map(column).collect();
        let height = columns.first().map_or(0, Column::len);
        DataFrame::new(height, columns).expect("the names differ and the lengths are equal")
    }

    /// Name, type and unit of each column.
    #[cfg(test)]
    pub(crate) fn described(&self) -> Vec<[&str; 3]> {
        let mut all = Vec::new();
        for (name, read) in &self.0 {
            let kind = match read {
                Read::UInt(_) => "UInt32",
                Read::Int(_) => "Int64",
                Read::Float(_) => "Float64",
                Read::Flag(_) => "Boolean",
                Read::Text(_) | Read::Words(_) => "String",
            };
            all.push([name.as_str(), kind, unit(name)]);
        }
        all
    }
}

/// The unit that a column's name ends with.
#[cfg(test)]
fn unit(name: &str) -> &'static str {
    const ENDINGS: [(&str, &str); 13] = [
        ("tokens_per_s", "tokens/s"),
        ("_per_s", "1/s"),
        ("_ns", "ns"),
        ("_ms", "ms"),
        ("_s", "s"),
        ("_percent", "%"),
        ("_bytes", "bytes"),
        ("_mhz", "MHz"),
        ("_celsius", "°C"),
        ("_w", "W"),
        ("_j", "J"),
        ("tokens", "tokens"),
        ("_chars", "characters"),
    ];
    let known = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    known.map_or("", |(_, unit)| unit)
}
