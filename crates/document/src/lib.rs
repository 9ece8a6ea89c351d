//! Everything a report says, once for every kind of data and every output: the document and its
//! renderers, tables, numbers, plurals, the verdict vocabulary, sentences made from typed findings, the one
//! place that makes foreign strings safe, and the streams that commands print to.
//!
//! What it does not know: files, polars, charts, servers, tokio.

pub mod budget;
pub mod capacity;
pub mod choice;
pub mod conditions;
pub mod document;
pub mod environment;
pub mod findings;
pub mod glossary;
pub mod invocation;
pub mod json;
pub mod notes;
pub mod number;
pub mod output;
pub mod safe;
pub mod table;
pub mod verdict;
pub mod words;

pub use document::{
    Block, Content, Document, Front, MOST_LINES, Picture, REPORT_SCHEMA, Section, provenance_word,
};
pub use invocation::Invocation;
pub use table::{Cell, Column, Field, Kind, Origin, Table};
