//! What a sweep that goes on takes from its folder. Whatever changes a figure is the sweep's own: an
//! arm that was measured otherwise than its pair would be compared with it all the same.

use std::path::Path;

use clap::ValueEnum;
use domain::exit::Fatal;
use domain::record::{BenchmarkTables, Manifest};

use crate::flags::{Common, HttpFlags, RuntimeArg, RuntimeFlags};
use crate::simulated;

/// The flags with what the sweep began with. A flag that says otherwise is refused.
pub(super) fn as_it_began(
    dir: &Path,
    manifest: &Manifest,
    typed: &Common,
) -> Result<Common, Fatal> {
    let mut common = typed.clone();
    let mut differ = Differences::default();
    let on_simulator = manifest.header.is_in_simulated_time();
    if on_simulator {
        differ.servers(typed);
        simulator(dir, manifest, typed, &mut common, &mut differ)?;
    } else if typed.server.simulate {
        let urls: Vec<_> = manifest
            .header
            .endpoints
            .iter()
            .map(|e| e.url.as_str())
            .collect();
        differ.say("on", &urls.join(" and "), "--simulate");
    }
    differ.option("--admission", manifest.header.admission, typed.admission);
    common.admission = manifest.header.admission;
    if let Some(began) = &manifest.benchmarks {
        let folder = |path: &Path| path.display().to_string();
        let typed = typed.benchmarks.as_deref().map(folder);
        differ.option("--benchmarks", Some(folder(&began.folder)), typed);
        common.benchmarks = Some(began.folder.clone());
    }
    if let (false, Some(facts)) = (on_simulator, &manifest.header.runtime) {
        let began = RuntimeFlags::of(facts);
        differ.runtime(&began, &typed.runtime);
        common.runtime = began;
        let began = HttpFlags::of(facts);
        differ.http(&began, &typed.server.http);
        common.server.http = began;
    }
    differ.refuse(dir)?;
    unchanged(dir, manifest, &common)?;
    Ok(common)
}

/// The benchmark tables in a folder, as a manifest keeps them.
pub(super) fn tables(folder: &Path) -> Result<BenchmarkTables, Fatal> {
    let sha256 = agents::tables_sha256(folder).map_err(|e| {
        Fatal::environment(e).hint("agents with the full workflow read them; see --benchmarks")
    })?;
    Ok(BenchmarkTables {
        folder: folder.to_owned(),
        sha256,
    })
}

/// Sets the simulator as it was set.
fn simulator(
    dir: &Path,
    manifest: &Manifest,
    typed: &Common,
    common: &mut Common,
    differ: &mut Differences,
) -> Result<(), Fatal> {
    let file = format!("{}/manifest.json", dir.display());
    let set = simulated::began(&manifest.header, &file, "sweep")?;
    let typed = &typed.server;
    differ.option("--profile", Some(&set.profile), typed.profile.as_ref());
    differ.option("--num-parallel", set.num_parallel, typed.num_parallel);
    let list = |faults: &[String]| (!faults.is_empty()).then(|| faults.join(" --fault "));
    differ.option("--fault", list(&set.faults), list(&typed.faults));
    simulated::set_as(&mut common.server, set);
    Ok(())
}

/// Refuses files that changed since the sweep began.
fn unchanged(dir: &Path, manifest: &Manifest, common: &Common) -> Result<(), Fatal> {
    let refused = |what: String| {
        Err(Fatal::usage(format!(
            "{} cannot go on as it began: {what} changed since",
            dir.display()
        ))
        .hint("bring back what it was, or begin a new sweep"))
    };
    if let Some(set) = &manifest.header.simulator
        && let Some(files) = simulated::changed(&common.server, set)?
    {
        return refused(files);
    }
    if let Some(began) = &manifest.benchmarks
        && tables(&began.folder)?.sha256 != began.sha256
    {
        return refused(format!("the tables in {}", began.folder.display()));
    }
    Ok(())
}

/// Flags that say otherwise than the folder, each in words.
#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Differences {
    fn say(&mut self, flag: &str, began: &str, typed: &str) {
        self.0.push(format!("{flag} {began}, not {typed}"));
    }

    /// A flag that may be given, with what the sweep began with.
    fn option<T: PartialEq + ToString>(&mut self, flag: &str, began: Option<T>, typed: Option<T>) {
        let Some(typed) = typed else { return };
        match began {
            Some(began) if began == typed => {}
            Some(began) => self.say(flag, &began.to_string(), &typed.to_string()),
            None => self.say("without", flag, &typed.to_string()),
        }
    }

    /// Flags that ask for real servers.
    fn servers(&mut self, typed: &Common) {
        let server = &typed.server;
        let urls = server.endpoints.join(" and ");
        if !urls.is_empty() {
            self.say("on", "the simulator", &urls);
        }
        if server.no_simulate {
            self.say("on", "the simulator", "--no-simulate");
        }
    }

    fn runtime(&mut self, began: &RuntimeFlags, typed: &RuntimeFlags) {
        let flavour = |flags: &RuntimeFlags| {
            let name = |runtime: RuntimeArg| runtime.to_possible_value();
            let value = flags.runtime.and_then(name);
            value.map(|value| value.get_name().to_owned())
        };
        self.option("--runtime", flavour(began), flavour(typed));
        self.option("--workers", began.workers, typed.workers);
        self.option("--pin", began.pin.as_ref(), typed.pin.as_ref());
    }

    fn http(&mut self, began: &HttpFlags, typed: &HttpFlags) {
        let name = |flags: &HttpFlags| {
            let value = flags.http.and_then(|http| http.to_possible_value());
            value.map(|value| value.get_name().to_owned())
        };
        self.option("--http", name(began), name(typed));
        self.option("--proxy", began.proxy.as_ref(), typed.proxy.as_ref());
    }

    fn refuse(self, dir: &Path) -> Result<(), Fatal> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Fatal::usage(format!(
            "{} was begun otherwise: {}",
            dir.display(),
            self.0.join("; ")
        ))
        .hint("leave these flags out: it goes on with what it began with; or begin a new sweep"))
    }
}
