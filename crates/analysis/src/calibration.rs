//! The report of a calibration: how late the client's own stamps are at rising load, and what the
//! client costs.

mod pictures;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use domain::record::{BudgetStep, CALIBRATION_FILE, CALIBRATION_SCHEMA, Calibration};
use metrics::budget;
use serde_json::json;

use crate::load::{LoadError, LoadErrorKind, read_json, read_schema};
use crate::report::{
    Content, DICTIONARY, REPORT_SCHEMA, Report, ReportError, ReportOptions, column_dictionary,
};
use crate::tables::{Table, plain};
use document::Picture;
use words::Words;

/// What telemetry calls the load average among a machine's facts.
const LOAD_FACT: &str = "load_1m_at_start";

/// Reads the `calibration.json` of a folder. One without any step is an error: it says nothing.
pub fn read(folder: &Path) -> Result<Calibration, LoadError> {
    let path = folder.join(CALIBRATION_FILE);
    read_schema(
        &path,
        "calibration",
        CALIBRATION_SCHEMA..=CALIBRATION_SCHEMA,
    )?;
    let calibration: Calibration = read_json(&path, "calibration")?;
    if calibration.budget.steps.is_empty() {
        return Err(LoadError::new(&path, LoadErrorKind::NothingLoaded));
    }
    Ok(calibration)
}

/// Where the data come from, in words.
pub fn source(calibration: &Calibration) -> String {
    format!(
        "calibration `{}`, written by {} from {}; {} loads",
        calibration.name,
        calibration.tool,
        calibration.started_at,
        calibration.budget.steps.len()
    )
}

/// The steps by the rate at which tokens were received.
fn rising(calibration: &Calibration) -> Vec<&BudgetStep> {
    let mut steps: Vec<&BudgetStep> = calibration.budget.steps.iter().collect();
    steps.sort_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    steps
}

/// Makes the report of a calibration in memory.
pub fn build(calibration: &Calibration, options: &ReportOptions) -> Result<Report, ReportError> {
    let steps = rising(calibration);
    let words = words::write(calibration, &steps);
    let tables = tables::all(&steps);
    let pictures = pictures::draw(calibration, &steps)?;
    let answer = words.answer.replace("**", "");

    let mut files = BTreeMap::new();
    for picture in &pictures {
        let path = format!("charts/{}.png", picture.name);
        files.insert(path, Content::Png(picture.png.clone()));
    }
    for table in &tables {
        let path = format!("tables/{}.csv", table.id);
        files.insert(path, Content::Text(table.to_csv()));
    }
    let all: Vec<&Table> = tables.iter().collect();
    let text = column_dictionary(&all);
    files.insert("tables/columns.csv".to_owned(), Content::Text(text));
    let text = markdown(calibration, options, &words, &tables, &pictures);
    files.insert("report.md".to_owned(), Content::Text(text));
    let names: Vec<&String> = files.keys().collect();
    let calibrated = budget::calibrated_to(&calibration.budget);
    let document = json!({
        "schema": REPORT_SCHEMA,
        "kind": "calibration",
        "name": options.name,
        "provenance": "measured",
        "source": source(calibration),
        "inputs": options.inputs,
        "answer": answer,
        "because": words.because,
        "calibrated_to_tokens_per_s": calibrated.map(|step| step.tokens_per_s),
        "client_budget": calibration.budget,
        "warnings": words.warnings,
        "files": names,
    });
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    files.insert("report.json".to_owned(), Content::Text(text));
    Ok(Report {
        name: options.name.clone(),
        answer,
        files,
    })
}

/// What a reader must know before trusting the figures.
pub fn warnings(calibration: &Calibration) -> Vec<String> {
    words::warnings(calibration)
}

fn markdown(
    calibration: &Calibration,
    options: &ReportOptions,
    words: &Words,
    tables: &[Table],
    pictures: &[Picture],
) -> String {
    let mut text = String::new();
    front(&mut text, calibration, options, words);
    text.push_str("## Evidence\n\n");
    for picture in pictures {
        crate::album::show(picture, &mut text);
    }
    text.push_str("## Tables\n\n");
    for table in tables {
        let _ = write!(
            text,
            "### {}\n\n{}\n\n{}\n[`{id}.csv`](tables/{id}.csv)\n\n",
            table.title,
            table.note,
            table.to_markdown(),
            id = table.id
        );
    }
    text.push_str(
        "`tables/columns.csv` says what each column holds.\n\n\
         ## Method\n\n\
         - The product's own client reads streams from a server in the same process, on a thread of its own, \
         which stamps each token with the client's clock just before it hands it to the socket. What the \
         client reports later than that is its error; the server's own lateness is in none of it.\n\
         - A load counts as calibrated when every stream could be compared and the mean bias of a token's \
         stamp is below 1 ms, and so it was for every lower load.\n\
         - A 99th percentile is given from 662 observations on.\n",
    );
    let _ = write!(
        text,
        "- How it is measured: [docs/calibration.md](../../docs/calibration.md). Definitions: \
         [dictionary]({DICTIONARY}#reports-of-a-calibration).\n\n"
    );
    environment(&mut text, calibration, options);
    text.push_str("## Limits\n\n");
    for warning in &words.warnings {
        let _ = writeln!(text, "- {warning}.");
    }
    text.push_str(
        "- The server is on the same machine: the way through a network card is not in these figures.\n\
         - One calibration is one sample of the machine as it was then. Runs on real servers measure a quick \
         one of their own before they begin.\n",
    );
    text
}

fn front(text: &mut String, calibration: &Calibration, options: &ReportOptions, words: &Words) {
    let quoted = |s: &str| serde_json::Value::from(s).to_string();
    let inputs: Vec<String> = options.inputs.iter().map(|i| quoted(i)).collect();
    let _ = write!(
        text,
        "---\nname: {}\nkind: calibration\nprovenance: measured\nsimulated: false\nsource: {}\ninputs: [{}]\n---\n\n\
         # {}\n\n**Question.** How late are the client's own stamps on this machine, and up to which load?\n\n\
         **Answer.** {}\n\n",
        quoted(&options.name),
        quoted(&source(calibration)),
        inputs.join(", "),
        options.name,
        words.answer,
    );
    for reason in &words.because {
        let _ = writeln!(text, "- {reason}");
    }
    text.push('\n');
}

fn environment(text: &mut String, calibration: &Calibration, options: &ReportOptions) {
    text.push_str("## Environment\n\n");
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "- {what}: {value}");
    };
    let env = &calibration.environment;
    let budget = &calibration.budget;
    line("data", source(calibration));
    line("operating system", env.os.clone());
    line("processor", format!("{}, {} cores", env.cpu, env.cores));
    line(
        "memory",
        format!("{} GB", plain(env.memory_bytes as f64 / 1e9, 1)),
    );
    // The load stands below.
    let facts = env.facts.iter().filter(|(name, _)| *name != LOAD_FACT);
    for (name, value) in facts {
        line(name, value.clone());
    }
    line("client", words::client(budget));
    line("cores", words::cores(budget));
    line(
        "load average before",
        budget
            .load_average
            .map_or_else(|| "unknown".to_owned(), |load| plain(load, 2)),
    );
    line(
        "command of the calibration",
        format!("`{}`", calibration.command),
    );
    line("command of this report", options.command());
    text.push('\n');
}
