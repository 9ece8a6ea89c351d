//! The client's own error: how late its stamps are at rising load, against a server whose token times
//! are known. `tandem calibrate` measures it thoroughly; what runs on real servers measures it quickly
//! before it begins.

mod ladder;
mod measure;

use clock::Clock;
use document::budget::in_words;
use document::output::say;
use domain::Nanos;
use domain::exit::Fatal;
use domain::record::{BudgetDepth, BudgetEnd, ClientBudget, EndpointFacts, RuntimeFacts};
use runtime::Shutdown;

pub(crate) use self::ladder::Ladder;
use self::ladder::WARM_UP;
use self::measure::Setting;
use crate::descriptors;
use crate::flags::{BudgetFlag, CalibrateApi};
use crate::flavour;
use crate::process;

/// The budget of a client that runs on real servers, in about a second; none when the user does
/// not want it. A client that cannot be calibrated runs all the same, with a warning.
pub(crate) async fn before_run(
    flag: BudgetFlag,
    runtime: Option<&RuntimeFacts>,
    endpoints: &[EndpointFacts],
) -> Option<ClientBudget> {
    // Without facts the time is virtual, in which the client costs none.
    let runtime = runtime.filter(|_| !flag.no_calibrate)?.clone();
    let compatible = endpoints
        .first()
        .is_some_and(|endpoint| openai::wire::is_kind(&endpoint.server.kind));
    let api = if compatible {
        CalibrateApi::Openai
    } else {
        CalibrateApi::Ollama
    };
    let ladder = Ladder::quick(descriptors::most_with_both_ends());
    let stop = Shutdown::new(Nanos::ZERO);
    match climb(ladder, api, runtime, &[], &stop).await {
        Ok(budget) => {
            say(format_args!("Client {}", in_words(&budget)));
            Some(budget)
        }
        Err(error) => {
            say(format_args!(
                "warning: the client was not calibrated: {error}"
            ));
            None
        }
    }
}

/// Tries loads until it is enough. `all` is what CPUs there were before the client was held to
/// some: the server gets those that are left.
pub(crate) async fn climb(
    mut ladder: Ladder,
    api: CalibrateApi,
    runtime: RuntimeFacts,
    all: &[u32],
    stop: &Shutdown,
) -> Result<ClientBudget, Fatal> {
    descriptors::enough_for(1, true)?;
    if let Some(streams) = ladder.left_out() {
        say(format_args!(
            "warning: the client is not calibrated at {streams} streams and more: this process may not open \
             enough files; raise the limit with `ulimit -n`"
        ));
    }
    let server_cpus: Vec<u32> = if runtime.pinned.is_empty() {
        Vec::new()
    } else {
        let apart = |cpu: &&u32| !runtime.pinned.contains(cpu);
        all.iter().filter(apart).copied().collect()
    };
    let own = flavour::usable_cpus();
    let mut setting = Setting {
        compatible: api == CalibrateApi::Openai,
        http: runtime.http,
        cores: own + u32::try_from(server_cpus.len()).unwrap_or(0),
        server_cpus,
        memory: None,
    };
    let mut budget = ClientBudget {
        depth: ladder.depth(),
        api: api.word().to_owned(),
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
    loop {
        let Some(load) = ladder.next(clock.now().since(began)) else {
            budget.ended = ladder.end();
            break;
        };
        let Some(step) = measure::step(load, &setting, stop).await? else {
            budget.ended = BudgetEnd::Interrupted;
            break;
        };
        if budget.depth == BudgetDepth::Full {
            tracing::info!(
                streams = step.streams,
                rate = step.tokens_per_s,
                "calibrated"
            );
        }
        ladder.learn(load, &step);
        budget.steps.push(step);
    }
    ladder::sort(&mut budget);
    Ok(budget)
}

/// The one-minute load average, where the system tells.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
