//! The machine, described once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::record::Environment;
use domain::telemetry::{GpuSource, Gpus};
use sysinfo::{CpuRefreshKind, System};

use crate::file::{entries, read};
use crate::proc::Proc;
use crate::server::{FoundBy, ServerProcess, server_process};

/// Swap in use up to this many bytes is normal.
const SWAP_TOLERATED: u64 = 64 << 20;

/// Unreadable facts are left out; readings that may spoil a benchmark become `warnings`.
pub fn environment(gpu: GpuSource) -> Environment {
    describe(gpu, Path::new("/sys"))
}

/// Adds the constant facts of the devices and, for servers on this machine, their processes.
pub fn describe_devices(environment: &mut Environment, gpu: Option<&Gpus>, endpoints: &[String]) {
    for ((index, what), value) in gpu.iter().flat_map(|gpu| &gpu.facts) {
        let name = format!("gpu_{index}_{what}");
        environment.facts.insert(name, value.clone());
    }
    let proc = Proc::here();
    let own = proc.cores(std::process::id());
    for (place, endpoint) in (1..).zip(endpoints) {
        let mut fact = |what: &str, value: String| {
            let name = format!("server_{place}_{what}");
            environment.facts.insert(name, value);
        };
        match server_process(endpoint) {
            Ok(server) => {
                fact("process", describe_server(&server));
                let both = server.cores.as_deref().zip(own.as_deref());
                let shared = both.map_or(0, |(server, own)| shared_cores(server, own));
                if shared > 0 {
                    fact("cores_shared", shared.to_string());
                }
            }
            Err(why) => fact("process", format!("unknown: {why}")),
        }
    }
}

fn describe_server(server: &ServerProcess) -> String {
    let ServerProcess { pid, name, .. } = server;
    let below = match server.descendants.len() {
        0 => String::new(),
        1 => " with 1 descendant".to_owned(),
        n => format!(" with {n} descendants"),
    };
    let cores = server.cores.as_ref();
    let cores = cores.map(|cores| format!(" on cores {cores}"));
    let doubt = match server.found {
        FoundBy::Socket => "",
        FoundBy::User => ", taken for the server because its user runs nothing else",
    };
    format!(
        "{name} (pid {pid}){below}{}{doubt}",
        cores.unwrap_or_default()
    )
}

/// How many cores two of the kernel's lists have in common, `0-3,8` and `2-5` having two.
fn shared_cores(one: &str, other: &str) -> usize {
    let cores = |list: &str| -> BTreeSet<u32> {
        let ranges = list.split(',').filter_map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            Some(from.trim().parse().ok()?..=to.trim().parse().ok()?)
        });
        ranges.flatten().collect()
    };
    cores(one).intersection(&cores(other)).count()
}

/// `sys` is where the kernel's device tree is mounted; there is none outside Linux.
fn describe(gpu: GpuSource, sys: &Path) -> Environment {
    let mut system = System::new().ok();
    let mut cpu = "unknown".to_owned();
    let mut memory_bytes = 0;
    let mut facts = BTreeMap::new();
    let mut fact = |name: &str, value: String| facts.insert(name.to_owned(), value);
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
            fact("cores_of_host", host_cores.to_string());
        }
        let swap = system.used_swap();
        if swap > 0 {
            fact("swap_used_bytes_at_start", swap.to_string());
        }
        if swap >= SWAP_TOLERATED {
            warnings.push(format!(
                "swap is in use: {:.1} GB before the start; what was swapped out comes back slowly",
                swap as f64 / 1e9
            ));
        }
        if let Some(limits) = system.cgroup_limits()
            && limits.total_memory > 0
            && limits.total_memory < memory_bytes
        {
            fact("memory_limit_bytes", limits.total_memory.to_string());
        }
    }
    if let Ok(kernel) = System::kernel_version() {
        fact("kernel", kernel);
    }
    fact("arch", System::cpu_arch());
    if let Ok(load) = System::load_average() {
        fact("load_1m_at_start", format!("{:.2}", load.one));
        if load.one > f64::from(cores) / 2.0 {
            warnings.push(format!(
                "other work is running: load {:.1} on {cores} cores before the start",
                load.one
            ));
        }
    }
    let (power, held_down) = power_settings(sys);
    let known = power.map(|(name, value)| Some((name.to_owned(), value?)));
    facts.extend(known.into_iter().flatten());
    warnings.extend(held_down);
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

