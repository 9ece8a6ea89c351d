//! The audit: each claim of somebody else's report, computed again from its own tables, its text and its
//! recorded runs.
//!
//! A claims file ([`Claims`]) says what is published, where, with which tolerance, and by which
//! [`formula`](Context::evaluate) it is computed again, with other definitions to
//! try. [`Claims::audit`] gives a [`Ledger`]: each claim reproduced, reproduced only under another
//! definition, contradicted, undecided, or not testable. What runs only estimate contradicts a claim
//! no sooner than its whole 95 % interval does. [`PublishedCells`] does the same for the plain cells
//! of the report's tables, against any rows.
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
mod derive;
mod error;
mod estimate;
mod formula;
mod judge;
mod ledger;
mod render;
mod sources;
#[cfg(test)]
mod tests;
mod value;

pub use cells::{CellCheck, PublishedCell, PublishedCells};
pub use claims::{Alternative, Claim, Claims, Document};
pub use error::{AuditError, RecomputeError};
pub use estimate::{Computed, Evidence};
pub use formula::Context;
pub use judge::{Published, Relation};
pub use ledger::{Counts, Finding, Ledger, LedgerEntry, Tried};
pub use sources::{Rows, Sources};
pub use value::{Row, Value};
