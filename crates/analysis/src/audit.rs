//! The audit: recomputes each claim of a published report from the report's own tables, its text and its
//! recorded runs.
//!
//! A claims file ([`Claims`]) states what is published, where, with which tolerance, and the SQL query that
//! recomputes it, with other definitions to try. [`Claims::audit`] gives a [`Ledger`]: each claim
//! reproduced, reproduced only under another definition, contradicted, undecided, or not testable. An
//! estimate from repeated runs contradicts a claim only when its whole 95 % interval does.
//! [`check_cells`] does the same for the plain cells of the report's tables.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use analysis::audit::{Claims, Sources};
//!
//! # fn main() -> Result<(), analysis::audit::AuditError> {
//! let folder = Path::new("fixtures/tr113");
//! let ledger = Claims::read(&folder.join("claims.toml"))?.audit(&Sources::load(folder)?)?;
//! print!("{}", ledger.to_text());
//! # Ok(())
//! # }
//! ```

mod cells;
mod claims;
mod error;
mod judge;
mod ledger;
mod query;
mod render;
mod sources;
#[cfg(test)]
mod tests;
mod value;

pub use cells::{CellCheck, PublishedCell, check_cells};
pub use claims::{Alternative, Claim, Claims, Document, Estimate, View};
pub use error::AuditError;
pub use judge::{Published, Relation};
pub use ledger::{Counts, Finding, Ledger, LedgerEntry, OtherDefinition};
pub use sources::Sources;
pub use value::{Computed, Evidence, Value};
