//! `manifest.json`, written whole or not at all.

use std::path::Path;

use domain::record::Manifest;

use crate::error::RuntimeError;

/// Writes `manifest.json` into a folder: to a temporary file first, then renamed.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), RuntimeError> {
    let _ = (dir, manifest);
    todo!("in the next commit")
}

/// Reads `manifest.json` of a folder; a newer schema is refused.
pub fn read_manifest(dir: &Path) -> Result<Manifest, RuntimeError> {
    let _ = dir;
    todo!("in the next commit")
}
