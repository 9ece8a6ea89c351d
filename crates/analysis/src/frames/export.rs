//! Writes the frames of a results folder as Parquet or CSV files.

use std::fs::File;
use std::path::{Path, PathBuf};

use document::safe;
use domain::exit::{Exit, Fails};
use polars::prelude::{
    DataFrame, IntoColumn as _, NewChunkedArray as _, PolarsError, PolarsResult, Schema,
    StringChunked,
};
use polars_io::SerWriter as _;
use polars_io::csv::write::{BatchedWriter as CsvBatches, CsvWriter};
use polars_io::parquet::write::{BatchedWriter as ParquetBatches, ParquetWriter};
use serde_json::{Value, json};

use super::{Frame, Source, read};
use crate::load::{LoadError, SkippedPart};
use crate::replace::{self, ReplaceError};

/// Describes an export, beside its frames.
const EXPORT_FILE: &str = "export.json";

/// Rows that are collected before they are written: one row group of a Parquet file.
const ROW_GROUP: usize = 1 << 18;

/// The file format of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
}

impl Format {
    /// The name of the format, and the extension of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }

    fn file(self, frame: Frame) -> String {
        format!("{}.{}", frame.name(), self.name())
    }
}

/// What was exported, from where.
#[derive(Debug, Clone)]
pub struct Export {
    pub source: Source,
    /// The files of the frames, in the order of [`Frame::ALL`], each with its number of rows.
    pub files: Vec<(PathBuf, usize)>,
}

impl Export {
    /// The export as JSON: where the data come from, and each frame's file and number of rows.
    pub fn json(&self) -> Value {
        let file = |(path, rows): &(PathBuf, usize)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            json!({ "file": name, "rows": rows })
        };
        json!({
            "name": self.source.name,
            "provenance": self.source.provenance,
            "source": self.source.source,
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "warnings": self.source.warnings,
            "skipped": self.source.skipped.iter().map(SkippedPart::line).collect::<Vec<_>>(),
        })
    }
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The results could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{}: is not the folder of a sweep, a load or a capacity run; only these can be exported", .0.display())]
    NotExportable(PathBuf),
    #[error("{}: already holds an export; give another --out, or replace it with --overwrite", .0.display())]
    Exists(PathBuf),
    /// The folder could not be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error("{}: cannot be written; an earlier export, if any, is unchanged", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: PolarsError,
    },
}

impl Fails for ExportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Load(_) | Self::NotExportable(_) | Self::Exists(_) => Exit::Usage,
            Self::Replace(error) => error.exit(),
            Self::Write { .. } => Exit::Environment,
        }
    }
}

impl ExportError {
    fn write(path: &Path) -> impl FnOnce(PolarsError) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Write { path, source }
    }
}

/// Writes the frames of the results in `folder` to `dir`, one file each, and `export.json`. Either all
/// files are written or `dir` stays as it was. An earlier export there is only replaced with `overwrite`.
/// Fails when the results cannot be read or have no frames, and when `dir` cannot be written.
pub fn export(
    folder: &Path,
    dir: &Path,
    format: Format,
    keep_going: bool,
    overwrite: bool,
) -> Result<Export, ExportError> {
    if !overwrite && dir.join(EXPORT_FILE).exists() {
        return Err(ExportError::Exists(dir.to_owned()));
    }
    let formats = [Format::Parquet, Format::Csv];
    let files = Frame::ALL
        .iter()
        .flat_map(|frame| formats.map(|format| format.file(*frame)));
    let files: Vec<String> = files.collect();
    let entries: Vec<&str> = files.iter().map(String::as_str).collect();
    replace::folder(dir, EXPORT_FILE, &entries, |fresh| {
        let mut writers: Vec<FrameWriter> = Vec::new();
        let source = read(folder, keep_going, &mut |frame, part| match writers
            .iter_mut()
            .find(|writer| writer.frame == frame)
        {
            Some(writer) => writer.add(&part),
            None => FrameWriter::create(frame, fresh, format, part).map(|new| writers.push(new)),
        })?;
        writers.sort_by_key(|writer| writer.frame as u8);
        let files = writers.into_iter().map(FrameWriter::finish);
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let files = files.into_iter().map(|(file, rows)| (dir.join(file), rows));
        let exported = Export {
            source,
            files: files.collect(),
        };
        let path = fresh.join(EXPORT_FILE);
        let text = format!("{:#}\n", exported.json());
        std::fs::write(&path, text).map_err(|error| ReplaceError::write(&path, error))?;
        Ok(exported)
    })
}

/// An open file that takes rows in batches.
enum Sink {
    Parquet(Box<ParquetBatches<File>>),
    Csv(CsvBatches<File>),
}

impl Sink {
    fn create(file: File, format: Format, schema: &Schema) -> PolarsResult<Self> {
        Ok(match format {
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::new(file).batched(schema)?)),
            Format::Csv => Self::Csv(CsvWriter::new(file).batched(schema)?),
        })
    }

    fn write(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        match self {
            Self::Parquet(sink) => sink.write_batch(rows),
            // A spreadsheet must not take a server's text for a formula.
            Self::Csv(sink) => sink.write_batch(&safe_for_csv(rows)?),
        }
    }

    fn finish(self) -> PolarsResult<()> {
        match self {
            Self::Parquet(sink) => sink.finish().map(|_| ()),
            Self::Csv(mut sink) => sink.finish(),
        }
    }
}

/// The rows with every string made safe for a spreadsheet.
fn safe_for_csv(rows: &DataFrame) -> PolarsResult<DataFrame> {
    let columns = rows.apply_columns(|column| match column.str() {
        Ok(texts) => {
            let safe = texts.iter().map(|text| text.map(safe::csv_cell));
            StringChunked::from_iter_options(column.name().clone(), safe).into_column()
        }
        Err(_) => column.clone(),
    });
    DataFrame::new(rows.height(), columns)
}

/// A frame's file while it is written, part by part.
struct FrameWriter {
    frame: Frame,
    path: PathBuf,
    sink: Sink,
    /// Rows that are not written yet.
    pending: DataFrame,
    /// Number of rows, written or pending.
    rows: usize,
}

impl FrameWriter {
    fn create(
        frame: Frame,
        dir: &Path,
        format: Format,
        first: DataFrame,
    ) -> Result<Self, ExportError> {
        let path = dir.join(format.file(frame));
        let file = File::create_new(&path).map_err(|error| ReplaceError::write(&path, error))?;
        let sink = Sink::create(file, format, first.schema()).map_err(ExportError::write(&path))?;
        Ok(Self {
            frame,
            path,
            sink,
            rows: first.height(),
            pending: first,
        })
    }

    fn add(&mut self, part: &DataFrame) -> Result<(), ExportError> {
        self.rows += part.height();
        let mut append = || {
            self.pending.vstack_mut(part)?;
            if self.pending.height() < ROW_GROUP {
                return Ok(());
            }
            self.pending.rechunk_mut();
            self.sink.write(&self.pending)?;
            self.pending = self.pending.clear();
            Ok(())
        };
        append().map_err(ExportError::write(&self.path))
    }

    /// Writes the pending rows and returns the file's name and number of rows.
    fn finish(mut self) -> Result<(PathBuf, usize), ExportError> {
        self.pending.rechunk_mut();
        let written = self.sink.write(&self.pending);
        let finished = written.and_then(|()| self.sink.finish());
        finished.map_err(ExportError::write(&self.path))?;
        Ok((self.path.file_name().unwrap_or_default().into(), self.rows))
    }
}
