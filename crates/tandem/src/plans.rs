//! Plans: shipped ones, files, and those that `tandem run`'s flags describe.

use std::fmt::Write as _;

use domain::exit::{Fatal, OrFatal as _};
use domain::plan::{self, PlanError, SweepPlan};
use domain::{OptionKind, OptionSpec};

use crate::flags::RunArgs;

/// Names and texts of plans of fixtures/plans.
macro_rules! shipped {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../fixtures/plans/", $name, ".toml")))),*]
    };
}

const SHIPPED: &[(&str, &str)] = shipped![
    "tr113",
    "tr110",
    "tr113-extended",
    "llama-cpp",
    "one-or-two-servers"
];

/// Names of the first agents of `tandem run`; further ones are numbered.
const AGENT_NAMES: &[&str] = &["collector", "insight", "reviewer"];

pub(crate) fn load(name: &str) -> Result<SweepPlan, Fatal> {
    if let Some((_, text)) = SHIPPED.iter().find(|(known, _)| *known == name) {
        return Ok(plan::parse(&format!("{name}.toml"), text)?);
    }
    let text = std::fs::read_to_string(name)
        .or_usage(format!("the plan {name} could not be read"))
        .map_err(|fatal| {
            let known: Vec<_> = SHIPPED.iter().map(|(known, _)| *known).collect();
            fatal.hint(format!("shipped plans: {}", known.join(", ")))
        })?;
    Ok(plan::parse(name, &text)?)
}

/// The plan that `tandem run`'s flags describe, built as a plan file so that the same checks apply.
pub(crate) fn from_flags(args: &RunArgs) -> Result<SweepPlan, Fatal> {
    let mut agents = String::new();
    for (i, text) in args.agents.iter().enumerate() {
        let known = AGENT_NAMES.get(i).map(|name| (*name).to_owned());
        let name = known.unwrap_or_else(|| format!("agent{}", i + 1));
        let options = agent_options(text)?;
        let _ = writeln!(
            agents,
            "  {{ name = {name:?}, workflow = {:?}, calls = {}, options = {{ {options} }} }},",
            args.workflow.replace('-', "_"),
            args.calls,
        );
    }
    let topology = if args.common.server.endpoints.len() > 1 {
        "per_agent"
    } else {
        "shared"
    };
    let text = format!(
        "schema = 1\nname = {name:?}\ndescription = \"One configuration given by flags\"\n\
         model = \"gemma3:latest\"\ntopologies = [{topology:?}]\n\
         [protocol]\nrepetitions = {runs}\n\
         [[configs]]\nid = {name:?}\nscenario = {name:?}\nagents = [\n{agents}]\n",
        name = args.scenario,
        runs = args.runs,
    );
    // The user has not seen this text, so its line numbers are left out.
    let at_key = |error| PlanError {
        line: None,
        ..error
    };
    Ok(plan::parse("the command line", &text).map_err(at_key)?)
}

/// `num_gpu=60,stop=x` as the inside of a TOML table.
fn agent_options(text: &str) -> Result<String, Fatal> {
    if text == "default" {
        return Ok(String::new());
    }
    let mut table = Vec::new();
    for part in text.split(',') {
        let Some((key, value)) = part.split_once('=') else {
            return Err(Fatal::usage(format!("--agent {text}: `{part}` is not KEY=VALUE"))
                .hint("for example --agent num_gpu=60,num_ctx=512,temperature=0.8, or --agent default"));
        };
        let (key, value) = (key.trim(), value.trim());
        let literal = value.parse::<f64>().is_ok() || matches!(value, "true" | "false");
        let kind = OptionSpec::named(key).map(|option| option.kind);
        table.push(match (kind, literal) {
            (Some(OptionKind::Strings), _) => format!("{key} = [{value:?}]"),
            (_, true) => format!("{key} = {value}"),
            (_, false) => format!("{key} = {value:?}"),
        });
    }
    Ok(table.join(", "))
}
