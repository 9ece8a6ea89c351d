//! A report of any kind of data. A kind of report fills it; this module decides how it looks in each output.

mod markdown;

use std::collections::BTreeMap;

use domain::record::Provenance;
use serde_json::{Map, Value, json};

use crate::table::{Table, dictionary};

pub const REPORT_SCHEMA: u32 = 2;

/// Lines that the answer, its certainty, its reasons and what to try next take at most on page one.
pub const MOST_LINES: usize = 12;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// What kind of data it is about: `sweep`, `load`, `capacity`, `calibration`, `compare`.
    pub kind: &'static str,
    /// Its folder and its title.
    pub name: String,
    pub provenance: Provenance,
    /// Where the data come from, in words.
    pub source: String,
    pub inputs: Vec<String>,
    pub front: Front,
    pub sections: Vec<Section>,
    pub appendix: Vec<Section>,
    /// How it was measured and computed, a sentence or two each.
    pub method: Vec<String>,
    /// Names and values of what it was measured on and with.
    pub environment: Vec<(String, String)>,
    pub limits: Vec<String>,
    /// Every table; each is a CSV file, whether a section shows it or not.
    pub tables: Vec<Table>,
    pub pictures: Vec<Picture>,
    /// Members of `report.json` in addition to those of every report.
    pub figures: Map<String, Value>,
    /// Further files that belong to the report, by name.
    pub attachments: BTreeMap<String, String>,
}

/// Page one: the decision first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Front {
    pub question: String,
    /// What to do and by how much; may hold Markdown.
    pub answer: String,
    pub is_open: bool,
    pub sure: String,
    pub spoilt: Vec<String>,
    /// Reasons, the weightiest first; those that do not fit page one open the next section.
    pub why: Vec<String>,
    pub next: Vec<String>,
    /// By its name.
    pub picture: Option<String>,
    pub figures: Table,
}

impl Front {
    fn reasons_on_page_one(&self) -> usize {
        let blocks = self.answer.lines().filter(|l| !l.is_empty()).count();
        let others =
            blocks + usize::from(!self.sure.is_empty()) + self.spoilt.len() + self.next.len();
        self.why.len().min(MOST_LINES.saturating_sub(others))
    }

    pub fn plain_answer(&self) -> String {
        self.answer.replace("**", "")
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
}

impl Section {
    pub fn new(title: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self {
            title: title.into(),
            blocks,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A paragraph of Markdown.
    Text(String),
    /// A list of Markdown items.
    List(Vec<String>),
    /// A table of the document, by its id, whole.
    Table(String),
    /// The first rows of a table of the document, by its id.
    Rows(String, usize),
    /// A table that stands in no file of its own: an excerpt.
    Inline(Table),
    /// By its name.
    Picture(String),
}

impl Block {
    fn table_id(&self) -> Option<&str> {
        match self {
            Self::Table(id) | Self::Rows(id, _) => Some(id),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// File stem under `charts/`.
    pub name: String,
    /// Can be read alone.
    pub caption: String,
    pub svg: String,
    pub png: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Markdown, JSON, CSV or SVG.
    Text(String),
    Png(Vec<u8>),
}

impl Content {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Png(bytes) => bytes,
        }
    }
}

impl Document {
    pub fn is_simulated(&self) -> bool {
        self.provenance == Provenance::Simulated
    }

    /// What every title of a simulated report begins with.
    fn badge(&self) -> &'static str {
        if self.is_simulated() {
            "SIMULATED: "
        } else {
            ""
        }
    }

    fn table(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.id == id)
    }

    fn picture(&self, name: &str) -> Option<&Picture> {
        self.pictures.iter().find(|p| p.name == name)
    }

    /// Every file of the report, by its path with forward slashes. Fails when a figure has no JSON.
    pub fn files(&self) -> Result<BTreeMap<String, Content>, serde_json::Error> {
        let mut files = BTreeMap::new();
        for picture in &self.pictures {
            let path = |ending: &str| format!("charts/{}.{ending}", picture.name);
            files.insert(path("png"), Content::Png(picture.png.clone()));
            files.insert(path("svg"), Content::Text(picture.svg.clone()));
        }
        for table in &self.tables {
            let path = format!("tables/{}.csv", table.id);
            files.insert(path, Content::Text(table.to_csv()));
        }
        if !self.tables.is_empty() {
            let text = dictionary(&self.tables).to_csv();
            files.insert("tables/columns.csv".to_owned(), Content::Text(text));
        }
        let mut texts = self.attachments.clone();
        texts.insert("report.md".to_owned(), self.to_markdown());
        let appendix = self.appendix_to_markdown();
        texts.extend(appendix.map(|text| ("appendix.md".to_owned(), text)));
        let texts = texts.into_iter();
        files.extend(texts.map(|(name, text)| (name, Content::Text(text))));
        let names: Vec<&String> = files.keys().collect();
        let text = self.json_with_files(&names)?;
        files.insert("report.json".to_owned(), Content::Text(text));
        Ok(files)
    }

    /// `report.json` without the names of the other files. Fails when a figure has no JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        self.json_with_files(&[])
    }

    /// `report.json`. Where `figures` has one of these keys, its value stays.
    fn json_with_files(&self, files: &[&String]) -> Result<String, serde_json::Error> {
        let mut all = self.figures.clone();
        for (key, value) in [
            ("schema", json!(REPORT_SCHEMA)),
            ("kind", json!(self.kind)),
            ("name", json!(self.name)),
            ("provenance", json!(self.provenance)),
            ("source", json!(self.source)),
            ("inputs", json!(self.inputs)),
            ("answer", json!(self.front.plain_answer())),
            ("because", json!(self.front.why)),
            ("next", json!(self.front.next)),
            ("files", json!(files)),
        ] {
            all.entry(key).or_insert(value);
        }
        let mut text = serde_json::to_string_pretty(&all)?;
        text.push('\n');
        Ok(text)
    }

    /// The decision for a terminal of `width` characters.
    pub fn to_text(&self, width: usize) -> String {
        let front = &self.front;
        let plain = |words: &str| words.replace("**", "").replace('`', "");
        let mut text = format!("{}{}\n", self.badge(), plain(&front.answer));
        for line in front.spoilt.iter().chain(&front.why).chain(&front.next) {
            text.extend(["- ", &*plain(line), "\n"]);
        }
        if !front.figures.rows.is_empty() {
            text.extend(["\n", &*front.figures.to_text(width)]);
        }
        text
    }
}

#[cfg(test)]
mod tests;
