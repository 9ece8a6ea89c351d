//! `tandem calibrate`: the client's own error budget; and the quick one that runs measure before
//! they begin.

mod ladder;
mod measure;
mod print;

use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use clock::Clock;
use domain::Nanos;
use domain::record::{
    BudgetDepth, BudgetEnd, CALIBRATION_FILE, CALIBRATION_SCHEMA, Calibration, ClientBudget,
    EndpointFacts, RuntimeFacts,
};
use domain::telemetry::GpuSource;
use metrics::budget::in_words;
use runtime::{Shutdown, ShutdownLevel};

use self::ladder::{Ladder, WARM_UP};
use self::measure::Setting;
use crate::commands::load::process;
use crate::commands::sweep::command_line;
use crate::descriptors;
use crate::exit::{ExitStatus, Fatal};
use crate::flavour::{self, RuntimeFlags};
use crate::folder;
use crate::target::Target;

/// File descriptors that are not streams: standard streams, the runtime's, files read on the way.
const OTHER_FILES: u64 = 64;

/// Flags of `tandem calibrate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 measured; 1 measured, but some streams had to be left out; 2 wrong usage; \
                  3 nothing could be measured; 130 interrupted (Ctrl-C or SIGTERM)."
)]
pub(crate) struct CalibrateArgs {
    /// Streams at once, one load after another. Then the rate of the last one is doubled until the
    /// bias reaches 1 ms or the machine is full.
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "1,32,128,500"
    )]
    pub(crate) streams: Vec<NonZeroU32>,
    /// About a second instead of half a minute: the same loads as before a run.
    #[arg(long, conflicts_with = "streams")]
    pub(crate) quick: bool,
    /// What the client speaks.
    #[arg(long, value_enum, default_value_t = CalibrateApi::Ollama)]
    pub(crate) api: CalibrateApi,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
    /// Also write DIR/calibration.json, from which `tandem report --input DIR` makes a report.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Machine-readable: one JSON object on standard output. docs/calibration.md has its keys.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flag of whatever measures real servers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BudgetFlag {
    /// Do not measure the client's own error first, which takes about a second against a real
    /// server. The report then cannot say what of it is in the figures.
    #[arg(long)]
    pub(crate) no_calibrate: bool,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CalibrateApi {
    /// Ollama's native API.
    Ollama,
    /// OpenAI-compatible chat completions.
    Openai,
}

impl CalibrateApi {
    const fn word(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Openai => "openai",
        }
    }
}

/// Measures the budget, prints it, and writes it if asked to.
pub(crate) fn calibrate(args: &CalibrateArgs) -> Result<ExitStatus, Fatal> {
    if let Some(out) = &args.out {
        folder::refuse_used(out)?;
        folder::make(out)?;
    }
    let all = flavour::usable();
    // The runtime that a real server would get.
    let (runtime, facts) = args.runtime.start(&Target::Real(Vec::new()))?;
    let facts = facts.context("a real target has runtime facts");
    let facts = facts.map_err(Fatal::environment)?;
    let now = folder::wall_clock();
    let streams: Vec<u32> = args.streams.iter().map(|n| n.get()).collect();
    let environment = telemetry::environment(GpuSource::Absent {
        reason: "a calibration uses none".to_owned(),
    });
    let budget = runtime.block_on(async {
        let stop = Shutdown::new(Nanos::ZERO);
        let told = |level| {
            if level < ShutdownLevel::Aborted {
                eprintln!("Stopping; what was measured so far is printed.");
            }
        };
        let most = most_streams();
        if let Some(over) = streams.iter().find(|n| !args.quick && **n > most) {
            return Err(too_many(*over, most));
        }
        let ladder = if args.quick {
            Ladder::quick(most)
        } else {
            Ladder::full(&streams, most)
        };
        let climbing = climb(ladder, args.api, facts, &all, &stop);
        tokio::select! {
            budget = climbing => budget,
            error = stop.on_signal(told) => Err(Fatal::environment(error)),
        }
    })?;
    let calibration = Calibration {
        schema: CALIBRATION_SCHEMA,
        name: args.out.as_deref().map_or_else(
            || "calibration".to_owned(),
            |dir| folder::name_of(dir, "calibration"),
        ),
        tool: folder::tool(),
        started_at: folder::started_at(now),
        command: command_line(),
        environment,
        budget,
    };
    finish(&calibration, args)?;
    let budget = &calibration.budget;
    Ok(if budget.ended == BudgetEnd::Interrupted {
        ExitStatus::Interrupted
    } else if budget.steps.iter().any(|step| step.left_out > 0) {
        ExitStatus::SomeFailed
    } else {
        ExitStatus::Done
    })
}

fn too_many(streams: u32, most: u32) -> Fatal {
    Fatal::usage(anyhow!(
        "{streams} streams take more file descriptors than this process may open; {most} fit"
    ))
    .hint("raise the limit with `ulimit -n`, or give --streams fewer")
}

/// Prints first: what was measured must not be lost to a full disk.
fn finish(calibration: &Calibration, args: &CalibrateArgs) -> Result<(), Fatal> {
    let text = if args.json {
        let mut line = serde_json::to_string(calibration).map_err(Fatal::environment)?;
        line.push('\n');
        line
    } else {
        print::block(calibration)
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("the budget could not be printed")
        .map_err(Fatal::environment)?;
    if let Some(dir) = &args.out {
        write(dir, calibration)
            .with_context(|| format!("{} could not be written", dir.display()))
            .map_err(Fatal::environment)?;
        eprintln!("Wrote {}", dir.join(CALIBRATION_FILE).display());
    }
    Ok(())
}

fn write(dir: &Path, calibration: &Calibration) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    folder::write_json(&dir.join(CALIBRATION_FILE), calibration)
}

/// The budget of a client that runs on real servers, in about a second; none when the user does
/// not want it. A client that cannot be calibrated runs all the same, with a warning.
pub(crate) async fn budget(
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
    let ladder = Ladder::quick(most_streams());
    let stop = Shutdown::new(Nanos::ZERO);
    match climb(ladder, api, runtime, &[], &stop).await {
        Ok(budget) => {
            eprintln!("Client {}", in_words(&budget));
            Some(budget)
        }
        Err(error) => {
            eprintln!("warning: the client was not calibrated: {error}");
            None
        }
    }
}

/// Tries loads until it is enough. `all` is what CPUs there were before the client was held to
/// some: the server gets those that are left.
async fn climb(
    mut ladder: Ladder,
    api: CalibrateApi,
    runtime: RuntimeFacts,
    all: &[u32],
    stop: &Shutdown,
) -> Result<ClientBudget, Fatal> {
    let server_cpus: Vec<u32> = if runtime.pinned.is_empty() {
        Vec::new()
    } else {
        let apart = |cpu: &&u32| !runtime.pinned.contains(cpu);
        all.iter().filter(apart).copied().collect()
    };
    let own = flavour::usable_cpus();
    let mut setting = Setting {
        compatible: api == CalibrateApi::Openai,
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

/// Streams for which there are file descriptors: both ends of each lie in this process.
fn most_streams() -> u32 {
    let files = descriptors::limit().unwrap_or(u64::MAX);
    u32::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(u32::MAX)
}
