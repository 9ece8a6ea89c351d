//! Builds the simulator from flags, embedded or as a server of its own.

use std::fs::File;
use std::path::Path;

use clock::Clock;
use domain::exit::{Fatal, Hint as _, OrFatal as _};
use domain::hash::sha256_hex;
use domain::plan::Refused;
use domain::record::{RunHeader, SimulatorSettings};
use simulator::faults::FaultRules;
use simulator::profile::Profile;
use simulator::{Simulator, SimulatorConfig};

use crate::flags::{ServeArgs, ServerArgs};
use crate::folder;

pub(crate) async fn embedded(
    flags: &ServerArgs,
    seed: u64,
    servers: usize,
    clock: &Clock,
) -> Result<Simulator, Fatal> {
    let profile = Profile::load(flags.profile())?;
    let log = flags.simulator_log.as_deref();
    let config = SimulatorConfig {
        servers,
        seed: Some(seed),
        num_parallel: flags.num_parallel.map(|n| n as usize),
        cache_ram_mib: flags.cache_ram_mib.map(u64::from),
        faults: faults(&flags.faults)?,
        log: log.map(log_file).transpose()?,
        ..SimulatorConfig::new(profile, clock.clone())
    };
    Ok(Simulator::start(config).await?)
}

pub(crate) fn settings(flags: &ServerArgs) -> Result<SimulatorSettings, Fatal> {
    let profile = Profile::load(flags.profile())?;
    let set = (profile, faults(&flags.faults)?);
    let text = serde_json::to_vec(&set)?;
    Ok(SimulatorSettings {
        profile: flags.profile().to_owned(),
        num_parallel: flags.num_parallel,
        cache_ram_mib: flags.cache_ram_mib,
        faults: flags.faults.clone(),
        sha256: sha256_hex(&text),
    })
}

/// The simulator settings in a run's header, which are required to resume it.
pub(crate) fn recorded<'h>(
    header: &'h RunHeader,
    file: &str,
    run: &str,
) -> Result<&'h SimulatorSettings, Fatal> {
    header.simulator.as_ref().ok_or_else(|| {
        let what = format!("{file} has no simulator settings, so the {run} cannot be resumed");
        Fatal::usage(what).hint(format!("start a new one: {}", header.command))
    })
}

pub(crate) fn restore(flags: &mut ServerArgs, recorded: &SimulatorSettings) {
    flags.profile = Some(recorded.profile.clone());
    flags.num_parallel = recorded.num_parallel;
    flags.cache_ram_mib = recorded.cache_ram_mib;
    flags.faults.clone_from(&recorded.faults);
}

/// The profile and fault files, joined by `or`, if one of them has changed since the run began.
pub(crate) fn changed(
    flags: &ServerArgs,
    recorded: &SimulatorSettings,
) -> Result<Option<String>, Fatal> {
    if settings(flags)?.sha256 == recorded.sha256 {
        return Ok(None);
    }
    let files = [std::slice::from_ref(&recorded.profile), &recorded.faults];
    Ok(Some(files.concat().join(" or ")))
}

pub(crate) fn serve_config(args: &ServeArgs) -> Result<SimulatorConfig, Fatal> {
    let mut profile = Profile::load(&args.profile)?;
    if let Some(version) = &args.ollama_version {
        profile.server.version.clone_from(version);
    }
    // The clock is replaced by `serve`, which starts time with the server.
    let (clock, log) = (Clock::real(), args.log.as_deref());
    Ok(SimulatorConfig {
        servers: usize::from(args.servers),
        seed: args.seed,
        address: args.host,
        port: args.port,
        epoch: folder::wall_clock(),
        num_parallel: args.num_parallel.map(|n| n as usize),
        cache_ram_mib: args.cache_ram_mib.map(u64::from),
        faults: faults(&args.faults)?,
        log: log.map(log_file).transpose()?,
        ..SimulatorConfig::new(profile, clock)
    })
}

fn log_file(path: &Path) -> Result<File, Fatal> {
    File::create(path).or_environment(format!("{} could not be written", path.display()))
}

/// Faults from flags: `KIND=RATE`, or a file of rules.
fn faults(flags: &[String]) -> Result<FaultRules, Fatal> {
    let mut all = FaultRules::default();
    for flag in flags {
        let rules = if let Some((kind, rate)) = flag.split_once('=') {
            // Written as a rules file, so that the same checks apply.
            let kind = kind.replace('-', "_");
            let text = format!("[[fault]]\nkind = {kind:?}\nrate = {rate}\n");
            let rules = FaultRules::parse(&format!("--fault {flag}"), &text);
            rules.map_err(|why| Refused { line: None, ..why })?
        } else {
            let text = std::fs::read_to_string(flag)
                .or_usage(format!("the fault rules {flag} could not be read"))
                .hint("give a TOML file, or KIND=RATE such as busy=0.1")?;
            FaultRules::parse(flag, &text)?
        };
        all.rules.extend(rules.rules);
    }
    Ok(all)
}
