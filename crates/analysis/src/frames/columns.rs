//! The columns of a frame by name and value. What they mean is in `docs/export.md`, which a test
//! compares with this description.

use std::borrow::Borrow;

use domain::{Nanos, Stamp};
use polars::prelude::{DataFrame, NamedFrom, PlSmallStr, Series};

/// Makes a column from rows; an absent value becomes a null.
type MakeColumn<'f, R> = Box<dyn Fn(&[&R]) -> Series + Send + Sync + 'f>;

/// The columns of a frame with rows of type `R`: the name of each, and the function that makes it.
pub(crate) struct Columns<'f, R>(Vec<(String, MakeColumn<'f, R>)>);

impl<'f, R: 'f> Columns<'f, R> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn with(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&[&R]) -> Series + Send + Sync + 'f,
    ) -> Self {
        self.0.push((name.into(), Box::new(make)));
        self
    }

    /// A column of the type that `get` returns: `u32`, `i64`, `f64`, `bool` or `String`.
    pub(crate) fn column<T>(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<T> + Send + Sync + 'f,
    ) -> Self
    where
        Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
    {
        self.with(name, move |rows| {
            let values: Vec<Option<T>> = rows.iter().map(|row| get(row)).collect();
            Series::new(PlSmallStr::EMPTY, values)
        })
    }

    /// A column of `i64`; a number that does not fit becomes a null.
    pub(crate) fn int<T: TryInto<i64>>(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<T> + Send + Sync + 'f,
    ) -> Self {
        self.column(name, move |row| get(row)?.try_into().ok())
    }

    /// A column of strings that the rows hold.
    pub(crate) fn text(
        self,
        name: &str,
        get: impl for<'r> Fn(&'r R) -> Option<&'r str> + Send + Sync + 'f,
    ) -> Self {
        self.with(name, move |rows| {
            let values: Vec<Option<&str>> = rows.iter().map(|row| get(row)).collect();
            Series::new(PlSmallStr::EMPTY, values)
        })
    }

    /// A column of values written by their `Display`.
    pub(crate) fn words<T: ToString>(
        self,
        name: impl Into<String>,
        get: impl Fn(&R) -> Option<T> + Send + Sync + 'f,
    ) -> Self {
        self.column(name, move |row| get(row).map(|value| value.to_string()))
    }

    /// A column of moments: whole nanoseconds on the run's clock.
    pub(crate) fn stamp(
        self,
        name: &str,
        get: impl Fn(&R) -> Option<Stamp> + Send + Sync + 'f,
    ) -> Self {
        self.int(name, move |row| get(row).map(|at| at.0))
    }

    /// A column of durations in milliseconds.
    pub(crate) fn millis(
        self,
        name: &str,
        get: impl Fn(&R) -> Option<Nanos> + Send + Sync + 'f,
    ) -> Self {
        self.column(name, move |row| get(row).map(Nanos::as_millis_f64))
    }

    /// The frame of `rows`.
    pub(crate) fn frame<B: Borrow<R>>(&self, rows: impl IntoIterator<Item = B>) -> DataFrame {
        let rows: Vec<B> = rows.into_iter().collect();
        let rows: Vec<&R> = rows.iter().map(Borrow::borrow).collect();
        let columns = self.0.iter().map(|(name, make)| {
            let mut column = make(&rows);
            column.rename(name.as_str().into());
            column.into()
        });
        let columns = columns.collect();
        DataFrame::new(rows.len(), columns).expect("the names differ and the lengths are equal")
    }
}
