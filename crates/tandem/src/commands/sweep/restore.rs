//! The settings of a resumed sweep, which are those it began with: arms that were measured under different
//! settings must not be compared.

use std::path::Path;

use domain::exit::Fatal;
use domain::record::{BenchmarkTables, Manifest};
use serde::Serialize;

use crate::flags::{Common, HttpFlags, RuntimeFlags};
use crate::simulated;

/// The flags with the sweep's own settings. A flag with another value is refused.
pub(super) fn flags(dir: &Path, manifest: &Manifest, typed: &Common) -> Result<Common, Fatal> {
    let header = &manifest.header;
    let mut common = typed.clone();
    let mut differ = Differences::default();
    let on_simulator = header.is_in_simulated_time();
    if on_simulator {
        let file = format!("{}/manifest.json", dir.display());
        let began = simulated::recorded(header, &file, "sweep")?;
        let server = &typed.server;
        if !server.endpoints.is_empty() {
            differ.add("on", "the simulator", &server.endpoints.join(" and "));
        }
        if server.no_simulate {
            differ.add("on", "the simulator", "--no-simulate");
        }
        differ.option("--profile", Some(&began.profile), server.profile.as_ref());
        differ.option("--num-parallel", began.num_parallel, server.num_parallel);
        let list = |faults: &[String]| (!faults.is_empty()).then(|| faults.join(" --fault "));
        differ.option("--fault", list(&began.faults), list(&server.faults));
        simulated::restore(&mut common.server, began);
    } else if typed.server.simulate {
        let urls: Vec<_> = header.endpoints.iter().map(|e| e.url.as_str()).collect();
        differ.add("on", &urls.join(" and "), "--simulate");
    }
    differ.option("--admission", header.admission, typed.admission);
    common.admission = header.admission;
    if let Some(began) = &manifest.benchmarks {
        let folder = |path: &Path| path.display().to_string();
        let typed = typed.benchmarks.as_deref().map(folder);
        differ.option("--benchmarks", Some(folder(&began.folder)), typed);
        common.benchmarks = Some(began.folder.clone());
    }
    if let (false, Some(facts)) = (on_simulator, &header.runtime) {
        let began = RuntimeFlags::of(facts);
        let given = &typed.runtime;
        let runtime = |flags: &RuntimeFlags| flags.runtime.as_ref().and_then(name_of);
        differ.option("--runtime", runtime(&began), runtime(given));
        differ.option("--workers", began.workers, given.workers);
        differ.option("--pin", began.pin.as_ref(), given.pin.as_ref());
        common.runtime = began;
        let began = HttpFlags::of(facts);
        let given = &typed.server.http;
        let http = |flags: &HttpFlags| flags.http.as_ref().and_then(name_of);
        differ.option("--http", http(&began), http(given));
        differ.option("--proxy", began.proxy.as_ref(), given.proxy.as_ref());
        common.server.http = began;
    }
    if !differ.0.is_empty() {
        let differences = differ.0.join("; ");
        let dir = dir.display();
        let what =
            format!("{dir} cannot be resumed with different settings; it began {differences}");
        return Err(Fatal::usage(what).hint("leave these flags out, or start a new sweep"));
    }
    // A profile, a file of fault rules or the benchmark tables may have changed.
    let began = header.simulator.as_ref();
    let changed = began.map(|began| simulated::changed(&common.server, began));
    let mut changed = changed.transpose()?.flatten();
    if let (None, Some(began)) = (&changed, &manifest.benchmarks)
        && tables(&began.folder)?.sha256 != began.sha256
    {
        changed = Some(format!("a table in {}", began.folder.display()));
    }
    if let Some(files) = changed {
        let dir = dir.display();
        let what = format!("{dir} cannot be resumed: {files} has changed since it began");
        return Err(Fatal::usage(what).hint("restore the file, or start a new sweep"));
    }
    Ok(common)
}

/// The name of a flag's value, as it is typed.
fn name_of(value: &impl Serialize) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.as_str().map(str::to_owned)
}

pub(super) fn tables(folder: &Path) -> Result<BenchmarkTables, Fatal> {
    let sha256 = agents::tables_sha256(folder).map_err(|e| {
        Fatal::environment(e).hint("agents with the full workflow read them; see --benchmarks")
    })?;
    Ok(BenchmarkTables {
        folder: folder.to_owned(),
        sha256,
    })
}

#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, flag: &str, began: &str, typed: &str) {
        self.0.push(format!("{flag} {began}, not {typed}"));
    }

    fn option<T: PartialEq + ToString>(&mut self, flag: &str, began: Option<T>, typed: Option<T>) {
        let Some(typed) = typed.filter(|typed| began.as_ref() != Some(typed)) else {
            return;
        };
        match began {
            Some(began) => {
                let flag = format!("with {flag}");
                self.add(&flag, &began.to_string(), &typed.to_string());
            }
            None => self.add("without", flag, &typed.to_string()),
        }
    }
}
