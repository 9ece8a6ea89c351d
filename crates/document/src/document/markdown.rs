//! `report.md` and `appendix.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Block, Document, Picture, Section};
use crate::glossary;
use crate::number::count;
use crate::safe;
use crate::table::Table;

impl Document {
    pub fn to_markdown(&self) -> String {
        let mut page = Page::new(self);
        page.front_matter();
        page.front();
        for section in &self.sections {
            page.section(section);
        }
        page.list_section("Method", &self.method);
        let line = |(name, value): &(String, String)| format!("{}: {value}", safe::markdown(name));
        let environment: Vec<String> = self.environment.iter().map(line).collect();
        page.list_section("Environment", &environment);
        page.list_section("Limits", &self.limits);
        page.files();
        page.with_glossary()
    }

    /// A comment on a pull request: no front matter, no glossary; its tables are inline because it has no files.
    pub fn to_comment(&self) -> String {
        let mut page = Page::new(self);
        let badge = self.badge();
        let front = &self.front;
        let _ = write!(page.text, "### {badge}{}\n\n", front.answer);
        let items = [&*front.spoilt, &front.why, &front.next].concat();
        if !items.is_empty() {
            page.list(&items);
        }
        if !front.figures.rows.is_empty() {
            let _ = writeln!(page.text, "{}", front.figures.to_markdown());
        }
        for Section { title, blocks } in &self.sections {
            let _ = write!(page.text, "<details><summary>{title}</summary>\n\n");
            for block in blocks {
                page.block(block);
            }
            page.text.push_str("</details>\n\n");
        }
        page.text + &self.limits.join(" ") + "\n"
    }

    pub fn appendix_to_markdown(&self) -> Option<String> {
        if self.appendix.is_empty() {
            return None;
        }
        let mut page = Page::new(self);
        let badge = self.badge();
        let _ = write!(
            page.text,
            "# {badge}{}: appendix\n\nThe details behind [the report](report.md). Numbers in brackets are 95 % \
             intervals; `unknown`: the data cannot tell; a dash: does not apply.\n\n",
            safe::markdown(&self.name)
        );
        for section in &self.appendix {
            page.section(section);
        }
        Some(page.with_glossary())
    }
}

struct Page<'d> {
    document: &'d Document,
    text: String,
    shown: BTreeSet<&'d str>,
}

impl<'d> Page<'d> {
    const fn new(document: &'d Document) -> Self {
        Self {
            document,
            text: String::new(),
            shown: BTreeSet::new(),
        }
    }

    fn with_glossary(self) -> String {
        let glossary = glossary::of(&self.text);
        self.text + &glossary
    }

    fn front_matter(&mut self) {
        let document = self.document;
        let quoted = |s: &str| {
            let quoted = serde_json::Value::from(&*safe::terminal(s)).to_string();
            quoted.replace('<', "\\u003c")
        };
        let inputs: Vec<String> = document.inputs.iter().map(|i| quoted(i)).collect();
        let simulated = document.is_simulated();
        let provenance = if simulated {
            "SIMULATED".to_owned()
        } else {
            document.provenance.to_string()
        };
        let _ = write!(
            self.text,
            "---\nname: {}\nkind: {}\nprovenance: {provenance}\nsimulated: {simulated}\nsource: {}\ninputs: [{}]\n---\n\n",
            quoted(&document.name),
            document.kind,
            quoted(&document.source),
            inputs.join(", "),
        );
    }

    fn front(&mut self) {
        let document = self.document;
        let front = &document.front;
        let answer = if front.is_open {
            "No answer yet"
        } else {
            "Answer"
        };
        let paragraphs = front.answer.trim_end().split('\n');
        let paragraphs: Vec<String> = paragraphs.map(safe::sentence).collect();
        let _ = write!(
            self.text,
            "# {}{}\n\n**Question.** {}\n\n**{answer}.** {}\n\n",
            document.badge(),
            safe::markdown(&document.name),
            safe::sentence(&front.question),
            paragraphs.join("\n")
        );
        if !front.sure.is_empty() {
            let _ = write!(self.text, "**How sure.** {}\n\n", front.sure);
        }
        self.labelled("May have spoilt these figures.", &front.spoilt);
        let (first, rest) = front.why.split_at(front.reasons_on_page_one());
        self.labelled("Why.", first);
        self.labelled("Try next.", &front.next);
        if !front.figures.rows.is_empty() {
            let _ = writeln!(self.text, "{}", front.figures.to_markdown());
        }
        let picture = front.picture.as_deref();
        if let Some(picture) = picture.and_then(|name| document.picture(name)) {
            self.picture(picture);
        }
        if !rest.is_empty() {
            self.list_section("Further reasons", rest);
        }
    }

