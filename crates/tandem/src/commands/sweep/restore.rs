//! The settings of a resumed sweep, which are those it began with: arms that were measured under different
//! settings must not be compared.

use std::path::Path;

use domain::exit::Fatal;
use domain::record::{BenchmarkTables, Manifest};
use serde::Serialize;

use crate::flags::{Common, HttpFlags, RuntimeFlags};
use crate::simulated;

/// The flags with the sweep's own settings. Fails when a flag has another value, or a file that the sweep reads has
/// changed.
pub(super) fn flags(dir: &Path, manifest: &Manifest, typed: &Common) -> Result<Common, Fatal> {
    let header = &manifest.header;
    let mut common = typed.clone();
    let mut differences = Vec::new();
    let mut add_server = |began: &str, typed: &str| {
        differences.push(format!("on {began}, not {typed}"));
    };
    if header.is_in_simulated_time() {
        if !typed.server.endpoints.is_empty() {
            add_server("the simulator", &typed.server.endpoints.join(" and "));
        }
        if typed.server.no_simulate {
            add_server("the simulator", "--no-simulate");
        }
        let file = format!("{}/manifest.json", dir.display());
        let began = simulated::recorded(header, &file, "sweep")?;
        simulated::restore(&mut common.server, began);
    } else {
        if typed.server.simulate {
            let urls: Vec<_> = header.endpoints.iter().map(|e| e.url.as_str()).collect();
            add_server(&urls.join(" and "), "--simulate");
        }
        if let Some(facts) = &header.runtime {
            common.runtime = RuntimeFlags::of(facts);
            common.server.http = HttpFlags::of(facts);
        }
    }
    common.admission = header.admission;
    if let Some(began) = &manifest.benchmarks {
        common.benchmarks = Some(began.folder.clone());
    }
    for ((flag, began), (_, typed)) in as_typed(&common).into_iter().zip(as_typed(typed)) {
        let different = typed.filter(|typed| began.as_ref() != Some(typed));
        differences.extend(different.map(|typed| match &began {
            Some(began) => format!("with {flag} {began}, not {typed}"),
            None => format!("without {flag}, not {typed}"),
        }));
    }
    let dir = dir.display();
    if !differences.is_empty() {
        let differences = differences.join("; ");
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
        let what = format!("{dir} cannot be resumed: {files} has changed since it began");
        return Err(Fatal::usage(what).hint("restore the file, or start a new sweep"));
    }
    Ok(common)
}

/// The flags that a resumed sweep takes from its folder, with their values as they are typed.
fn as_typed(common: &Common) -> [(&'static str, Option<String>); 11] {
    fn text(value: Option<&impl ToString>) -> Option<String> {
        value.map(ToString::to_string)
    }
    fn name(value: Option<&impl Serialize>) -> Option<String> {
        let value = serde_json::to_value(value?).ok()?;
        value.as_str().map(str::to_owned)
    }
    let (server, runtime) = (&common.server, &common.runtime);
    let faults = Some(server.faults.join(" --fault ")).filter(|faults| !faults.is_empty());
    let benchmarks = common.benchmarks.as_ref().map(|path| path.display());
    [
        ("--profile", server.profile.clone()),
        ("--num-parallel", text(server.num_parallel.as_ref())),
        ("--cache-ram", text(server.cache_ram_mib.as_ref())),
        ("--fault", faults),
        ("--admission", text(common.admission.as_ref())),
        ("--benchmarks", text(benchmarks.as_ref())),
        ("--runtime", name(runtime.runtime.as_ref())),
        ("--workers", text(runtime.workers.as_ref())),
        ("--pin", text(runtime.pin.as_ref())),
        ("--http", name(server.http.http.as_ref())),
        ("--proxy", text(server.http.proxy.as_ref())),
    ]
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
