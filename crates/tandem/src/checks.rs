//! Checks of servers, plan and machine before anything is measured: all of them for `tandem doctor`,
//! the quick ones before a sweep or a capacity run.
//!
//! `gather` and `machine` read servers and machine into [`facts`]; `judge` turns facts into findings, without
//! I/O.

mod facts;
mod gather;
mod judge;
mod keep_alive;
mod machine;
mod memory;
mod print;
mod slots;

use std::collections::BTreeMap;
use std::path::Path;

use clock::Clock;
use document::output::say;
use domain::exit::{Fatal, OrFatal as _};
use domain::plan::SweepPlan;
use domain::{ModelOptions, Nanos};

use self::facts::ServerFacts;
pub(crate) use self::facts::{Facts, MachineFacts, PlanFacts, ServerState};
pub(crate) use self::judge::{Finding, Level, judge};
pub(crate) use self::print::report;
use crate::flags::{DoctorArgs, HttpFlags};
use crate::stage::{self, Stage, StageSetup};
use crate::target::{self, Absence, Found, NotSeen, Seen};

/// Maximum time of the quick checks of a server before a run.
const QUICK: Nanos = Nanos::from_secs(5);

pub(crate) fn look(args: &DoctorArgs, plan: &SweepPlan) -> Result<Facts, Fatal> {
    let inspection = Inspection {
        plan,
        http: &args.server.http,
        probe: !args.no_probe,
        simulated: args.server.simulate,
    };
    if inspection.simulated {
        simulated(args, inspection)
    } else {
        real(args, inspection)
    }
}

#[derive(Debug, Clone, Copy)]
struct Inspection<'p> {
    plan: &'p SweepPlan,
    http: &'p HttpFlags,
    probe: bool,
    simulated: bool,
}

impl Inspection<'_> {
    /// Reads a server's metadata, and probes it with short requests if allowed.
    async fn server(
        self,
        seen: &Seen,
        facts: &PlanFacts,
        clock: &Clock,
    ) -> Result<ServerFacts, Fatal> {
        let options = gather::all_options(self.plan);
        let mut report =
            gather::look(seen, &options, facts, (self.http, clock), self.simulated).await?;
        if self.probe && report.model.is_some() {
            if !self.simulated {
                announce_probe(seen, facts);
            }
            gather::probe(seen, &mut report, self.plan, facts, (self.http, clock)).await?;
        }
        Ok(server(seen, report))
    }
}

fn real(args: &DoctorArgs, inspection: Inspection<'_>) -> Result<Facts, Fatal> {
    let endpoints = target::endpoints(&args.server);
    let apis = target::apis(&args.server)?;
    let settings = target::settings(&args.server.http, &Clock::real(), target::LIMITS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Fatal::environment)?;
    runtime.block_on(async {
        let clock = Clock::real();
        let plan = gather::plan_facts(inspection.plan);
        let mut servers = Vec::new();
        for (endpoint, api) in endpoints.iter().zip(apis) {
            let seen = target::see(endpoint, api, &settings, &plan.model).await;
            servers.push(match seen {
                Ok(seen) => inspection.server(&seen, &plan, &clock).await?,
                Err(absent) => absent_server(endpoint, absent)?,
            });
        }
        let mut machine = look_at_machine(&servers, &args.out);
        machine.clock = Some(machine::test_clock().await);
        Ok(Facts {
            plan,
            servers,
            machine: Some(machine),
        })
    })
}

