//! The plan file: TOML in, [`SweepPlan`] out, or an error that names file, line, key and fix.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use itertools::Itertools as _;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AgentSpec, Arm, CachePolicy, Config, ConfigId, PlanError, PlanErrorKind, Protocol,
    ProtocolKind, ReportStyle, StatePolicy, SweepPlan, Timeouts, Topology, WorkflowKind, limits,
};
use crate::options::ModelOptions;
use crate::units::Nanos;
use crate::work::{CpuWork, FileWork, Work};

/// Version of the plan file's format.
const PLAN_SCHEMA: u32 = 1;
/// Greatest `telemetry_hz`.
const MOST_HZ: f64 = 1000.0;

/// The keys of a plan file. These doc comments are the text of docs/plans.md and of the JSON Schema.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanFile {
    /// Version of the plan format.
    #[schemars(range(min = 1, max = PLAN_SCHEMA))]
    schema: u32,
    /// Name of the plan: 1 to 100 characters. The results folder and the report carry it.
    name: String,
    /// What the plan is for, in one sentence. The report shows it.
    #[serde(default)]
    description: String,
    /// The model that every agent uses, as the server names it. `--model` overrides it.
    model: String,
    /// Seed of the order of arms, of the sampling seeds and of the simulator. `--seed` overrides it.
    #[serde(default = "default_seed")]
    seed: u64,
    /// The published report whose tables the results fill as well.
    #[serde(default)]
    report: Option<ReportStyle>,
    #[serde(default)]
    protocol: ProtocolFile,
    /// How agents are assigned to servers. With both values, every configuration runs both ways.
    #[serde(default = "default_topologies")]
    topologies: Vec<Topology>,
    /// With the topology `per_agent`: how many servers the agents share; agent `i` uses server `i` modulo
    /// this number. 2 or more. Without it each agent has a server of its own.
    #[serde(default)]
    #[schemars(range(min = 2, max = limits::AGENTS.most))]
    per_agent_servers: Option<NonZeroU32>,
    #[serde(default)]
    timeouts: TimeoutsFile,
    /// Samples of GPUs and host per second (Hz); more than 0.
    #[serde(default = "default_hz")]
    #[schemars(range(max = MOST_HZ))]
    telemetry_hz: f64,
    /// Whether the results folder keeps the text of prompts and answers. With `false` it keeps hashes and
    /// lengths only, as with `--no-text`.
    #[serde(default = "super::keeps_text")]
    keep_text: bool,
    #[serde(default)]
    presets: BTreeMap<String, ModelOptions>,
    #[serde(default)]
    configs: Vec<ConfigFile>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProtocolFile {
    /// The protocol, which decides the defaults of the other keys. `--protocol` overrides it.
    #[serde(default)]
    kind: ProtocolKind,
    /// Repetitions of each configuration, and of the simulator's unless `repetitions_simulated` is given.
    /// `--repeats` overrides it.
    #[schemars(range(min = 1, max = limits::REPETITIONS.most))]
    repetitions: Option<u32>,
    /// Repetitions of each configuration on the simulator.
    #[schemars(range(min = 1, max = limits::REPETITIONS.most))]
    repetitions_simulated: Option<u32>,
    /// The arms of a repetition: the ways in which its agents run. A speed-up compares the two.
    arms: Option<Vec<Arm>>,
    /// State of the server before each arm.
    state: Option<StatePolicy>,
    /// Whether the server may answer a prompt from its prompt cache.
    cache: Option<CachePolicy>,
    /// Whether a short extra request measures how long the server takes for a model that is already loaded.
    /// It is sent for agents none of whose requests found the model loaded.
    probe: Option<bool>,
    /// Whether the arms of a repetition run in random order, which follows from `seed`.
    interleave: Option<bool>,
    /// Whether every server loads and unloads the model once before the first arm. The first load reads the
    /// weights from disk and later ones from the file cache; without a warm-up only the first arm would
    /// pay for the disk.
    warm_up: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TimeoutsFile {
    /// Time limit for opening the connection.
    #[schemars(with = "Option<String>", extend("format" = "duration"))]
    connect: Option<toml::Value>,
    /// Time limit from sending the request to the first byte of the response; includes queueing, loading and prefill.
    #[schemars(with = "Option<String>", extend("format" = "duration"))]
    first_byte: Option<toml::Value>,
    /// Time limit between two chunks of the response.
    #[schemars(with = "Option<String>", extend("format" = "duration"))]
    between_chunks: Option<toml::Value>,
    /// Time limit for the whole request.
    #[schemars(with = "Option<String>", extend("format" = "duration"))]
    total: Option<toml::Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// Id of the configuration, unique in the plan: letters, digits, `.`, `_` and `-`. With `axes` it is a
    /// template: `{num_ctx}` becomes the value of that axis.
    id: String,
    /// Name of the scenario, 1 to 100 characters. Reports put the configurations of a scenario together.
    scenario: String,
    /// Group for which the report compares topologies on its own, 1 to 100 characters. If no configuration
    /// has one, the groups are configurations whose agents have equal options and those whose agents differ.
    #[serde(default)]
    group: Option<String>,
    /// Options with several values each. The configuration is repeated for every combination, and agents
    /// with `varies = true` get the values.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    axes: toml::Table,
    agents: Vec<AgentFile>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AgentFile {
    /// Name of the agent, unique in its configuration, 1 to 100 characters. `collector` and `insight` have
    /// built-in prompts of their own.
    name: String,
    /// Name of a preset in `[presets]`. Options of `axes` and `options` take precedence over it.
    #[serde(default)]
    preset: Option<String>,
    /// Options that this agent sends; see *Model options*. They take precedence over `axes` and `preset`.
    /// Without any option the request has no `options` and the server uses its own values.
    #[serde(default)]
    options: ModelOptions,
    /// Whether the agent takes the values of `axes`.
    #[serde(default)]
    varies: bool,
    /// What the agent does.
    #[serde(default)]
    workflow: WorkflowKind,
    /// Requests of this agent, one after another.
    #[serde(default = "default_calls")]
    #[schemars(range(min = 1, max = limits::CALLS.most))]
    calls: u32,
    /// CPU work before each request: `primes:N` sums the primes below N, 2 to 100,000,000.
    #[serde(default)]
    cpu_work: Option<CpuWork>,
    /// File work before each request: a file of this size is written, read and deleted. 1 byte to 1 GiB, with
    /// the unit `B`, `KiB` or `MiB`.
    #[serde(default)]
    file_work: Option<FileWork>,
}

const fn default_seed() -> u64 {
    113
}
const fn default_hz() -> f64 {
    10.0
}
fn default_topologies() -> Vec<Topology> {
    vec![Topology::Shared]
}
const fn default_calls() -> u32 {
    1
}

/// A commented plan file to start from: the common settings with their defaults, and one configuration of two agents.
pub const STARTER: &str = include_str!("starter.toml");

/// Reads a plan file. `origin` is its name in messages. Fails, with line and key, when the text is not TOML, a
/// key is unknown or missing, a value is out of range, or the plan has no configuration.
pub fn parse(origin: &str, text: &str) -> Result<SweepPlan, PlanError> {
    parsed(text).map_err(|error| PlanError {
        origin: origin.to_owned(),
        ..error.in_text(text)
    })
}

/// Errors below have no origin and no line yet.
fn at(key: impl Into<String>, kind: PlanErrorKind) -> PlanError {
    PlanError::key("", key, kind)
}

fn parsed(text: &str) -> Result<SweepPlan, PlanError> {
    let file: PlanFile = deserialize(text)?;
    if file.schema > PLAN_SCHEMA {
        let (found, supported) = (file.schema, PLAN_SCHEMA);
        let kind = PlanErrorKind::NewerSchema { found, supported };
        return Err(at("schema", kind));
    }
    name("name", &file.name)?;
    let mut configs = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, config) in file.configs.iter().enumerate() {
        let first = configs.len();
        let key = format!("configs[{i}]");
        expand_axes(&key, config, &file.presets, &mut configs)?;
        for config in &configs[first..] {
            if !seen.insert(config.id.clone()) {
                let id = config.id.to_string();
                return Err(at(key + ".id", PlanErrorKind::DuplicateId { id }));
            }
        }
        count("configs", configs.len() as u64, limits::CONFIGS)?;
    }
    if configs.is_empty() {
        return Err(at("configs", PlanErrorKind::Empty));
    }
    if !(file.telemetry_hz > 0.0 && file.telemetry_hz <= MOST_HZ) {
        let (hz, expected) = (file.telemetry_hz, "0 < hz <= 1000");
        return Err(out_of_range("telemetry_hz", hz, expected));
    }
    if file.topologies.is_empty() {
        let expected = "give \"shared\", \"per_agent\" or both";
        return Err(out_of_range("topologies", "[]", expected));
    }
    if let Some(servers) = file.per_agent_servers {
        count("per_agent_servers", servers.get(), limits::AGENTS)?;
    }
    if file.per_agent_servers == Some(NonZeroU32::MIN) {
        let expected = "2 at least: one server for all agents is the topology \"shared\"";
        return Err(out_of_range("per_agent_servers", 1, expected));
    }
    let plan = SweepPlan {
        name: file.name,
        description: file.description,
        model: file.model,
        seed: file.seed,
        report: file.report,
        protocol: resolve_protocol(&file.protocol)?,
        topologies: file.topologies,
        per_agent_servers: file.per_agent_servers,
        timeouts: resolve_timeouts(&file.timeouts)?,
        telemetry_hz: file.telemetry_hz,
        keep_text: file.keep_text,
        configs,
    };
    plan.check_arms("")?;
    Ok(plan)
}

/// Unknown keys and wrong types are errors with line and key.
fn deserialize(text: &str) -> Result<PlanFile, PlanError> {
    let error = |e: &toml::de::Error, key: Option<String>| PlanError {
        key: key.filter(|k| k != "."),
        ..PlanError::toml("", text, e)
    };
    let deserializer = toml::de::Deserializer::parse(text).map_err(|e| error(&e, None))?;
    serde_path_to_error::deserialize(deserializer)
        .map_err(|e| error(e.inner(), Some(e.path().to_string())))
}

fn expand_axes(
    key: &str,
    config: &ConfigFile,
    presets: &BTreeMap<String, ModelOptions>,
    configs: &mut Vec<Config>,
) -> Result<(), PlanError> {
    name(&format!("{key}.scenario"), &config.scenario)?;
    if let Some(group) = &config.group {
        name(&format!("{key}.group"), group)?;
    }
    let mut combinations = 1;
    let mut axes = Vec::new();
    for (axis, values) in &config.axes {
        let axis_key = format!("{key}.axes.{axis}");
        let values = match values {
            toml::Value::Array(values) => values,
            single => std::slice::from_ref(single),
        };
        if values.is_empty() {
            return Err(at(axis_key, PlanErrorKind::EmptyAxis));
        }
        combinations *= values.len() as u64;
        count(&axis_key, combinations, limits::CONFIGS)?;
        axes.push(values.iter().map(|value| (axis.clone(), value.clone())));
    }
    for point in axes.into_iter().multi_cartesian_product() {
        let point = toml::Table::from_iter(point);
        let varied: ModelOptions =
            serde_path_to_error::deserialize(toml::Value::Table(point.clone())).map_err(|e| {
                let kind = PlanErrorKind::Syntax(e.inner().message().to_owned());
                at(format!("{key}.axes.{}", e.path()), kind)
            })?;
        let id = fill_template(&format!("{key}.id"), &config.id, &point)?;
        let agents = resolve_agents(key, &config.agents, presets, &varied)?;
        configs.push(Config {
            id,
            scenario: config.scenario.clone(),
            group: config.group.clone(),
            agents,
        });
    }
    Ok(())
}

fn fill_template(key: &str, template: &str, point: &toml::Table) -> Result<ConfigId, PlanError> {
    let mut id = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        id.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('}') else {
            break;
        };
        let name = &rest[open + 1..open + close];
        let value = point.get(name).ok_or_else(|| {
            let axes = point.keys().cloned().collect();
            let name = name.to_owned();
            let kind = PlanErrorKind::UnknownPlaceholder { name, axes };
            at(key, kind)
        })?;
        match value {
            toml::Value::String(s) => id.push_str(s),
            other => id.push_str(&other.to_string()),
        }
        rest = &rest[open + close + 1..];
    }
    id.push_str(rest);
    name(key, &id)?;
    ConfigId::new(&id).ok_or_else(|| at(key, PlanErrorKind::BadId { id }))
}

