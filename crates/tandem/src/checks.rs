//! Checks of servers, plan and machine before anything is measured: all of them for `tandem doctor`,
//! the quick ones before a sweep or a capacity run.
//!
//! `gather` and `machine` look and touch; what they saw is [`facts`]; `judge` says what it means and
//! does nothing else.

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
use domain::exit::{Fatal, OrFatal as _};
use domain::plan::SweepPlan;
use domain::{ModelOptions, Nanos};

use self::facts::ServerFacts;
pub(crate) use self::facts::{Absence, Facts, MachineFacts, PlanFacts, ServerState};
pub(crate) use self::judge::{Finding, Level, judge};
pub(crate) use self::print::report;
use crate::flags::DoctorArgs;
use crate::stage::{self, Cast, Stage};
use crate::target::{self, Found, NotSeen, Seen, Why};

/// Most that a sweep waits for what a server tells before it begins.
const QUICK: Nanos = Nanos::from_secs(5);

/// Looks at everything that a sweep of this plan would meet.
pub(crate) fn look(args: &DoctorArgs, plan: &SweepPlan) -> Result<Facts, Fatal> {
    if args.server.simulate {
        simulated(args, plan)
    } else {
        real(args, plan)
    }
}

/// Servers and machine as they are, in real time.
fn real(args: &DoctorArgs, plan: &SweepPlan) -> Result<Facts, Fatal> {
    let endpoints = target::endpoints(&args.server);
    let apis = target::apis(&args.server)?;
    let key = target::api_key()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Fatal::environment)?;
    runtime.block_on(async {
        let clock = Clock::real();
        let plan_facts = gather::plan_facts(plan, endpoints.len());
        let options = gather::all_options(plan);
        let mut servers = Vec::new();
        for (endpoint, api) in endpoints.iter().zip(apis) {
            let seen = match target::see(endpoint, api, key.as_ref(), &plan.model).await {
                Ok(seen) => seen,
                Err(absent) => {
                    servers.push(absent_server(endpoint, absent)?);
                    continue;
                }
            };
            let mut there = gather::look(&seen, &options, &plan_facts, &clock, false).await?;
            if !args.no_probe && there.model.is_some() {
                announce(&seen, &plan_facts);
                gather::probe(&seen, &mut there, plan, &plan_facts, &clock).await?;
            }
            servers.push(server(&seen, there));
        }
        let urls: Vec<_> = servers.iter().map(|s| s.url.clone()).collect();
        let mut machine = machine::look(&urls, &args.out);
        machine.clock = Some(machine::try_clock().await);
        Ok(Facts {
            plan: plan_facts,
            servers,
            machine: Some(machine),
        })
    })
}

/// The embedded simulator, in virtual time. This machine has no part in it.
fn simulated(args: &DoctorArgs, plan: &SweepPlan) -> Result<Facts, Fatal> {
    let runtime =
        clock::virtual_runtime().or_environment("the async runtime could not be started")?;
    runtime.block_on(async {
        let count = gather::plan_facts(plan, 1).servers;
        let plan_facts = gather::plan_facts(plan, count);
        let options = gather::all_options(plan);
        eprintln!("{}", stage::simulated_in_words("--simulate", &args.server));
        let cast = Cast {
            model: &plan.model,
            servers: count,
            seed: plan.seed,
            timeouts: plan.timeouts,
        };
        let stage = Stage::simulated(&args.server, &cast, Nanos::ZERO).await?;
        let mut servers = Vec::new();
        for facts in &stage.endpoints {
            let seen = Seen {
                has: facts.model.iter().map(|m| m.name.clone()).collect(),
                found: Found {
                    facts: facts.clone(),
                    told: std::collections::BTreeMap::new(),
                },
            };
            let mut there = gather::look(&seen, &options, &plan_facts, &stage.clock, true).await?;
            if !args.no_probe {
                gather::probe(&seen, &mut there, plan, &plan_facts, &stage.clock).await?;
            }
            servers.push(server(&seen, there));
        }
        drop(stage.simulator);
        Ok(Facts {
            plan: plan_facts,
            servers,
            machine: None,
        })
    })
}

/// What is about to be sent, before it is.
fn announce(seen: &Seen, plan: &PlanFacts) {
    let together = gather::together(plan);
    eprintln!(
        "Asking {} for {} short answers, {together} of them at once, and to load the model where it is \
         not loaded; --no-probe leaves this out.",
        seen.found.facts.url,
        together + 1,
    );
}

fn server(seen: &Seen, there: facts::There) -> ServerFacts {
    let url = seen.found.facts.url.clone();
    ServerFacts {
        local: is_local(&url),
        url,
        state: ServerState::There(Box::new(there)),
    }
}

fn absent_server(endpoint: &str, absent: NotSeen) -> Result<ServerFacts, Fatal> {
    let why = match absent.why {
        Why::Usage => return Err(absent.fatal),
        Why::Unreachable => Absence::Unreachable,
        Why::Key => Absence::Key,
        Why::Other => Absence::NoModelServer,
    };
    let message = absent.fatal.to_string();
    // It stands under its address already.
    let words = message
        .split_once(": ")
        .filter(|(url, _)| url.contains("://"));
    Ok(ServerFacts {
        url: endpoint.to_owned(),
        local: is_local(endpoint),
        state: ServerState::Absent {
            why,
            message: words
                .map_or(message.as_str(), |(_, words)| words)
                .to_owned(),
            hint: absent.fatal.hint_text().map(str::to_owned),
        },
    })
}

/// True for addresses of this machine alone.
fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = |ip: std::net::IpAddr| ip.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(loopback)
}

/// What a sweep should know of before it begins.
pub(crate) async fn before_sweep(found: &[Found], plan: &SweepPlan, results: &Path) -> Vec<String> {
    let facts = gather::plan_facts(plan, found.len());
    before(found, facts, &gather::all_options(plan), results).await
}

/// What a load of up to so many agents, all with these options, should know of before it begins.
pub(crate) async fn before_load(
    found: &[Found],
    model: &str,
    agents: u32,
    options: &ModelOptions,
    results: &Path,
) -> Vec<String> {
    let facts = gather::load_facts(model, agents as usize, options, found.len());
    before(found, facts, &[options], results).await
}

/// In lines: warnings and problems only. Sends nothing that generates, and tries no timer.
async fn before(
    found: &[Found],
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
        // A server that was there a moment ago and is not now shows in the sweep itself.
        let look = gather::look(&seen, options, &plan_facts, &clock, false);
        if let Ok(Ok(there)) = clock.timeout(QUICK, look).await {
            servers.push(server(&seen, there));
        }
    }
    let urls: Vec<_> = servers.iter().map(|s| s.url.clone()).collect();
    let facts = Facts {
        plan: plan_facts,
        servers,
        machine: Some(machine::look(&urls, results)),
    };
    print::brief(&facts, &judge(&facts))
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn loopback_in_any_spelling_is_this_machine() {
        for url in [
            "http://127.0.0.1:11434",
            "localhost:80",
            "http://LOCALHOST/v1",
            "http://[::1]:8080/v1",
            "127.0.0.1",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "http://192.168.0.2:11434",
            "https://llm.example/v1",
            "11434",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
