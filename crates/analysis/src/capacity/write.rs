//! `report.md` of a capacity run.

use std::fmt::Write as _;

use document::capacity::AnswerKind;
use metrics::capacity::RunEnd;

use super::Material;
use crate::load::provenance_word;
use crate::report::machine;
use crate::tables::{Table, plain};
use document::Picture;

/// Where the definitions lie, seen from a report's folder.
const DICTIONARY: &str = "../README.md#capacity-reports";
const METHOD: &str = "../../docs/capacity.md";

pub(super) fn markdown(material: &Material<'_>, tables: &[Table], pictures: &[Picture]) -> String {
    let mut text = String::new();
    front(&mut text, material, tables, pictures);
    text.push_str("## Evidence\n\n");
    for picture in pictures.iter().skip(1) {
        show(&mut text, picture);
    }
    text.push_str(
        "## Tables\n\nNumbers in brackets are 95 % intervals. `unknown`: the data cannot tell. A dash: does \
         not apply. Each table is also in `tables/` as CSV; `tables/columns.csv` says where each column's \
         numbers come from.\n\n",
    );
    for table in tables {
        let _ = write!(text, "### {}\n\n", table.title);
        if !table.note.is_empty() {
            let _ = write!(text, "{}\n\n", table.note);
        }
        let _ = write!(
            text,
            "{}\n[`{id}.csv`](tables/{id}.csv)\n\n",
            table.to_markdown(),
            id = table.id
        );
    }
    method(&mut text, material);
    environment(&mut text, material);
    limits(&mut text, material);
    text
}

fn front(text: &mut String, material: &Material<'_>, tables: &[Table], pictures: &[Picture]) {
    let quoted = |s: &str| serde_json::Value::from(s).to_string();
    let simulated = material.simulated();
    let run = material.run;
    let inputs: Vec<String> = material.options.inputs.iter().map(|i| quoted(i)).collect();
    let _ = write!(
        text,
        "---\nname: {}\nprovenance: {}\nsimulated: {simulated}\nsource: {}\ninputs: [{}]\n---\n\n",
        quoted(&material.options.name),
        if simulated {
            "SIMULATED"
        } else {
            provenance_word(run.record.provenance)
        },
        quoted(&run.source),
        inputs.join(", "),
    );
    let badge = if simulated { "SIMULATED: " } else { "" };
    let kind = match material.answer.kind {
        AnswerKind::Bracketed | AnswerKind::AtLeast | AnswerKind::None => "Answer",
        AnswerKind::Unresolved => "No answer yet",
    };
    let _ = write!(
        text,
        "# {badge}{}\n\n**Question.** How many agents does this server carry within `{}`?\n\n**{kind}.** \
         {}\n\n",
        material.options.name, material.objective, material.answer.sentence
    );
    for note in material.answer.notes.iter().chain(&run.warnings) {
        let _ = writeln!(text, "- {note}");
    }
    if !material.answer.notes.is_empty() || !run.warnings.is_empty() {
        text.push('\n');
    }
    if let Some(picture) = pictures.first() {
        show(text, picture);
    }
    if let Some(table) = tables.first() {
        let _ = writeln!(text, "{}", table.to_markdown());
    }
}

fn show(text: &mut String, picture: &Picture) {
    let alt = picture.caption.replace(['[', ']', '`'], "");
    let _ = write!(
        text,
        "![{alt}](charts/{}.png)\n\n*{}*\n\n",
        picture.name, picture.caption
    );
}

fn method(text: &mut String, material: &Material<'_>) {
    let asked = &material.run.record.asked;
    let search = asked.search;
    let cache = if asked.same_prompt {
        "equal, so that a prompt cache may help"
    } else {
        "each with a nonce of its own in front, so that a prompt cache helps none"
    };
    let budget = match (
        asked.budget.requests_per_agent,
        asked.budget.time_per_level_s,
    ) {
        (Some(n), Some(s)) => format!("{n} requests of each agent or {s} s"),
        (Some(n), None) => format!("{n} requests of each agent"),
        (None, Some(s)) => format!("{s} s"),
        (None, None) => "1,024 requests in all, at least 16 of each agent".to_owned(),
    };
    let _ = write!(
        text,
        "## Method\n\n\
         - Closed loop: each agent sends its next request {} s after its last one has ended; model `{}`, at \
         most {} tokens an answer, prompts {cache}; seed {}.\n\
         - Levels: doubling from {} to at most {} agents, then bisection until the levels that pass and fail \
         are within {} % or one agent, then up to {} levels beyond the first that fails.\n\
         - The first {} of each agent's requests warm a level up and do not count; nor do requests that began \
         when the level was over.\n\
         - A level is decided when its data can say so, with an error of {} % over all looks at it; at most \
         {budget} count, then it is unresolved.\n\
         - Every number of this report is derived again from the `requests.jsonl` of the levels.\n\
         - The rule, what it rests on and how often it errs: [docs/capacity.md]({METHOD}). Definitions: \
         [dictionary]({DICTIONARY}).\n\n",
        asked.think_s,
        asked.model,
        asked.num_predict,
        asked.seed,
        search.start,
        search.max_agents,
        plain(100.0 * search.precision, 0),
        search.beyond,
        asked.warmup,
        plain(100.0 * asked.error, 0),
    );
}

fn environment(text: &mut String, material: &Material<'_>) {
    text.push_str("## Environment\n\n");
    let record = &material.run.record;
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "- {what}: {value}");
    };
    line("data", material.run.source.clone());
    machine(&record.environment, &mut line);
    for (endpoint, place) in record.endpoints.iter().zip(1..) {
        let model = endpoint
            .model
            .as_ref()
            .map_or("model unknown".to_owned(), |m| m.name.clone());
        line(
            &format!("server {place}"),
            format!(
                "{} {}, {model}",
                endpoint.server.kind, endpoint.server.version
            ),
        );
    }
    line("command of the run", format!("`{}`", record.command));
    line("command of this report", material.options.command());
    text.push('\n');
}

fn limits(text: &mut String, material: &Material<'_>) {
    let record = &material.run.record;
    let mut limits = Vec::new();
    if material.simulated() {
        limits.push(
            "SIMULATED: the server is a model of one. Its rates are set, not found.".to_owned(),
        );
    }
    if record.end.is_none_or(|end| end == RunEnd::Interrupted) {
        limits.push("The run did not come to its end.".to_owned());
    }
    limits.push(
        "The answer holds for this prompt, these answer lengths and this think time. Longer contexts or \
         answers take more of the server."
            .to_owned(),
    );
    limits.push(
        "Each level is decided with the stated error; the answer rests on several of them."
            .to_owned(),
    );
    limits.push(
        "What lasts longer than a level (heat, another user, a cache that fills) is not seen in it."
            .to_owned(),
    );
    match &record.client_budget {
        None if material.simulated() => limits.push(
            "Virtual time: the client costs no time, so there is no client error to state."
                .to_owned(),
        ),
        None => limits.push("The client's own error was not measured before this run.".to_owned()),
        Some(known) => limits.push(format!(
            "The client: {} ([calibration](../../docs/calibration.md)). Levels that received more are named on the \
             front page.",
            document::budget::in_words(known)
        )),
    }
    text.push_str("## Limits\n\n");
    for limit in limits {
        let _ = writeln!(text, "- {limit}");
    }
}
