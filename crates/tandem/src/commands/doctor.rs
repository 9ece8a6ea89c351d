//! `tandem doctor`: checks servers, plan and machine before a sweep.

use document::json::lifted;
use domain::exit::{Exit, Fatal};
use domain::record::Provenance;
use serde::Serialize;
use serde_json::Value;

use crate::checks::{self, Finding, Level, MachineFacts, PlanFacts, ServerState};
use crate::flags::DoctorArgs;
use crate::folder::{self, command_line};
use crate::plans;
use crate::target::Absence;
use crate::terminal;

/// Version of the JSON object; raised when a key is removed or changes its meaning.
const SCHEMA: u32 = 2;

/// The output of `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    tool: String,
    command: String,
    provenance: Provenance,
    plan: &'a PlanFacts,
    servers: Value,
    machine: Option<&'a MachineFacts>,
    findings: &'a [Finding],
    worst: Level,
    exit_code: u8,
}

pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Fatal> {
    let mut plan = plans::load(&args.plan)?;
    plan.keep_only(&args.only)?;
    if let Some(model) = &args.model {
        plan.model.clone_from(model);
    }
    let facts = checks::look(args, &plan)?;
    let findings = checks::judge(&facts);
    let worst = findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok);
    let unreachable = facts.servers.iter().any(|server| {
        matches!(&server.state, ServerState::Absent { why, .. } if *why == Absence::Unreachable)
    });
    let status = if unreachable {
        Exit::Environment
    } else {
        Exit::of_run(false, worst >= Level::Warning)
    };
    let document = Document {
        schema: SCHEMA,
        tool: folder::tool(),
        command: command_line(),
        provenance: if args.server.simulate || facts.is_simulated() {
            Provenance::Simulated
        } else {
            Provenance::Measured
        },
        plan: &facts.plan,
        servers: lifted(&facts.servers, "state")?,
        machine: facts.machine.as_ref(),
        findings: &findings,
        worst,
        exit_code: status.code(),
    };
    terminal::print(args.json, &document, || checks::report(&facts, &findings))?;
    Ok(status)
}
