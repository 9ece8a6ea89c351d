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

use std::path::Path;

use clock::Clock;
use document::output::say;
use domain::Nanos;
use domain::exit::{Fatal, OrFatal as _};
use domain::plan::SweepPlan;

pub(crate) use self::facts::{Facts, MachineFacts, PlanFacts, ServerFacts, ServerState};
use self::gather::Inspection;
pub(crate) use self::judge::{Finding, Level, judge};
pub(crate) use self::print::report;
use crate::flags::{DoctorArgs, HttpFlags};
use crate::stage::{self, Stage, StageSetup};
use crate::target::{self, Absence, DetectError, Found, Target};

/// Maximum time of the quick checks of a server before a run.
const QUICK: Nanos = Nanos::from_secs(5);

/// The facts of `tandem doctor`. Fails when an endpoint or a flag cannot be used.
pub(crate) fn look(args: &DoctorArgs, plan: &SweepPlan) -> Result<Facts, Fatal> {
    let runtime = if args.server.simulate {
        clock::virtual_runtime()
    } else {
        tokio::runtime::Runtime::new()
    };
    let runtime = runtime.or_environment("the async runtime could not be started")?;
    runtime.block_on(async {
        let plan_facts = PlanFacts::of(plan);
        let (stage, detected) = if args.server.simulate {
            say(stage::simulated_in_words("--simulate", &args.server));
            let setup = StageSetup {
                model: &plan.model,
                servers: plan_facts.servers,
                seed: plan.seed,
                timeouts: plan.timeouts,
                ..StageSetup::default()
            };
            let stage = Stage::simulated(&args.server, setup).await?;
            let endpoints = stage.endpoints.iter();
            let found = endpoints.map(|facts| (facts.url.clone(), Ok(Found::new(facts.clone()))));
            let found = found.collect();
            (Some(stage), found)
        } else {
            (None, {
                let addresses = target::addresses(&args.server)?;
                target::detect(addresses, &args.server.http, &plan.model).await?
            })
        };
        let clock = stage.as_ref();
        let clock = clock.map_or_else(Clock::real, |stage| stage.clock.clone());
        let inspection = Inspection {
            plan: &plan_facts,
            http: &args.server.http,
            clock: &clock,
            simulated: args.server.simulate,
        };
        let mut servers = Vec::new();
        for (endpoint, found) in detected {
            servers.push(match found {
                Err(absent) => absent_server(endpoint, absent)?,
                Ok(found) => {
                    let mut report = inspection.look(&found).await?;
                    if !args.no_probe && report.model.is_some() {
                        inspection.probe(&found, &mut report).await?;
                    }
                    ServerFacts::answering(found, report)
                }
            });
        }
        let mut machine = None;
        if !args.server.simulate {
            let looked_at = machine::look(&servers, &args.out);
            let clock = Some(machine::test_clock().await);
            machine = Some(MachineFacts { clock, ..looked_at });
        }
        Ok(Facts {
            plan: plan_facts,
            servers,
            machine,
        })
    })
}

fn absent_server(endpoint: String, absent: DetectError) -> Result<ServerFacts, Fatal> {
    if absent.why == Absence::Usage {
        return Err(absent.fatal);
    }
    // The address is printed above the message already.
    let message = absent.fatal.to_string();
    let words = match message.split_once(": ") {
        Some((url, words)) if url.contains("://") => words,
        _ => &message,
    };
    Ok(ServerFacts {
        local: is_loopback(&endpoint),
        url: endpoint,
        state: ServerState::Absent {
            why: absent.why,
            message: words.to_owned(),
            hint: absent.fatal.hint_text().map(str::to_owned),
        },
    })
}

fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let address = rest.split('/').next().unwrap_or_default();
    let host = match address.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => address.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let loopback = |ip: std::net::IpAddr| ip.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(loopback)
}

/// Prints warnings and problems before a run on real servers. Sends no generation request and does not test the
/// timer. `results` is the folder for results.
pub(crate) async fn before_run(
    target: &Target,
    http: &HttpFlags,
    plan: PlanFacts,
    results: Option<&Path>,
    say: impl Fn(&str),
) {
    let clock = Clock::real();
    let inspection = Inspection {
        plan: &plan,
        http,
        clock: &clock,
        simulated: false,
    };
    let mut servers = Vec::new();
    for found in target.found() {
        // A server that stopped answering meanwhile fails in the run itself.
        if let Ok(Ok(report)) = clock.timeout(QUICK, inspection.look(found)).await {
            servers.push(ServerFacts::answering(found.clone(), report));
        }
    }
    let results = results.unwrap_or_else(|| Path::new("results"));
    let machine = Some(machine::look(&servers, results));
    let facts = Facts {
        plan,
        servers,
        machine,
    };
    for line in print::brief(&facts, &judge(&facts)) {
        say(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn loopback_in_any_spelling_is_this_machine() {
        for (url, expected) in [
            ("http://127.0.0.1:11434", true),
            ("localhost:80", true),
            ("http://LOCALHOST/v1", true),
            ("http://[::1]:8080/v1", true),
            ("127.0.0.1", true),
            ("http://192.168.0.2:11434", false),
            ("https://llm.example/v1", false),
            ("11434", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }
}
