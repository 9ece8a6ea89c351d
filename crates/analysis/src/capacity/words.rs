//! The text of a capacity run's report.

use document::capacity::AnswerKind;
use document::number::plain;
use document::words::sentence;
use document::{Cell, Front, safe};
use domain::cache::{CacheCheck, prompts_in_words};
use domain::plan::CachePolicy;
use domain::record::capacity::RunEnd;
use metrics::capacity::{Criterion, LevelFigures, Objective};

use super::Material;
use crate::kind::{self, three_figures};

pub(super) fn front(material: &Material<'_>, front: &mut Front) {
    let run = material.run;
    let answer = &material.answer;
    let limits = &run.objective;
    front.question = format!("How many agents does this server carry within `{limits}`?");
    front.answer.clone_from(&answer.sentence);
    front.is_open = answer.kind == AnswerKind::Unresolved;
    let error = plain(100.0 * run.record.asked.error_probability, 0);
    let decided = format!("Each level is decided with an error of {error} % over all looks at it.");
    front.sure = [vec![decided], answer.notes.clone()].concat().join(" ");
    let warnings = run.warnings.iter().map(|w| sentence(w));
    front.spoilt = cache_warning(material).into_iter().collect();
    front.spoilt.extend(warnings);
    front.why = why(material);
    front.next = vec![next(material)];
    let carried = carried_figures(material);
    let carries = answer.carries.map_or(Cell::Unknown, Cell::count);
    let throughput = Cell::estimate(carried.map(|level| &level.tokens_per_s), 1);
    let requests = Cell::known(carried.map(|level| level.requests_per_s), 2);
    front.figures = three_figures([
        ("carries", carries, "agents"),
        ("throughput there", throughput, "tok/s"),
        ("requests there", requests, "per second"),
    ]);
}

/// The figures of the level that the answer names as carried.
fn carried_figures<'m>(material: &'m Material<'_>) -> Option<&'m LevelFigures> {
    let carries = material.answer.carries?;
    material.levels.iter().find(|level| level.agents == carries)
}

fn why(material: &Material<'_>) -> Vec<String> {
    let mut why = Vec::new();
    let levels = &material.levels;
    let at = carried_figures(material).and_then(|own| levels.iter().position(|level| level == own));
    if let Some([lower, own]) = at.and_then(|at| levels.get(at.checked_sub(1)?..=at)) {
        let [few, many] = [lower, own].map(|level| level.agents);
        let [low, high] = [lower, own].map(|level| plain(level.tokens_per_s.mean, 1));
        let [short, long] = [lower, own].map(|level| plain(level.fairness.longest_wait_s, 3));
        why.push(format!(
            "From {few} to {many} agents throughput goes from {low} to {high} tok/s, and the longest wait for a token \
             from {short} to {long} s."
        ));
    }
    let scaling = material.scaling.as_ref();
    let knee = scaling.and_then(|scaling| scaling.knee.at);
    why.extend(knee.map(|knee| plain(knee, 1)).map(|knee| {
        format!(
            "By the law that fits, throughput over time in the system is highest at {knee} agents: beyond them, more \
             agents mostly wait. That is a fit, not a measurement."
        )
    }));
    why
}

fn next(material: &Material<'_>) -> String {
    match (material.answer.kind, material.answer.carries) {
        (AnswerKind::Bracketed, Some(n)) => format!(
            "Run up to {n} agents against this server, or loosen the limits.{}",
            margin(material, n).unwrap_or_default()
        ),
        (AnswerKind::AtLeast, _) => {
            "Raise `--max-agents`: every level that was tried keeps the limits.".to_owned()
        }
        (AnswerKind::None, _) => {
            "Loosen the limits, or make the server faster: its lowest level breaks them.".to_owned()
        }
        _ => "Give each level more requests (`--requests-per-agent`) until they decide it."
            .to_owned(),
    }
}

