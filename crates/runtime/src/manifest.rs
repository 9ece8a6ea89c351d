//! `manifest.json`, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use domain::record::{Manifest, RESULTS_SCHEMA};
use serde::Deserialize;

use crate::error::RuntimeError;

pub(crate) const MANIFEST_FILE: &str = "manifest.json";

/// Writes `manifest.json` into a folder: to a temporary file first, then renamed.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), RuntimeError> {
    let path = dir.join(MANIFEST_FILE);
    let temporary = dir.join("manifest.json.tmp");
    let write = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(manifest)?;
        text.push(b'\n');
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(|source| {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        RuntimeError::Write { path, source }
    })
}

/// Reads `manifest.json` of a folder that a sweep is to go on in; another schema is refused.
pub fn read_manifest(dir: &Path) -> Result<Manifest, RuntimeError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let path = dir.join(MANIFEST_FILE);
    let text = fs::read(&path).map_err(|source| RuntimeError::Read {
        path: path.clone(),
        source,
    })?;
    let bad = |source| RuntimeError::BadManifest {
        path: path.clone(),
        source,
    };
    // A newer manifest may have another shape, so its number is read before anything else.
    let Schema { schema } = serde_json::from_slice(&text).map_err(bad)?;
    if schema > RESULTS_SCHEMA {
        return Err(RuntimeError::NewerSchema {
            path,
            found: schema,
            supported: RESULTS_SCHEMA,
        });
    }
    if schema < RESULTS_SCHEMA {
        return Err(RuntimeError::OlderSchema {
            path,
            found: schema,
            supported: RESULTS_SCHEMA,
        });
    }
    serde_json::from_slice(&text).map_err(bad)
}
