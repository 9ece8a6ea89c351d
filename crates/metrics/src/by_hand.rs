//! Timelines as text, and checks of figures against values worked out by hand, for tests.

use domain::Nanos;
use itertools::Itertools as _;
use serde::Serialize;
use serde_json::Value;

use crate::cause::LossNs;
use crate::timeline::{Calls, RequestBuilder, request};

/// The agents of a run of two arms, one a line: `B server 1 context 1024 cpu 0.5/0: together | alone`. An agent has
/// calls, apart by `;`, and without `|` the same alone. A call is when it is sent and its phases, in ms:
/// `1200 permit 30 load 100 slot 50 prefill 100 decode 10x100 slow 5x200`; a wait for a permit ends with the send.
pub(crate) fn agents_of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Calls> {
    let agent = |line: &str| {
        let (agent, calls) = line.split_once(':').unwrap();
        let (together, alone) = calls.split_once('|').unwrap_or((calls, calls));
        let [together, alone] =
            [together, alone].map(|calls| calls.split(';').map(call).collect_vec());
        let calls = Calls::new(&together, &alone);
        let pairs = agent.split_whitespace().skip(1).tuples();
        pairs.fold(calls, |calls, (name, value)| match name {
            "server" => calls.on(value.parse().unwrap()),
            "context" => calls.context(value.parse().unwrap()),
            "cpu" => {
                let (beside, in_turn) = value.split_once('/').unwrap();
                calls.on_cpu(beside.parse().unwrap(), in_turn.parse().unwrap())
            }
            _ => panic!("{line}: {name}"),
        })
    };
    lines.into_iter().map(agent).collect()
}

/// A timeline and what follows from it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) agents: Vec<Calls>,
    pub(crate) expected: String,
}

/// The cases of a text, apart by empty lines: a name, the lines of its agents, and the indented lines of what is
/// expected. `#` begins a comment, and the text begins with one.
pub(crate) fn cases(text: &'static str) -> Vec<Case> {
    let case = |case: &'static str| {
        let mut lines = case.lines();
        let name = lines.next().unwrap();
        let (expected, agents): (Vec<_>, Vec<_>) = lines
            .filter(|line| !line.starts_with('#'))
            .partition(|line| line.starts_with(' '));
        Case {
            name,
            agents: agents_of(agents),
            expected: expected
                .into_iter()
                .map(|line| format!("{line}\n"))
                .collect(),
        }
    };
    text.split("\n\n").skip(1).map(case).collect()
}

fn call(text: &str) -> RequestBuilder {
    let mut words = text.split_whitespace();
    let sent = request(words.next().unwrap().parse().unwrap());
    words.tuples().fold(sent, |call, (phase, value)| {
        let (count, ms) = value.split_once('x').unwrap_or(("1", value));
        let [count, ms] = [count, ms].map(|number| number.parse().unwrap());
        match phase {
            "permit" => RequestBuilder {
                permit: Some(Nanos::from_millis(ms)),
                ..call
            },
            "load" => call.load(ms),
            "slot" => call.slot(ms),
            "prefill" => call.prefill(ms),
            "decode" => call.decode(count, ms),
            "slow" => call.slow(count, ms),
            _ => panic!("{text}: {phase}"),
        }
    })
}

/// The parts of a loss that are not zero, in whole milliseconds: `slot_queue 1100`.
pub(crate) fn lost_ms(lost: &LossNs) -> String {
    let parts = lost.named().into_iter().filter(|(_, ns)| *ns != 0);
    let mut words = parts.map(|(name, ns)| {
        assert_eq!(ns % 1_000_000, 0, "{name}");
        format!("{name} {}", ns / 1_000_000)
    });
    words.join(", ")
}

/// Asserts that figures have the expected values. Each line is `group: name value, name value`, with names and
/// groups as paths into what is serialised, and no group for the figures themselves; a value is a number, a quotient
/// `4.5/3.3`, `null`, or any other JSON. `#` begins a comment.
#[track_caller]
pub(crate) fn assert_figures(of: &impl Serialize, expected: &str) {
    let of = serde_json::to_value(of).unwrap();
    for line in expected.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let (group, figures) = line.split_once(':').unwrap_or(("", line));
        for figure in figures.split(',').map(str::trim).filter(|f| !f.is_empty()) {
            let (name, expected) = figure.split_once(' ').unwrap();
            let path = group.trim().split('.').chain(name.split('.'));
            let keys = path.filter(|key| !key.is_empty());
            let found = keys.fold(&of, |at, key| {
                let item = key
                    .parse()
                    .map_or(at.get(key), |place: usize| at.get(place));
                item.unwrap_or_else(|| panic!("{line}: no {key} in {at}"))
            });
            assert!(
                is_value(found, expected.trim()),
                "{line}: {name} is {found}"
            );
        }
    }
}

/// Numbers are equal to nine digits.
fn is_value(found: &Value, expected: &str) -> bool {
    let quotient = expected
        .split('/')
        .map(|number| number.trim().parse::<f64>());
    let expected_number = quotient
        .map(Result::ok)
        .reduce(|a, b| Some(a? / b?))
        .flatten();
    match (found.as_f64(), expected_number) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        _ => serde_json::from_str(expected).is_ok_and(|expected: Value| *found == expected),
    }
}
