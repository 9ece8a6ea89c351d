//! Fault injection: which requests are hit, and by which faults.

mod engine;
mod kind;
mod rules;

pub(crate) use engine::{Engine, RequestFacts};
pub use kind::FaultKind;
pub use rules::{FaultRule, FaultRules, FaultRulesError};
