//! Misbehaviour on demand: which request is hit, by what, and what a client should make of it.

mod engine;
mod rules;
mod table;

pub(crate) use engine::{Engine, Seen};
pub use rules::{FaultRule, FaultRules, FaultRulesError};
pub use table::{ClientPath, Expected, FAULTS, FaultKind, FaultRow, markdown};