/// How far the tightest limit on a latency is at a level; none where no latency is limited or seen.
fn margin(material: &Material<'_>, agents: u32) -> Option<String> {
    let mut levels = material.run.levels.iter();
    let level = levels.find(|level| level.probe.agents == agents)?;
    let limited = level.probe.decision.judged.iter().filter_map(|judged| {
        let objective: Objective = judged.limit.parse().ok()?;
        match objective.criteria().first()? {
            Criterion::Latency { below, .. } => {
                let left = |seen_s: f64| 1.0 - seen_s / below.as_secs_f64();
                Some((left(judged.seen?), judged.seen_hi.map(left), judged))
            }
            _ => None,
        }
    });
    let (left, least, judged) = limited.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let seen = document::capacity::figure_in_words(judged)?;
    let left = plain(100.0 * left, 1);
    let margin = match least {
        Some(least) if least > 0.0 => format!("a margin of {left} %"),
        _ => format!("{left} % below it with an interval that reaches it: no margin"),
    };
    let limit = &judged.limit;
    Some(format!(
        " The tightest limit there is `{limit}`: {seen}, {margin}."
    ))
}

pub(super) fn method(material: &Material<'_>) -> Vec<String> {
    let record = &material.run.record;
    let asked = &record.asked;
    let search = asked.search;
    let requests = asked.budget.requests_per_agent;
    let requests = requests.map(|n| format!("{n} requests of each agent"));
    let seconds = asked.budget.time_per_level_s.map(|s| format!("{s} s"));
    let budget: Vec<String> = requests.into_iter().chain(seconds).collect();
    let budget = match &budget[..] {
        [] => "1,024 requests in all, at least 16 of each agent".to_owned(),
        budget => budget.join(" or "),
    };
    let (think_s, model, tokens) = (asked.think_s, safe::code(&asked.model), asked.num_predict);
    let (seed, warmup, beyond) = (asked.seed, asked.warmup, search.beyond);
    let [precision, error] =
        [search.precision_share, asked.error_probability].map(|share| plain(100.0 * share, 0));
    let (start, most) = (search.start, search.max_agents);
    let mut method = vec![
        format!(
            "Closed loop: each agent sends its next request {think_s} s after its last one has ended; model {model}, up \
             to {tokens} tokens an answer; seed {seed}."
        ),
        prompts_in_words(policy(material), record.header.nonce, &cache(material)),
        format!(
            "Levels: doubling from {start} up to {most} agents, then bisection until the levels that pass and fail are \
             within {precision} % or one agent, then up to {beyond} levels beyond the first that fails."
        ),
        format!(
            "The first {warmup} of each agent's requests warm a level up and do not count; nor do requests that began \
             when the level was over."
        ),
        format!(
            "A level is decided when its data can say so, with an error of {error} % over all looks at it; up to \
             {budget} count, then it is unresolved."
        ),
    ];
    method.extend(kind::statements("capacity:method"));
    method
}

fn policy(material: &Material<'_>) -> CachePolicy {
    if material.run.record.asked.same_prompt {
        CachePolicy::Warm
    } else {
        CachePolicy::Nonce
    }
}

/// The check whether a prompt cache helped, over all levels.
fn cache(material: &Material<'_>) -> CacheCheck {
    let mut all = CacheCheck::default();
    for level in &material.levels {
        all.merge(level.load.cache.unwrap_or_default());
    }
    all
}

/// The warning that a prompt cache helped although the prompts were meant to prevent that.
fn cache_warning(material: &Material<'_>) -> Option<String> {
    let unique = policy(material) == CachePolicy::Nonce;
    let helped = cache(material).warning().filter(|_| unique);
    helped.map(|words| sentence(&words))
}

pub(super) fn limits(material: &Material<'_>) -> Vec<String> {
    let record = &material.run.record;
    let mut limits = Vec::new();
    if record.header.is_simulated() {
        let words = "SIMULATED: the server is a model of one. Its rates are set, not found.";
        limits.push(words.to_owned());
    }
    if record.end.is_none_or(|end| end == RunEnd::Interrupted) {
        limits.push("The run did not come to its end.".to_owned());
    }
    limits.extend(cache_warning(material));
    limits.extend(kind::statements("capacity:limits"));
    limits.push(match &record.header.client_budget {
        None if record.header.is_simulated() => {
            "Virtual time: the client costs no time, so there is no client error to state."
                .to_owned()
        }
        None => "The client's own error was not measured before this run.".to_owned(),
        Some(known) => format!(
            "The client: {}. Levels that received more are named on the front page.",
            document::budget::in_words(known)
        ),
    });
    limits
}
