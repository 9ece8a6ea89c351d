//! Everything a report says, for every kind of data and every output: the document, its tables, numbers and words.
//! It knows no files, polars, charts, servers or tokio.

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

pub use document::{Block, Content, Document, Front, MOST_LINES, Picture, REPORT_SCHEMA, Section};
pub use invocation::Invocation;
pub use table::{Cell, Column, Kind, Origin, Table};
