//! `tandem doctor`: is everything ready for a sweep, and if not, what is to be done?

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use domain::record::Provenance;
use serde::Serialize;

use crate::checks::{self, Absence, Facts, Finding, Level, Look, ServerState};
use crate::exit::{ExitStatus, Fatal};
use crate::flags::DoctorArgs;
use crate::folder::{self, command_line};
use crate::plans;

/// Version of the JSON object; raised when a key changes its meaning or goes.
const SCHEMA: u32 = 1;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    tool: String,
    command: String,
    provenance: Provenance,
    #[serde(flatten)]
    facts: &'a Facts,
    findings: &'a [Finding],
    worst: Level,
    exit_code: u8,
}

/// Looks, judges, prints.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitStatus, Fatal> {
    let mut plan = plans::load(&args.plan)?;
    plan.keep_only(&args.only).map_err(Fatal::usage)?;
    if let Some(model) = &args.model {
        plan.model.clone_from(model);
    }
    let facts = checks::look(args, &plan)?;
    let findings = checks::judge(&facts);
    let worst = findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok);
    let status = status(&facts, worst);
    let text = if args.json {
        let document = Document {
            schema: SCHEMA,
            tool: folder::tool(),
            command: command_line(),
            provenance: if args.server.simulate {
                Provenance::Simulated
            } else {
                Provenance::Measured
            },
            facts: &facts,
            findings: &findings,
            worst,
            exit_code: status.code(),
        };
        let mut line = serde_json::to_string(&document).map_err(Fatal::environment)?;
        line.push('\n');
        line
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        checks::report(&facts, &findings, Look { colour })
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("the findings could not be printed")
        .map_err(Fatal::environment)?;
    Ok(status)
}

fn status(facts: &Facts, worst: Level) -> ExitStatus {
    let unreachable = facts.servers.iter().any(|server| {
        matches!(
            server.state,
            ServerState::Absent {
                why: Absence::Unreachable,
                ..
            }
        )
    });
    if unreachable {
        ExitStatus::NotReady
    } else if worst >= Level::Warning {
        ExitStatus::SomeFailed
    } else {
        ExitStatus::Done
    }
}
