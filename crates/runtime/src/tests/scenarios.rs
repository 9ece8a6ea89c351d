//! Sweeps whose whole record is pinned: settings in `scenarios.txt`, what was recorded in one snapshot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use domain::event::Event;
use domain::plan::Topology;
use domain::record::{ArmRecord, RequestRecord};
use domain::{Nanos, Stamp};

use super::fake::{Reply, Script, by_context};
use super::{BOTH, Ran, TOGETHER, Trial, ms, plan};

/// Replies by rules `WHO REPLY`, apart by `;`, of which the first that fits holds, or else [`by_context`]. WHO is the
/// number of a request `#0`, a context or `*`; REPLY is `refused`, `stalls`, `breaks N` or a number of tokens.
pub(crate) fn script(rules: &str) -> Script {
    let rule = |rule: &str| {
        let (who, reply) = rule.split_once(' ').unwrap();
        let reply = match reply {
            "refused" => Reply::Refused,
            "stalls" => Reply::Stalls,
            _ => match reply.strip_prefix("breaks ") {
                Some(after) => Reply::Breaks {
                    after: after.parse().unwrap(),
                },
                None => Reply::Text {
                    tokens: reply.parse().unwrap(),
                },
            },
        };
        (who.to_owned(), reply)
    };
    let rules: Vec<_> = rules.split_terminator("; ").map(rule).collect();
    let others = by_context();
    Arc::new(move |call, nth| {
        let context = call.options.num_ctx.map(|n| n.to_string());
        let names = [format!("#{nth}"), context.unwrap_or_default(), "*".into()];
        let mut rules = rules.iter();
        let rule = rules.find(|(who, _)| names.contains(who));
        rule.map_or_else(|| others(call, nth), |(_, reply)| reply.clone())
    })
}

/// Settings, one a line: a name and a value, times in ms. `protocol` is TOML with `;` between lines, or one of the two
/// of the tests; `extra` is added to each agent.
async fn run(settings: &BTreeMap<&str, &str>) -> Ran {
    let text = |name| settings.get(name).copied().unwrap_or_default();
    let number = |name: &str| -> Option<u64> { Some(settings.get(name)?.parse().unwrap()) };
    let time = |name| number(name).map(Nanos::from_millis);
    let protocol = match text("protocol") {
        "together" => TOGETHER.to_owned(),
        "both" => BOTH.to_owned(),
        other => other.replace("; ", "\n"),
    };
    let mut plan = plan(number("agents").unwrap() as usize, &protocol, text("extra"));
    plan.protocol.warm_up = settings.contains_key("warm_up");
    plan.timeouts.total = time("total").unwrap_or(plan.timeouts.total);
    if let Some(servers) = number("servers") {
        plan.topologies = vec![Topology::PerAgent];
        plan.per_agent_servers = NonZeroU32::new(servers as u32);
    }
    let repetitions = number("repetitions").unwrap_or(1) as u32;
    let mut trial = Trial::new(&plan, repetitions, script(text("replies")));
    let server = &mut trial.servers[0];
    server.cached = number("cached");
    server.keeps_model = settings.contains_key("keeps_model");
    server.changes_after = number("changes_after").map_or(usize::MAX, |n| n as usize);
    trial.setup.arm_deadline = time("deadline");
    trial.setup.admission = number("admission").and_then(|n| NonZeroUsize::new(n as usize));
    let stops = text("stops").split_terminator(' ');
    let stops = stops.map(|at| ms(at.parse().unwrap())).collect();
    trial.run_stopped(number("grace").unwrap_or(0), stops).await
}

fn in_ms(ns: u64) -> u64 {
    assert_eq!(ns % 1_000_000, 0, "{ns} ns");
    ns / 1_000_000
}

