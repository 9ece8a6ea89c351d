//! The kinds of results folders, and the files by which they are recognised.

use std::path::Path;

use domain::record::capacity::CAPACITY_FILE;
use domain::record::load::{LOAD_FILE, REQUESTS_FILE};
use domain::record::{CALIBRATION_FILE, JOURNAL_FILE, MANIFEST_FILE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sweep,
    Load,
    Capacity,
    Calibration,
}

impl Kind {
    /// In the order in which a folder is checked for them.
    pub const ALL: [Self; 4] = [Self::Sweep, Self::Load, Self::Capacity, Self::Calibration];

    /// In words, with the article.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sweep => "a sweep",
            Self::Load => "a load",
            Self::Capacity => "a capacity run",
            Self::Calibration => "a calibration",
        }
    }

    /// The file that says what was run.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Sweep => MANIFEST_FILE,
            Self::Load => LOAD_FILE,
            Self::Capacity => CAPACITY_FILE,
            Self::Calibration => CALIBRATION_FILE,
        }
    }

    /// The file with one record a line, if the kind has one besides [`Kind::file`].
    pub const fn lines(self) -> Option<&'static str> {
        match self {
            Self::Sweep => Some(JOURNAL_FILE),
            Self::Load => Some(REQUESTS_FILE),
            Self::Capacity | Self::Calibration => None,
        }
    }

    pub const fn can_resume(self) -> bool {
        matches!(self, Self::Sweep | Self::Capacity)
    }

    /// The kind whose [`Kind::file`] a folder has.
    pub fn of(folder: &Path) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| folder.join(kind.file()).exists())
    }

    /// The kind whose [`Kind::lines`] a folder has, for folders whose other file is lost.
    pub fn of_lines(folder: &Path) -> Option<Self> {
        let has = |lines| folder.join(lines).exists();
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.lines().is_some_and(has))
    }
}
