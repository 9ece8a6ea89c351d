//! The report of a load: the same kinds of file as a sweep's report, in memory.

mod pictures;
mod series;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::record::{Provenance, RuntimeFlavour, TimeScale};
use serde_json::json;

use crate::load::{Load, provenance_word};
use crate::report::{
    Content, DICTIONARY, REPORT_SCHEMA, Report, ReportError, ReportOptions, column_dictionary,
    machine,
};
use crate::tables::{Origin, Table, plain, short_number};
use document::Picture;
use series::Series;
use tables::Shown;
use words::Words;

/// Where the numbers of a load come from.
fn origin(provenance: Provenance) -> Origin {
    match provenance {
        Provenance::Measured => Origin::Measured,
        Provenance::Simulated => Origin::Simulated,
        Provenance::Imported => Origin::Imported,
    }
}

/// True when the server was a model of one.
fn is_simulated(load: &Load) -> bool {
    load.file.provenance == Provenance::Simulated
}

/// Where the data come from, in words.
pub fn source(load: &Load) -> String {
    format!(
        "load `{}`, written by {} from {}; {} requests",
        load.file.name,
        load.file.tool,
        load.file.started_at,
        plain(load.requests.len() as f64, 0)
    )
}

/// A number of at most four digits without the zeros that say nothing.
pub(crate) fn short(value: f64) -> String {
    let text = short_number(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Makes the report of a load in memory.
pub fn build(load: &Load, options: &ReportOptions) -> Result<Report, ReportError> {
    let series = Series::of(load);
    let words = words::write(load, &series);
    let tables = tables::all(load, &series);
    let pictures = pictures::draw(load, &series)?;
    let answer = words.answer.replace("**", "");

    let mut files = BTreeMap::new();
    for picture in &pictures {
        let path = format!("charts/{}.png", picture.name);
        files.insert(path, Content::Png(picture.png.clone()));
    }
    for shown in &tables {
        let path = format!("tables/{}.csv", shown.table.id);
        files.insert(path, Content::Text(shown.table.to_csv()));
    }
    let dictionary: Vec<&Table> = tables.iter().map(|shown| &shown.table).collect();
    let text = column_dictionary(&dictionary);
    files.insert("tables/columns.csv".to_owned(), Content::Text(text));
    let text = markdown(load, options, &words, &tables, &pictures);
    files.insert("report.md".to_owned(), Content::Text(text));
    let names: Vec<&String> = files.keys().collect();
    let document = json!({
        "schema": REPORT_SCHEMA,
        "kind": "load",
        "name": options.name,
        "provenance": provenance_word(load.file.provenance),
        "source": source(load),
        "inputs": options.inputs,
        "answer": answer,
        "because": words.because,
        "asked": load.file.asked,
        "figures": load.figures,
        "fairness": load.fairness,
        "busiest_second_chunks": series.busiest_second,
        "probes": load.probes,
        "client": load.file.result.as_ref().map(|result| &result.client),
        "client_budget": load.file.client_budget,
        "warnings": load.warnings,
        "skipped": load.skipped.len(),
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

fn markdown(
    load: &Load,
    options: &ReportOptions,
    words: &Words,
    tables: &[Shown],
    pictures: &[Picture],
) -> String {
    let mut text = String::new();
    front(&mut text, load, options, words);
    for shown in tables.iter().take(1) {
        section(&mut text, "##", shown);
    }
    text.push_str("## Evidence\n\n");
    for picture in pictures {
        crate::album::show(picture, &mut text);
    }
    text.push_str("## Tables\n\n");
    for shown in tables.iter().skip(1).filter(|shown| shown.rows > 0) {
        section(&mut text, "###", shown);
    }
    let rest: Vec<String> = tables
        .iter()
        .filter(|shown| shown.rows == 0)
        .map(|shown| {
            let id = &shown.table.id;
            format!(
                "{} ([`{id}.csv`](tables/{id}.csv))",
                shown.table.title.to_lowercase()
            )
        })
        .collect();
    if !rest.is_empty() {
        let _ = write!(
            text,
            "As CSV only: {}. `tables/columns.csv` says what each column holds.\n\n",
            rest.join(", ")
        );
    }
    method(&mut text, load);
    environment(&mut text, load, options);
    limits(&mut text, load);
    text
}

fn front(text: &mut String, load: &Load, options: &ReportOptions, words: &Words) {
    let quoted = |s: &str| serde_json::Value::from(s).to_string();
    let simulated = is_simulated(load);
    let inputs: Vec<String> = options.inputs.iter().map(|i| quoted(i)).collect();
    let _ = write!(
        text,
        "---\nname: {}\nkind: load\nprovenance: {}\nsimulated: {simulated}\nsource: {}\ninputs: [{}]\n---\n\n\
         # {}{}\n\n**Question.** {}\n\n**Answer.** {}\n\n",
        quoted(&options.name),
        if simulated {
            "SIMULATED"
        } else {
            provenance_word(load.file.provenance)
        },
        quoted(&source(load)),
        inputs.join(", "),
        if simulated { "SIMULATED: " } else { "" },
        options.name,
        words.question,
        words.answer.trim_end(),
    );
    for reason in &words.because {
        let _ = writeln!(text, "- {reason}");
    }
    text.push('\n');
}

fn section(text: &mut String, level: &str, shown: &Shown) {
    let table = &shown.table;
    let _ = write!(text, "{level} {}\n\n", table.title);
    if !table.note.is_empty() {
        let _ = write!(text, "{}\n\n", table.note);
    }
    let first = Table {
        rows: table.rows.iter().take(shown.rows).cloned().collect(),
        ..table.clone()
    };
    text.push_str(&first.to_markdown());
    if table.rows.len() > shown.rows {
        let _ = write!(
            text,
            "\nThe first {} of {} rows.\n",
            shown.rows,
            plain(table.rows.len() as f64, 0)
        );
    }
    let _ = write!(text, "\n[`{id}.csv`](tables/{id}.csv)\n\n", id = table.id);
}

fn method(text: &mut String, load: &Load) {
    let asked = &load.file.asked;
    let _ = write!(
        text,
        "## Method\n\n- Asked for: {}; model `{}`, at most {} tokens each, seed {}.\n- Prompts {}.\n",
        words::shape(&asked.shape, asked.requests),
        asked.model,
        asked.num_predict,
        asked.seed,
        if asked.same_prompt {
            "are equal, so that a prompt cache may help"
        } else {
            "start with a unique nonce, so that no prompt cache helps"
        },
    );
    if let Some(turns) = asked.turns {
        let _ = writeln!(
            text,
            "- Sessions of {turns} turns; each turn sends what was said before it."
        );
    }
    if let Some(work) = &asked.work {
        let cpu = work.cpu.clone();
        let file = work
            .file_bytes
            .map(|b| format!("a file of {} bytes", plain(b as f64, 0)));
        let parts: Vec<String> = [cpu, file].into_iter().flatten().collect();
        let _ = writeln!(
            text,
            "- Before each request an agent works: {}, on {} threads that all share.",
            parts.join(" and "),
            work.threads
        );
    }
    let _ = write!(
        text,
        "- Every figure is made again from `requests.jsonl`; those in `load.json` are only compared with them.\n\
         - Latencies are those of completed requests; the others are counted by how they ended.\n\
         - Percentiles interpolate between closest ranks. ITL counts gaps between chunks, many a request, which \
         depend on each other: its tails are less certain than their n says.\n\
         - Definitions: [dictionary]({DICTIONARY}#reports-of-a-load).\n\n"
    );
}

fn environment(text: &mut String, load: &Load, options: &ReportOptions) {
    text.push_str("## Environment\n\n");
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "- {what}: {value}");
    };
    line("data", source(load));
    match &load.file.environment {
        Some(env) => {
            machine(env, &mut line);
        }
        None => line("machine", "not recorded in the data".to_owned()),
    }
    for (endpoint, place) in load.file.endpoints.iter().zip(1..) {
        let model = endpoint
            .model
            .as_ref()
            .map_or("model unknown".to_owned(), |m| {
                let facts = [m.parameter_size.clone(), m.quantization.clone()];
                let facts: Vec<String> = facts.into_iter().flatten().collect();
                if facts.is_empty() {
                    m.name.clone()
                } else {
                    format!("{} ({})", m.name, facts.join(", "))
                }
            });
        let server = &endpoint.server;
        line(
            &format!("server {place}"),
            format!("{} {}, {model}", server.kind, server.version),
        );
    }
    if let Some(runtime) = &load.file.runtime {
        let flavour = match runtime.flavour {
            RuntimeFlavour::Multi => "several threads",
            RuntimeFlavour::Current => "one thread",
        };
        line("client", format!("{flavour}, {} workers", runtime.workers));
    }
    match load.file.time_scale {
        Some(TimeScale::Virtual) => {
            line("time", "simulated; waits were skipped".to_owned());
        }
        Some(TimeScale::Scaled(scale)) => {
            line("time", format!("simulated, {} times as fast", short(scale)));
        }
        None => {}
    }
    line("command of the load", format!("`{}`", load.file.command));
    line("command of this report", options.command());
    text.push('\n');
}

fn limits(text: &mut String, load: &Load) {
    text.push_str("## Limits\n\n");
    for line in load.skipped.iter().map(crate::load::Skipped::line) {
        let _ = writeln!(text, "- {line}.");
    }
    let _ = writeln!(
        text,
        "- One load is one sample of the server: nothing here says how another run would differ."
    );
}
