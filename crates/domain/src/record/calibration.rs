//! The file of a calibration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientBudget, RunHeader};

/// Version of `calibration.json`; raised when a key changes its meaning or goes. Readers refuse a higher one.
pub const CALIBRATION_SCHEMA: u32 = 2;

pub const CALIBRATION_FILE: &str = "calibration.json";

/// `calibration.json`, and what `tandem calibrate --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// [`CALIBRATION_SCHEMA`].
    pub schema: u32,
    /// Machine, versions and start of the calibration.
    pub header: RunHeader,
    pub budget: ClientBudget,
}
