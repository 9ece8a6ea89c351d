//! The client's own error: how late its timestamps are at rising load, with a server whose token times are
//! known. `tandem calibrate` measures it in full; commands on real servers measure it quickly first.

mod ladder;
mod measure;

use clock::Clock;
use document::budget::in_words;
use document::output::say;
use domain::Nanos;
use domain::exit::Fatal;
use domain::record::{BudgetDepth, BudgetEnd, ClientBudget, RunHeader, RuntimeFacts};
use runtime::Shutdown;

pub(crate) use self::ladder::Ladder;
use self::ladder::WARM_UP;
use self::measure::Setting;
use crate::descriptors;
use crate::flags::BudgetFlag;
use crate::flavour;
use crate::process;

/// The protocol of OpenAI-compatible servers, as the record names it.
const OPENAI: &str = "openai";

/// Measures the error budget in about a second; none in virtual time, with --no-calibrate, or after a failure.
pub(crate) async fn before_run(flag: BudgetFlag, header: &RunHeader) -> Option<ClientBudget> {
    // Without facts time is virtual, and the client takes none of it.
    let runtime = header.runtime.clone().filter(|_| !flag.no_calibrate)?;
    let first = header.endpoints.first();
    let compatible = first.is_some_and(|first| openai::wire::is_kind(&first.server.kind));
    let api = if compatible { OPENAI } else { "ollama" };
    let ladder = Ladder::quick(descriptors::most_with_both_ends());
    let stop = Shutdown::new(Nanos::ZERO);
    let budget = climb(ladder, api, runtime, &[], &stop).await;
    say(match &budget {
        Ok(budget) => format!("Client {}", in_words(budget)),
        Err(error) => format!("warning: the client was not calibrated: {error}"),
    });
    budget.ok()
}

/// Runs the loads of the ladder. `all` are the usable CPUs; the server gets those the client is not pinned to.
pub(crate) async fn climb(
    mut ladder: Ladder,
    api: &str,
    runtime: RuntimeFacts,
    all: &[u32],
    stop: &Shutdown,
) -> Result<ClientBudget, Fatal> {
    descriptors::enough_for(1, true)?;
    if let Some(streams) = ladder.left_out {
        say(format_args!(
            "warning: the client is not calibrated at {streams} streams or more: this process may not open \
             enough files; raise the limit with `ulimit -n`"
        ));
    }
    let pinned = &runtime.pinned;
    let apart = |cpu: &&u32| !pinned.is_empty() && !pinned.contains(cpu);
    let server_cpus: Vec<u32> = all.iter().filter(apart).copied().collect();
    let own = flavour::usable_cpus();
    let mut setting = Setting {
        compatible: api == OPENAI,
        http: runtime.http,
        cores: own + u32::try_from(server_cpus.len()).unwrap_or(0),
        server_cpus,
        memory: None,
    };
    let mut budget = ClientBudget {
        depth: ladder.depth,
        api: api.to_owned(),
        runtime,
        cores: setting.cores,
        shared_cores: setting.server_cpus.is_empty(),
        load_average: load_average(),
        steps: Vec::new(),
        ended: BudgetEnd::Done,
    };
    if measure::step(WARM_UP, &setting, stop).await?.is_none() {
        budget.ended = BudgetEnd::Interrupted;
        return Ok(budget);
    }
    setting.memory = process::memory();
    let clock = Clock::real();
    let began = clock.now();
    budget.ended = loop {
        let Some(load) = ladder.next(clock.now().since(began)) else {
            break ladder.end();
        };
        let Some(step) = measure::step(load, &setting, stop).await? else {
            break BudgetEnd::Interrupted;
        };
        if budget.depth == BudgetDepth::Full {
            let (streams, rate) = (step.streams, step.tokens_per_s);
            tracing::info!(streams, rate, "calibrated");
        }
        ladder.learn(load, &step);
        budget.steps.push(step);
    };
    let steps = &mut budget.steps;
    steps.sort_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    Ok(budget)
}

/// The one-minute load average; `None` except on Linux.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
