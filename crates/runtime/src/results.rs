//! A results folder: held by one sweep at a time, created once, resumed after an interruption.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain::Nanos;
use domain::plan::Arm;
use domain::record::{Manifest, RunKey};

use crate::error::RuntimeError;

/// A results folder that this process holds until it is dropped.
#[derive(Debug)]
pub struct ResultsDir {
    dir: PathBuf,
    manifest: Manifest,
    resume: Option<ResumePoint>,
}

/// Where a stopped sweep goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// Where the clock goes on: after the last stamp that was recorded.
    pub offset: Nanos,
    /// Arms that need not be run again.
    pub complete: BTreeSet<(RunKey, Arm)>,
    /// The highest attempt at each arm so far.
    pub attempts: BTreeMap<(RunKey, Arm), u32>,
    /// What had to be repaired, in words.
    pub warnings: Vec<String>,
}

impl ResultsDir {
    /// Makes the folder, takes it for this process, and writes the manifest.
    pub fn create(dir: &Path, manifest: Manifest) -> Result<Self, RuntimeError> {
        let _ = (dir, manifest);
        todo!("in the next commit")
    }

    /// Takes a folder that an earlier process left, and repairs what it left half written.
    pub fn resume(dir: &Path) -> Result<Self, RuntimeError> {
        let _ = dir;
        todo!("in the next commit")
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The manifest, as written.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where a resumed sweep goes on; `None` for a new one.
    pub fn resume_point(&self) -> Option<&ResumePoint> {
        self.resume.as_ref()
    }

    /// An error that lists the differences, unless a sweep under `now` would be the same as the
    /// one that is resumed: plan, repetitions, provenance, number and kind of servers, model.
    pub fn check_same(&self, now: &Manifest) -> Result<(), RuntimeError> {
        let _ = now;
        todo!("in the next commit")
    }
}