/// Refuses a name that tables, pictures and file names have no room for.
fn name(key: &str, name: &str) -> Result<(), PlanError> {
    let found = name.chars().count();
    if (1..=limits::NAME_CHARACTERS).contains(&found) {
        return Ok(());
    }
    Err(at(key, PlanErrorKind::NameLength { found }))
}

fn count(key: &str, n: impl Into<u64>, bound: limits::Bound) -> Result<NonZeroU32, PlanError> {
    let n = n.into();
    bound.check(n).map_err(|range| out_of_range(key, n, &range))
}

fn resolve_agents(
    key: &str,
    agents: &[AgentFile],
    presets: &BTreeMap<String, ModelOptions>,
    varied: &ModelOptions,
) -> Result<Vec<AgentSpec>, PlanError> {
    let of_all = format!("{key}.agents");
    if agents.is_empty() {
        return Err(at(of_all, PlanErrorKind::NoAgents));
    }
    count(&of_all, agents.len() as u64, limits::AGENTS)?;
    let calls: u64 = agents.iter().map(|agent| u64::from(agent.calls)).sum();
    if agents.iter().all(|agent| agent.calls <= limits::CALLS.most) {
        count(&of_all, calls.max(1), limits::REQUESTS)?;
    }
    let mut names = BTreeSet::new();
    agents
        .iter()
        .enumerate()
        .map(|(i, agent)| {
            let key = |member: &str| format!("{key}.agents[{i}].{member}");
            name(&key("name"), &agent.name)?;
            if !names.insert(agent.name.as_str()) {
                let name = agent.name.clone();
                return Err(at(key("name"), PlanErrorKind::DuplicateAgent { name }));
            }
            let mut options = agent.options.clone();
            if agent.varies {
                options = options.over(varied);
            }
            if let Some(name) = &agent.preset {
                let preset = presets.get(name).ok_or_else(|| {
                    let (name, defined) = (name.clone(), presets.keys().cloned().collect());
                    at(
                        key("preset"),
                        PlanErrorKind::UnknownPreset { name, defined },
                    )
                })?;
                options = options.over(preset);
            }
            check_options(&key("options"), &options)?;
            let calls = count(&key("calls"), agent.calls, limits::CALLS)?;
            Ok(AgentSpec {
                name: agent.name.clone(),
                options,
                workflow: agent.workflow,
                calls,
                work: Work {
                    cpu: agent.cpu_work,
                    file: agent.file_work,
                },
            })
        })
        .collect()
}

