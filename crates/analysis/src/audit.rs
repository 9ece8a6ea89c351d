//! The audit: each claim of somebody else's report, computed again from its own tables, its text and its
//! recorded runs.
//!
//! A claims file ([`Claims`]) says what is published, where, with which tolerance, and by which
//! of a closed set of methods ([`Recompute`]) it is computed again, with other definitions to
//! try. [`Claims::audit`] gives a [`Ledger`]: each claim reproduced, reproduced only under another
//! definition, contradicted, or not testable. [`PublishedCells`] does the same for the plain cells
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
mod condition;
mod derive;
mod entries;
mod error;
mod figures;
mod judge;
mod ledger;
mod method;
mod recompute;
mod render;
mod row;
mod rows;
#[cfg(test)]
mod tests;

pub use cells::{CellCheck, PublishedCells};
pub use claims::{Alternative, Claim, Claims, Document, Test};
pub use condition::{Condition, ConditionError};
pub use error::{AuditError, RecomputeError};
pub use figures::{Sources, Value};
pub use judge::{Published, Relation};
pub use ledger::{Counts, Finding, Ledger, LedgerEntry, Tried};
pub use method::{Operand, Recompute, Stat, Tell};
pub use recompute::Context;
pub use row::{Cell, Row};
pub use rows::Rows;
