//! One server or a server per agent, in words.

use domain::plan::Topology;
use metrics::Estimate;
use metrics::summary::{BothWays, Choice, ChoiceOver, Faster, Kind, TopologyComparison};

use crate::number::plain;
use crate::verdict::topology;
use crate::words::{capital, joined, plural};

/// Configurations named one by one; of more, only their number is given.
const MOST_NAMED: usize = 3;

/// Whether one server or a server per agent is faster, in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceInWords {
    /// The answer with its numbers; where nothing is decided, what would decide.
    pub answer: Vec<String>,
    pub qualifications: Vec<String>,
}

/// The answer itself stands between `strong` marks.
pub fn in_words(choice: &Choice, each: &[TopologyComparison], strong: &str) -> ChoiceInWords {
    let (mut sentences, mut more) = (Vec::new(), Vec::new());
    let overall = &choice.overall;
    if choice.depends_on_group() {
        let answers = choice.groups.iter().map(|group| {
            let configs = plural(group.configs, "configuration");
            format!("{} {} ({configs})", place(group), clause(group.faster))
        });
        let answers = answers.collect::<Vec<_>>().join(", ");
        sentences.push(format!("{strong}It depends: {answers}.{strong}"));
        for group in &choice.groups {
            sentences.push(capital(&format!("{}: {}.", place(group), numbers(group))));
        }
        let p = p_words(choice.p_interaction);
        sentences.push(format!("The groups differ (p {p})."));
        let (configs, faster) = (overall.configs, clause(overall.faster));
        let numbers = numbers(overall);
        more.push(format!(
            "Over all {configs} configurations {faster}: {numbers}."
        ));
    } else {
        let pair = if choice.paired { "paired " } else { "" };
        let repeated = plural(choice.repetitions, &format!("{pair}repetition"));
        let over = match overall.configs {
            1 => repeated,
            configs => format!("{configs} configurations, {repeated} of each"),
        };
        let (answer, numbers) = (answer(overall.faster), numbers(overall));
        sentences.push(format!("{strong}{answer}{strong}: {numbers} ({over})."));
    }
    sentences.extend(would_decide(choice));
    sentences.extend(choice.per_agent_servers.map(|n| {
        format!(
            "\"A server per agent\" means {n} servers here that the agents share (`per_agent_servers`)."
        )
    }));
    more.extend(qualifications(&choice.overall));
    more.extend(by_themselves(each));
    ChoiceInWords {
        answer: sentences,
        qualifications: more,
    }
}

const fn answer(faster: Faster) -> &'static str {
    match faster {
        Faster::Shared => "One server is faster than a server per agent",
        Faster::PerAgent => "A server per agent is faster than one server",
        Faster::Neither => "One server and a server per agent differ by less than 5 %",
        Faster::Undecided => "One server and a server per agent cannot be told apart",
        Faster::NotRanked => "One server and a server per agent are not ranked",
    }
}

fn place(group: &ChoiceOver) -> String {
    match &group.kind {
        None => String::new(),
        Some(Kind::EqualOptions) => "with equal options".to_owned(),
        Some(Kind::DifferentOptions) => "with different options".to_owned(),
        Some(Kind::Declared(name)) if name.is_empty() => "in no group of the plan".to_owned(),
        Some(Kind::Declared(name)) => format!("in the group {name}"),
    }
}

const fn clause(faster: Faster) -> &'static str {
    match faster {
        Faster::Shared => "one server is faster",
        Faster::PerAgent => "a server per agent is faster",
        Faster::Neither => "neither is faster by 5 %",
        Faster::NotRanked => "they are not ranked",
        Faster::Undecided => "they cannot be told apart",
    }
}

/// The walls, the shorter one first, and how much longer the other is.
fn numbers(over: &ChoiceOver) -> String {
    let both = &over.wall_s;
    let wall = |place, wall: &Estimate| format!("{} s on {}", plain(wall.mean, 2), topology(place));
    let shared = wall(Topology::Shared, &both.shared);
    let per_agent = wall(Topology::PerAgent, &both.per_agent);
    let (first, second, ratio) = if both.ratio.mean < 1.0 {
        (per_agent, shared, inverse(&both.ratio))
    } else {
        (shared, per_agent, both.ratio)
    };
    format!("wall time {first}, {second}, {} as long", times(&ratio))
}

fn p_words(p: Option<f64>) -> String {
    match p {
        Some(p) if p >= 0.001 => format!("= {}", plain(p, 3)),
        Some(_) => "< 0.001".to_owned(),
        None => "unknown".to_owned(),
    }
}

fn inverse(ratio: &Estimate) -> Estimate {
    Estimate {
        mean: 1.0 / ratio.mean,
        lo: ratio.hi.map(|hi| 1.0 / hi),
        hi: ratio.lo.map(|lo| 1.0 / lo),
        ..*ratio
    }
}

/// `1.19× [1.13, 1.26]`.
pub(crate) fn times(ratio: &Estimate) -> String {
    let mean = plain(ratio.mean, 2);
    match ratio.interval() {
        Some(i) => format!("{mean}× [{}, {}]", plain(i.lo, 2), plain(i.hi, 2)),
        None => format!("{mean}×"),
    }
}

/// Throughput and time to the first token, which do not rank.
fn qualifications(over: &ChoiceOver) -> Option<String> {
    let part = |name: &str, both: Option<BothWays>, decimals: usize, unit: &str| {
        let both = both?;
        Some(format!(
            "{name} is {} {unit} on one server and {} {unit} on a server per agent ({})",
            plain(both.shared.mean, decimals),
            plain(both.per_agent.mean, decimals),
            times(&both.ratio)
        ))
    };
    let parts = [
        part("throughput", over.throughput_tokens_per_s, 1, "tok/s"),
        part("the mean TTFT", over.ttft_s, 2, "s"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| capital(&format!("{}.", joined(&parts))))
}

/// Which topology is faster in which configurations; none where there is only one.
fn by_themselves(each: &[TopologyComparison]) -> Option<String> {
    if each.len() < 2 {
        return None;
    }
    let mut parts = Vec::new();
    for better in [Topology::Shared, Topology::PerAgent] {
        let of = each
            .iter()
            .filter(|one| one.faster.topology() == Some(better));
        let names: Vec<String> = of.map(|one| one.id.to_string()).collect();
        let place = match names.len() {
            0 => continue,
            few if few <= MOST_NAMED => joined(&names),
            many => format!("{many} of {} configurations", each.len()),
        };
        parts.push(format!("{} is faster in {place}", topology(better)));
    }
    (!parts.is_empty()).then(|| format!("Each by itself: {}.", parts.join(", ")))
}

fn would_decide(choice: &Choice) -> Option<String> {
    let flag = "(`--repeats`)";
    match choice.overall.faster {
        Faster::NotRanked => Some(format!(
            "Three repetitions of each {flag} are needed to rank them."
        )),
        Faster::Undecided if choice.depends_on_group() => None,
        Faster::Undecided if choice.over_configs => Some(
            "Configurations differ too much for one answer: decide for each by itself.".to_owned(),
        ),
        Faster::Undecided => Some(format!(
            "More repetitions {flag} would narrow the interval."
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