fn request_line(r: &RequestRecord) -> String {
    let times = &r.times;
    let at = |stamp: Option<Stamp>| stamp.map_or("-".to_owned(), |at| in_ms(at.0).to_string());
    let after = |name, ns: Option<Nanos>| {
        ns.map_or(String::new(), |ns| format!(", {name} {}", in_ms(ns.0)))
    };
    assert_eq!(times.chunks.len() as u64, times.tokens);
    assert_eq!(times.chunks.last(), times.last_token.as_ref());
    format!(
        "  {:?} {} {:?} of {} on {}, {}: scheduled {}, sent {}, tokens {} to {}, done {}, ended {}; {} tokens by {:?}\
         {}{}{}{}; {:?}\n",
        r.role,
        r.run.repetition,
        r.arm,
        r.agent_name,
        r.endpoint,
        r.step,
        in_ms(times.scheduled.0),
        at(times.sent),
        at(times.first_token),
        at(times.last_token),
        at(times.done),
        in_ms(times.ended.0),
        times.tokens,
        times.tokens_from,
        after("load", times.counters.load),
        after("waited for a permit", times.admission_wait),
        r.options
            .num_predict
            .map_or(String::new(), |most| format!(" of at most {most}")),
        if r.options.seed.is_some() {
            ""
        } else {
            ", no seed"
        },
        times.outcome,
    )
}

fn arm_line(arm: &ArmRecord) -> String {
    let contexts = |servers: &[Option<Vec<domain::backend::LoadedModel>>]| {
        let models = |models: &Vec<domain::backend::LoadedModel>| {
            let contexts = models.iter().map(|model| model.context_length);
            contexts.collect::<Vec<_>>()
        };
        let servers = servers.iter().map(|server| server.as_ref().map(models));
        format!("{:?}", servers.collect::<Vec<_>>())
    };
    let agents = arm.agents.iter();
    let agents = agents.map(|span| format!("{}-{}", in_ms(span.started.0), in_ms(span.ended.0)));
    let changed = arm.changed_servers.iter();
    let changed = changed.map(|c| format!("; {} is version {}", c.endpoint, c.server.version));
    let notes = arm.notes.iter().map(|note| format!("; {note}"));
    let notes: Vec<String> = notes.chain(changed).collect();
    format!(
        "  arm {} {:?}: {} to {}, {}, {}, loaded {} and then {}, agents {}{}\n",
        arm.run.repetition,
        arm.arm,
        in_ms(arm.started.0),
        in_ms(arm.ended.0),
        if arm.complete {
            "complete"
        } else {
            "not complete"
        },
        arm.state_rule,
        contexts(&arm.loaded_before),
        contexts(&arm.loaded_after),
        agents.collect::<Vec<_>>().join(" "),
        notes.concat(),
    )
}

/// What a sweep recorded, in the order of the journal's rows.
fn described(ran: &Ran) -> String {
    let mut text = match &ran.result {
        Ok(summary) => {
            let requests = &summary.requests;
            let arms = [summary.completed, summary.not_completed, summary.arms];
            let [done, not, all] = arms;
            let stopped = if summary.interrupted {
                ", interrupted"
            } else {
                ""
            };
            format!("  {done} arms complete and {not} not of {all}{stopped}; {requests:?}\n")
        }
        Err(error) => format!("  error: {error}\n"),
    };
    for server in &ran.servers {
        let _ = writeln!(text, "  {server:?}: {}", server.log().join(", "));
    }
    text.extend(ran.journal.requests_as(request_line));
    for step in &ran.journal.steps {
        if let Some(error) = &step.error {
            let _ = writeln!(
                text,
                "  step {} of agent {}: {error}",
                step.step, step.agent
            );
        }
    }
    text.extend(ran.journal.arms_as(arm_line));
    for event in &ran.events {
        if let Event::Warning(warning) = event {
            let _ = writeln!(text, "  warning: {warning}");
        }
    }
    let _ = writeln!(text, "  {:?}", ran.journal.marks());
    text
}

#[tokio::test(start_paused = true)]
async fn sweeps_record_what_happened() {
    let mut found = String::new();
    for scenario in include_str!("scenarios.txt").split("\n\n").skip(1) {
        let mut lines = scenario.lines();
        let name = lines.next().unwrap();
        let settings = lines.filter(|line| !line.starts_with('#'));
        let settings = settings.map(|line| line.split_once(' ').unwrap()).collect();
        let _ = writeln!(found, "{name}\n{}", described(&run(&settings).await));
    }
    insta::assert_snapshot!(found);
}
