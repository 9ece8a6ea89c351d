//! A calibration's folder: `calibration.json`.

use std::io;
use std::path::Path;

use domain::record::{CALIBRATION_FILE, CALIBRATION_SCHEMA, Calibration, schema1};

use crate::{LoadError, LoadErrorKind, read_versioned, write_json};

/// Reads a calibration; one without steps is an error.
pub fn read(folder: &Path) -> Result<Calibration, LoadError> {
    let path = folder.join(CALIBRATION_FILE);
    let supported = 1..=CALIBRATION_SCHEMA;
    let (_, calibration): (_, Calibration) =
        read_versioned(&path, "calibration", supported, schema1::calibration)?;
    if calibration.budget.steps.is_empty() {
        return Err(LoadError::new(&path, LoadErrorKind::NothingLoaded));
    }
    Ok(calibration)
}

/// Writes `calibration.json`, and creates the folder if needed. Fails when either cannot be written.
pub fn write(folder: &Path, calibration: &Calibration) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    write_json(&folder.join(CALIBRATION_FILE), calibration)
}
