//! Agents and their workflows: ingest, generate, think, write.

mod ingest;

pub use ingest::IngestError;