    /// Items under a label; in a line of their own where there is one only.
    fn labelled(&mut self, label: &str, items: &[String]) {
        match items {
            [] => {}
            [one] => {
                let one = safe::sentence(one);
                let _ = write!(self.text, "**{label}** {one}\n\n");
            }
            many => {
                let _ = write!(self.text, "**{label}**\n\n");
                self.list(many);
            }
        }
    }

    fn list(&mut self, items: &[String]) {
        for item in items {
            let _ = writeln!(self.text, "- {}", safe::sentence(item));
        }
        self.text.push('\n');
    }

    fn list_section(&mut self, title: &str, items: &[String]) {
        if !items.is_empty() {
            let _ = write!(self.text, "## {title}\n\n");
            self.list(items);
        }
    }

    fn section(&mut self, section: &'d Section) {
        if section.blocks.is_empty() {
            return;
        }
        let _ = write!(self.text, "## {}\n\n", section.title);
        for block in &section.blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &'d Block) {
        let document = self.document;
        match block {
            Block::Text(text) => {
                let _ = write!(self.text, "{}\n\n", text.trim_end());
            }
            Block::List(items) => self.list(items),
            Block::Table(id) => self.table(id, usize::MAX),
            Block::Rows(id, rows) => self.table(id, *rows),
            Block::Inline(table) => {
                let _ = writeln!(self.text, "{}", table.to_markdown());
            }
            Block::Picture(name) => {
                if let Some(picture) = document.picture(name) {
                    self.picture(picture);
                }
            }
        }
    }

    /// The first rows of a table under its title and note, with a link to the whole of it.
    fn table(&mut self, id: &'d str, most: usize) {
        let Some(table) = self.document.table(id) else {
            return;
        };
        self.shown.insert(id);
        let all = table.rows.len();
        let space = if table.note.is_empty() { "" } else { " " };
        let rows = if most < all {
            format!("the first {most} of {} rows; all: ", count(all as u64))
        } else {
            String::new()
        };
        let _ = write!(
            self.text,
            "**{}.**{space}{} ({rows}[`{id}.csv`](tables/{id}.csv))\n\n{}\n",
            table.title,
            table.note,
            table.first(most).to_markdown()
        );
    }

    fn picture(&mut self, picture: &Picture) {
        let Picture { name, caption, .. } = picture;
        let alt = caption.replace(['[', ']', '`'], "");
        let _ = write!(self.text, "![{alt}](charts/{name}.png)\n\n*{caption}*\n\n");
    }

    /// The other files of the report: the tables that it does not show, and the appendix.
    fn files(&mut self) {
        let document = self.document;
        let appended = document.appendix.iter().flat_map(|s| &s.blocks);
        let appended: Vec<&str> = appended.filter_map(Block::table_id).collect();
        let is_csv_only =
            |table: &&Table| !self.shown.contains(&*table.id) && !appended.contains(&&*table.id);
        let link = |table: &Table| format!("[{}](tables/{}.csv)", table.title, table.id);
        let rest = document.tables.iter().filter(is_csv_only);
        let rest: Vec<String> = rest.map(link).collect();
        let mut items = Vec::new();
        if !document.appendix.is_empty() {
            let titles: Vec<&str> = document.appendix.iter().map(|s| s.title.as_str()).collect();
            items.push(format!(
                "[`appendix.md`](appendix.md): {}.",
                titles.join("; ")
            ));
        }
        if !rest.is_empty() {
            items.push(format!("As CSV only: {}.", rest.join(", ")));
        }
        if !document.tables.is_empty() {
            items.push(
                "[`tables/columns.csv`](tables/columns.csv) says what each column holds and where its numbers \
                 come from; [`report.json`](report.json) holds every figure."
                    .to_owned(),
            );
        }
        if !document.pictures.is_empty() {
            let svg = |p: &Picture| format!("[{name}](charts/{name}.svg)", name = p.name);
            let all: Vec<String> = document.pictures.iter().map(svg).collect();
            items.push(format!("The charts as SVG: {}.", all.join(", ")));
        }
        self.list_section("Files", &items);
    }
}