/// The facts of the CPU's governors and of the power source, and what about them may hold clocks down.
fn power_settings(sys: &Path) -> ([(&'static str, Option<String>); 2], Vec<String>) {
    let policies = entries(&sys.join("devices/system/cpu/cpufreq")).into_iter();
    let governors = policies.filter_map(|policy| read(&policy.join("scaling_governor")));
    let governors: BTreeSet<String> = governors.collect();
    let mut warnings = Vec::new();
    if governors.contains("powersave") {
        warnings.push("governor is powersave: CPU clocks may stay low or rise late".to_owned());
    }
    let on_battery = on_battery(sys);
    if on_battery == Some(true) {
        warnings.push("running on battery: clocks may be held down".to_owned());
    }
    let governors = governors.into_iter().collect::<Vec<_>>().join(", ");
    let source = on_battery.map(|on_battery| if on_battery { "battery" } else { "mains" });
    let facts = [
        ("governor", (!governors.is_empty()).then_some(governors)),
        ("power_source", source.map(str::to_owned)),
    ];
    (facts, warnings)
}

/// `None` where that is not known, as on a machine without a battery.
fn on_battery(sys: &Path) -> Option<bool> {
    let is = |supply: &Path, file: &str, value: &str| {
        read(&supply.join(file)).is_some_and(|text| text == value)
    };
    let mut supplies = entries(&sys.join("class/power_supply"));
    // A wireless mouse has a battery too.
    supplies.retain(|supply| !is(supply, "scope", "Device"));
    let any = |kind: &str, file: &str, value: &str| {
        let mut of_kind = supplies.iter().filter(|supply| is(supply, "type", kind));
        of_kind.any(|supply| is(supply, file, value))
    };
    if any("Battery", "status", "Discharging") {
        return Some(true);
    }
    (any("Mains", "online", "1") || any("Battery", "type", "Battery")).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::put_all;

    #[test]
    fn power_settings_are_facts_and_warnings() {
        let laptop = "devices/system/cpu/cpufreq/policy0/scaling_governor: powersave
                      devices/system/cpu/cpufreq/policy1/scaling_governor: performance
                      class/power_supply/AC/type: Mains
                      class/power_supply/AC/online: 0
                      class/power_supply/BAT0/type: Battery
                      class/power_supply/BAT0/status: Discharging";
        let desktop_with_a_wireless_mouse = "class/power_supply/AC/type: Mains
                                             class/power_supply/AC/online: 1
                                             class/power_supply/mouse/type: Battery
                                             class/power_supply/mouse/scope: Device
                                             class/power_supply/mouse/status: Discharging";
        for (files, governor, source, about) in [
            (
                laptop,
                Some("performance, powersave"),
                Some("battery"),
                &["governor is powersave", "running on battery"][..],
            ),
            (desktop_with_a_wireless_mouse, None, Some("mains"), &[]),
            ("", None, None, &[]),
        ] {
            let sys = tempfile::tempdir().unwrap();
            put_all(sys.path(), files);
            let reason = String::new();
            let environment = describe(GpuSource::Absent { reason }, sys.path());
            let fact = |name| environment.facts.get(name).map(String::as_str);
            assert_eq!([fact("governor"), fact("power_source")], [governor, source]);
            let warnings = environment.warnings.iter();
            let known = warnings.filter(|w| w.starts_with("governor") || w.starts_with("running"));
            let about_each = known.map(|warning| warning.split(':').next().unwrap());
            assert!(about_each.eq(about.iter().copied()), "{environment:?}");
        }
    }

    #[test]
    fn cores_in_common_are_counted_from_the_kernels_lists() {
        assert_eq!(shared_cores("0-3,8", "2-5"), 2);
        assert_eq!(shared_cores("0", "0-1"), 1);
        assert_eq!(shared_cores("0-1", "2-3"), 0);
        assert_eq!(shared_cores("garbage", "0-3"), 0);
    }

    #[test]
    fn a_server_of_this_machine_is_described_and_one_elsewhere_says_why_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let gpu = GpuSource::Absent {
            reason: "none here".to_owned(),
        };
        let mut environment = describe(gpu.clone(), Path::new("/nowhere"));
        assert!(environment.cores >= 1 && environment.memory_bytes > 0);
        assert!(!environment.os.is_empty());
        assert_eq!(environment.gpu, gpu);
        let endpoints = [here, "http://example.com:80".to_owned()];
        let devices = Gpus {
            source: gpu,
            facts: [((0, "link"), "A".to_owned())].into(),
            read: Box::new(|_| Vec::new()),
        };
        describe_devices(&mut environment, Some(&devices), &endpoints);
        assert_eq!(environment.facts["gpu_0_link"], "A");
        let elsewhere = &environment.facts["server_2_process"];
        assert!(elsewhere.contains("not on loopback"), "{elsewhere}");
        if !Path::new("/proc/net/tcp").exists() {
            println!("skipped the rest: no /proc/net/tcp here");
            return;
        }
        let process = &environment.facts["server_1_process"];
        let pid = format!("(pid {})", std::process::id());
        assert!(process.contains(&pid), "{process}");
        assert!(environment.facts.contains_key("server_1_cores_shared"));
    }
}
