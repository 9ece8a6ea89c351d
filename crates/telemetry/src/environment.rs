//! The machine, described once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::record::Environment;
use domain::telemetry::GpuSource;
use sysinfo::{CpuRefreshKind, System};

/// Describes the machine. What cannot be read is left out; readings that may spoil a benchmark are
/// put into words under `warnings`.
pub fn environment(gpu: GpuSource) -> Environment {
    describe(gpu, Path::new("/sys"))
}

/// `sys` is where the kernel's device tree is mounted; there is none outside Linux.
fn describe(gpu: GpuSource, sys: &Path) -> Environment {
    let mut system = System::new().ok();
    let mut cpu = "unknown".to_owned();
    let mut memory_bytes = 0;
    let mut facts = BTreeMap::new();
    let mut warnings = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);

    if let Some(system) = &mut system {
        system.refresh_memory();
        system.refresh_cpu_specifics(CpuRefreshKind::nothing());
        memory_bytes = system.total_memory();
        if let Some(first) = system.cpus().first().filter(|c| !c.brand().is_empty()) {
            first.brand().trim().clone_into(&mut cpu);
        }
        let host_cores = system.cpus().len() as u32;
        if host_cores != cores && host_cores != 0 {
            facts.insert("cores_of_host".to_owned(), host_cores.to_string());
        }
        if let Some(limits) = system.cgroup_limits()
            && limits.total_memory > 0
            && limits.total_memory < memory_bytes
        {
            let limit = limits.total_memory.to_string();
            facts.insert("memory_limit_bytes".to_owned(), limit);
        }
    }
    if let Ok(kernel) = System::kernel_version() {
        facts.insert("kernel".to_owned(), kernel);
    }
    facts.insert("arch".to_owned(), System::cpu_arch());
    if let Ok(load) = System::load_average() {
        facts.insert("load_1m_at_start".to_owned(), format!("{:.2}", load.one));
        if load.one > f64::from(cores) / 2.0 {
            warnings.push(format!(
                "other work is running: one-minute load average {:.1} on {cores} cores",
                load.one
            ));
        }
    }
    let governors = governors(sys);
    if !governors.is_empty() {
        let names: Vec<_> = governors.iter().map(String::as_str).collect();
        facts.insert("governor".to_owned(), names.join(", "));
    }
    if governors.contains("powersave") {
        warnings.push("governor is powersave: CPU clocks may stay low or rise late".to_owned());
    }
    if let Some(on_battery) = on_battery(sys) {
        let source = if on_battery { "battery" } else { "mains" };
        facts.insert("power_source".to_owned(), source.to_owned());
        if on_battery {
            warnings.push("running on battery: clocks may be held down".to_owned());
        }
    }
    Environment {
        os: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        cpu,
        cores,
        memory_bytes,
        gpu,
        facts,
        warnings,
    }
}

/// The frequency governors of all cores.
fn governors(sys: &Path) -> BTreeSet<String> {
    let Ok(policies) = sys.join("devices/system/cpu/cpufreq").read_dir() else {
        return BTreeSet::new();
    };
    policies
        .filter_map(|policy| read(&policy.ok()?.path().join("scaling_governor")))
        .collect()
}

/// Whether the machine draws on its battery; `None` where that cannot be told, as on a machine
/// without one.
fn on_battery(sys: &Path) -> Option<bool> {
    let supplies: Vec<_> = sys
        .join("class/power_supply")
        .read_dir()
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        // A wireless mouse has a battery too.
        .filter(|supply| read(&supply.join("scope")).as_deref() != Some("Device"))
        .collect();
    let of_kind = |kind: &str| {
        supplies
            .iter()
            .filter(move |supply| read(&supply.join("type")).as_deref() == Some(kind))
            .collect::<Vec<_>>()
    };
    let batteries = of_kind("Battery");
    let status = |supply: &Path| read(&supply.join("status"));
    if batteries
        .iter()
        .any(|b| status(b).as_deref() == Some("Discharging"))
    {
        return Some(true);
    }
    let online = |supply: &Path| read(&supply.join("online")).as_deref() == Some("1");
    if of_kind("Mains").iter().any(|supply| online(supply)) || !batteries.is_empty() {
        return Some(false);
    }
    None
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn absent() -> GpuSource {
        GpuSource::Absent {
            reason: "none here".to_owned(),
        }
    }

    #[test]
    fn a_laptop_on_battery_with_powersave_is_warned_about() {
        let sys = tempfile::tempdir().unwrap();
        for (path, text) in [
            (
                "devices/system/cpu/cpufreq/policy0/scaling_governor",
                "powersave\n",
            ),
            (
                "devices/system/cpu/cpufreq/policy1/scaling_governor",
                "performance\n",
            ),
            ("class/power_supply/AC/type", "Mains\n"),
            ("class/power_supply/AC/online", "0\n"),
            ("class/power_supply/BAT0/type", "Battery\n"),
            ("class/power_supply/BAT0/status", "Discharging\n"),
        ] {
            put(sys.path(), path, text);
        }
        let environment = describe(absent(), sys.path());
        assert_eq!(environment.facts["governor"], "performance, powersave");
        assert_eq!(environment.facts["power_source"], "battery");
        for word in ["governor is powersave", "on battery"] {
            let about = |w: &String| w.contains(word);
            assert!(environment.warnings.iter().any(about), "{word}");
        }
    }

    #[test]
    fn a_desktop_with_a_wireless_mouse_is_on_mains() {
        let sys = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("class/power_supply/AC/type", "Mains\n"),
            ("class/power_supply/AC/online", "1\n"),
            ("class/power_supply/mouse/type", "Battery\n"),
            ("class/power_supply/mouse/scope", "Device\n"),
            ("class/power_supply/mouse/status", "Discharging\n"),
        ] {
            put(sys.path(), path, text);
        }
        let environment = describe(absent(), sys.path());
        assert_eq!(environment.facts["power_source"], "mains");
        assert!(!environment.facts.contains_key("governor"));
    }

    #[test]
    fn this_machine_has_a_processor_and_memory_and_unreadable_facts_are_left_out() {
        let sys = tempfile::tempdir().unwrap();
        let environment = describe(absent(), sys.path());
        assert!(environment.cores >= 1);
        assert!(environment.memory_bytes > 0);
        assert!(!environment.os.is_empty());
        assert_eq!(environment.gpu, absent());
        for fact in ["governor", "power_source"] {
            assert!(!environment.facts.contains_key(fact), "{fact}");
        }
    }
}
