//! One file per command.

pub(crate) mod serve;
pub(crate) mod sweep;