fn simulated(args: &DoctorArgs, inspection: Inspection<'_>) -> Result<Facts, Fatal> {
    let runtime =
        clock::virtual_runtime().or_environment("the async runtime could not be started")?;
    runtime.block_on(async {
        let plan = gather::plan_facts(inspection.plan);
        say(stage::simulated_in_words("--simulate", &args.server));
        let setup = StageSetup {
            model: &inspection.plan.model,
            servers: plan.servers,
            seed: inspection.plan.seed,
            timeouts: inspection.plan.timeouts,
        };
        let stage = Stage::simulated(&args.server, &setup, Nanos::ZERO).await?;
        let mut servers = Vec::new();
        for facts in &stage.endpoints {
            let seen = Seen {
                has: facts.model.iter().map(|m| m.name.clone()).collect(),
                found: Found {
                    facts: facts.clone(),
                    told: BTreeMap::new(),
                },
            };
            servers.push(inspection.server(&seen, &plan, &stage.clock).await?);
        }
        Ok(Facts {
            plan,
            servers,
            machine: None,
        })
    })
}

fn look_at_machine(servers: &[ServerFacts], results: &Path) -> MachineFacts {
    let urls: Vec<_> = servers.iter().map(|s| s.url.clone()).collect();
    machine::look(&urls, results)
}

fn announce_probe(seen: &Seen, plan: &PlanFacts) {
    let together = gather::together(plan);
    say(format_args!(
        "Sending {} {} short requests, {together} of them at the same time, which loads the model if \
         necessary; --no-probe skips this.",
        seen.found.facts.url,
        together + 1,
    ));
}

fn server(seen: &Seen, report: facts::ServerReport) -> ServerFacts {
    let url = seen.found.facts.url.clone();
    ServerFacts {
        local: is_loopback(&url),
        url,
        state: ServerState::Answers(Box::new(report)),
    }
}

fn absent_server(endpoint: &str, absent: NotSeen) -> Result<ServerFacts, Fatal> {
    if absent.why == Absence::Usage {
        return Err(absent.fatal);
    }
    let message = absent.fatal.to_string();
    // The address is printed above it already.
    let words = message
        .split_once(": ")
        .filter(|(url, _)| url.contains("://"));
    Ok(ServerFacts {
        url: endpoint.to_owned(),
        local: is_loopback(endpoint),
        state: ServerState::Absent {
            why: absent.why,
            message: words
                .map_or(message.as_str(), |(_, words)| words)
                .to_owned(),
            hint: absent.fatal.hint_text().map(str::to_owned),
        },
    })
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = |ip: std::net::IpAddr| ip.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(loopback)
}

pub(crate) async fn before_sweep(
    found: (&[Found], &HttpFlags),
    plan: &SweepPlan,
    results: &Path,
) -> Vec<String> {
    let facts = gather::plan_facts(plan);
    before(found, facts, &gather::all_options(plan), results).await
}

pub(crate) async fn before_load(
    found: (&[Found], &HttpFlags),
    model: &str,
    agents: u32,
    options: &ModelOptions,
    results: &Path,
) -> Vec<String> {
    let facts = gather::load_facts(model, agents as usize, options, found.0.len());
    before(found, facts, &[options], results).await
}

/// Warnings and problems, one a line. Sends no generation request and does not test the timer.
async fn before(
    (found, http): (&[Found], &HttpFlags),
    plan_facts: PlanFacts,
    options: &[&ModelOptions],
    results: &Path,
) -> Vec<String> {
    let clock = Clock::real();
    let mut servers = Vec::new();
    for found in found {
        let seen = Seen {
            found: found.clone(),
            has: Vec::new(),
        };
        // A server that stopped answering meanwhile fails in the run itself.
        let look = gather::look(&seen, options, &plan_facts, (http, &clock), false);
        if let Ok(Ok(report)) = clock.timeout(QUICK, look).await {
            servers.push(server(&seen, report));
        }
    }
    let machine = look_at_machine(&servers, results);
    let facts = Facts {
        plan: plan_facts,
        servers,
        machine: Some(machine),
    };
    print::brief(&facts, &judge(&facts))
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn loopback_in_any_spelling_is_this_machine() {
        for url in [
            "http://127.0.0.1:11434",
            "localhost:80",
            "http://LOCALHOST/v1",
            "http://[::1]:8080/v1",
            "127.0.0.1",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://192.168.0.2:11434",
            "https://llm.example/v1",
            "11434",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