/// Refuses values that no server accepts, or that are surely in the wrong unit.
fn check_options(key: &str, options: &ModelOptions) -> Result<(), PlanError> {
    for (option, value) in options.iter() {
        let Some((range, number)) = option.range.zip(value.as_f64()) else {
            continue;
        };
        let (least, greatest) = range.bounds;
        if !(least..=greatest).contains(&number) {
            let key = format!("{key}.{}", option.name);
            return Err(out_of_range(&key, value, range.words));
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "call sites pass literals")]
fn out_of_range(key: &str, value: impl ToString, expected: &str) -> PlanError {
    let kind = PlanErrorKind::OutOfRange {
        value: value.to_string(),
        expected: expected.to_owned(),
    };
    at(key, kind)
}

fn resolve_protocol(file: &ProtocolFile) -> Result<Protocol, PlanError> {
    let mut protocol = match file.kind {
        ProtocolKind::Tr113 => Protocol::tr113(),
        ProtocolKind::Rigorous => Protocol::rigorous(),
    };
    let repetitions = |key: &str, n: u32| {
        let key = format!("protocol.{key}");
        count(&key, n, limits::REPETITIONS)
    };
    if let Some(n) = file.repetitions {
        protocol.repetitions = repetitions("repetitions", n)?;
        protocol.repetitions_simulated = protocol.repetitions;
    }
    if let Some(n) = file.repetitions_simulated {
        protocol.repetitions_simulated = repetitions("repetitions_simulated", n)?;
    }
    if let Some(arms) = &file.arms {
        if arms.is_empty() {
            let expected = "\"together\", \"sequential\" or both";
            return Err(out_of_range("protocol.arms", "[]", expected));
        }
        protocol.arms.clone_from(arms);
        protocol.arms.sort_unstable();
        protocol.arms.dedup();
    }
    protocol.state = file.state.unwrap_or(protocol.state);
    protocol.cache = file.cache.unwrap_or(protocol.cache);
    protocol.probe = file.probe.unwrap_or(protocol.probe);
    protocol.interleave = file.interleave.unwrap_or(protocol.interleave);
    protocol.warm_up = file.warm_up.unwrap_or(protocol.warm_up);
    Ok(protocol)
}

/// Reads a limit on a request's time: a number with a unit, such as `30s`, above zero. Fails for other texts, and
/// above the longest wait.
pub fn time_limit(text: &str) -> Result<Nanos, PlanErrorKind> {
    let (value, expected) = (format!("\"{text}\""), limits::longest_wait());
    match humantime::parse_duration(text) {
        Ok(limit) if limit > limits::LONGEST_WAIT => {
            Err(PlanErrorKind::OutOfRange { value, expected })
        }
        Ok(limit) if !limit.is_zero() => Ok(Nanos::from(limit)),
        _ => Err(PlanErrorKind::BadDuration { value }),
    }
}

fn resolve_timeouts(file: &TimeoutsFile) -> Result<Timeouts, PlanError> {
    let defaults = Timeouts::default();
    let read = |key: &str, value: &Option<toml::Value>, default: Nanos| {
        let limit = match value {
            None => return Ok(default),
            Some(toml::Value::String(text)) => time_limit(text),
            Some(other) => Err(PlanErrorKind::BadDuration {
                value: other.to_string(),
            }),
        };
        limit.map_err(|kind| at(format!("timeouts.{key}"), kind))
    };
    Ok(Timeouts {
        connect: read("connect", &file.connect, defaults.connect)?,
        first_byte: read("first_byte", &file.first_byte, defaults.first_byte)?,
        between_chunks: read(
            "between_chunks",
            &file.between_chunks,
            defaults.between_chunks,
        )?,
        total: read("total", &file.total, defaults.total)?,
    })
}
