//! Fault injection: which requests are hit, and by which faults.

mod engine;
mod rules;

pub(crate) use engine::{Engine, RequestFacts};
pub use rules::{FaultKind, FaultRule, FaultRules, FaultRulesError};
