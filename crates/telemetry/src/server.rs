//! The server process of an endpoint on this host, its CPU use and its memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::telemetry::ServerReading;
use domain::{Nanos, Stamp};
use url::{Host, Url};

use crate::proc::{Listener, Proc, ProcessFile};

/// CPU use is averaged over this time; shorter intervals have too few of the kernel's ticks.
const CPU_INTERVAL: Nanos = Nanos::from_secs(1);

/// The process that listens where an endpoint points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerProcess {
    pub(crate) pid: u32,
    /// Its short name, as the kernel keeps it (15 characters).
    pub(crate) name: String,
    /// Its descendants (Ollama's runners, for example), at the time of the search.
    pub(crate) descendants: Vec<u32>,
    /// The cores it may run on, as the kernel writes them: `0-7`.
    pub(crate) cores: Option<String>,
    pub(crate) found: FoundBy,
}

impl ServerProcess {
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.pid == pid || self.descendants.contains(&pid)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// It holds the listening socket.
    Socket,
    /// The process may not be inspected, but the socket's user runs nothing else.
    User,
}

/// The process that serves a loopback endpoint, with its descendants.
///
/// From the listening port to the socket's inode (`/proc/net/tcp`, `/proc/net/tcp6`) to the
/// process that holds it (`/proc/<pid>/fd`). Costs some milliseconds. Fails with the reason where the process cannot
/// be found.
pub(crate) fn server_process(endpoint: &str) -> Result<ServerProcess, String> {
    find(&Proc::here(), endpoint)
}

fn find(proc: &Proc, endpoint: &str) -> Result<ServerProcess, String> {
    let (hosts, port) = loopback(endpoint)?;
    let listeners = proc
        .listeners()
        .ok_or("this system does not report which process listens on a port (no /proc/net/tcp)")?;
    let ip = |listener: &Listener| listener.address.ip().to_canonical();
    let at = |wanted: &dyn Fn(IpAddr) -> bool| -> Vec<&Listener> {
        let on_port = listeners.iter().filter(|l| l.address.port() == port);
        on_port.filter(|l| wanted(ip(l))).collect()
    };
    // A socket bound to exactly this address takes precedence over one bound to all addresses.
    let mut serving = at(&|ip| hosts.contains(&ip));
    if serving.is_empty() {
        serving = at(&|ip| ip.is_unspecified());
    }
    let Some(&&Listener { uid, .. }) = serving.first() else {
        return Err(format!(
            "no process listens on port {port} of this host; is the server in a container?"
        ));
    };
    let inodes: Vec<u64> = serving.iter().map(|listener| listener.inode).collect();
    let (holders, hidden) = proc.holders(&inodes);
    let parents = proc.parents();
    let of_user = || proc.only_root_of(uid, &parents, &hidden);
    let (pid, found) = Proc::eldest(&parents, &holders)
        .map(|pid| (pid, FoundBy::Socket))
        .or_else(|| Some((of_user()?, FoundBy::User)))
        .ok_or_else(|| {
            format!(
                "port {port} belongs to user {uid}, and which of that user's processes is the server cannot be \
                 read here; run as that user or as root to see the server's CPU and memory"
            )
        })?;
    Ok(ServerProcess {
        pid,
        name: proc.name(pid).unwrap_or_else(|| "unknown".to_owned()),
        descendants: Proc::below(&parents, pid),
        cores: proc.cores(pid),
        found,
    })
}

/// The loopback addresses an endpoint may mean, and its port.
fn loopback(endpoint: &str) -> Result<(Vec<IpAddr>, u16), String> {
    let url = Url::parse(endpoint).ok();
    let parts = (url.as_ref()).and_then(|url| Some((url.host()?, url.port_or_known_default()?)));
    let (host, port) = parts.ok_or_else(|| format!("`{endpoint}` is not the URL of a server"))?;
    let ip = match host {
        Host::Domain(name) if name.eq_ignore_ascii_case("localhost") => {
            Some(Ipv4Addr::UNSPECIFIED.into())
        }
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::from(ip)),
        Host::Ipv6(ip) => Some(ip.to_canonical()),
    };
    match ip {
        // Every address of this host, or its name.
        Some(ip) if ip.is_unspecified() => {
            let hosts = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            Ok((hosts, port))
        }
        Some(ip) if ip.is_loopback() => Ok((vec![ip], port)),
        // Another machine, or this one under a network address.
        _ => Err(format!(
            "{host} is not on loopback, so its process is not looked for here"
        )),
    }
}

#[derive(Debug)]
pub(crate) struct ServerSampler {
    proc: Proc,
    servers: Vec<ServerTree>,
}

#[derive(Debug)]
struct ServerTree {
    endpoint: u32,
    root: u32,
    /// It ended. Its id may belong to another process by now, so it is not searched for again.
    gone: bool,
    tree: Vec<ProcessFile>,
    /// When the tree was last walked, and the CPU time it had used by then.
    walked: Option<(Stamp, f64)>,
    cpu_percent: Option<f64>,
}

impl ServerSampler {
    /// Looks for the process of each endpoint; the endpoint's place is its index in readings.
    pub(crate) fn find(proc: Proc, endpoints: &[String]) -> Self {
        let servers = (0..).zip(endpoints).filter_map(|(endpoint, url)| {
            Some(ServerTree {
                endpoint,
                root: find(&proc, url).ok()?.pid,
                gone: false,
                tree: Vec::new(),
                walked: None,
                cpu_percent: None,
            })
        });
        let servers = servers.collect();
        Self { proc, servers }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Reads every server that still runs. Process trees are listed again once a second.
    pub(crate) fn sample(&mut self, at: Stamp) -> Vec<ServerReading> {
        let servers = self.servers.iter_mut();
        let readings = servers.filter_map(|server| server.sample(&self.proc, at));
        readings.collect()
    }

    /// The endpoint whose server a process belongs to, as of the last sample.
    pub(crate) fn owner(&self, pid: u32) -> Option<u32> {
        let holds = |server: &&ServerTree| server.tree.iter().any(|process| process.pid == pid);
        Some(self.servers.iter().find(holds)?.endpoint)
    }
}

impl ServerTree {
    fn sample(&mut self, proc: &Proc, at: Stamp) -> Option<ServerReading> {
        if self.gone {
            return None;
        }
        let is_due = |(walked, _)| at.since(walked) >= CPU_INTERVAL;
        let due = self.walked.is_none_or(is_due);
        if due {
            self.walk(proc);
        }
        let mut cpu_s = 0.0;
        let mut memory_bytes = 0;
        self.tree.retain_mut(|process| {
            let usage = process.read();
            cpu_s += usage.map_or(0.0, |usage| usage.cpu_s);
            memory_bytes += usage.map_or(0, |usage| usage.memory_bytes);
            usage.is_some()
        });
        if !self.tree.iter().any(|process| process.pid == self.root) {
            self.gone = true;
            self.tree.clear();
            return None;
        }
        if due {
            // Averaged between two listings, so that a new process counts from its start.
            self.cpu_percent = self.walked.and_then(|(walked, before)| {
                let wall = at.since(walked).as_secs_f64();
                (wall > 0.0).then(|| 100.0 * (cpu_s - before).max(0.0) / wall)
            });
            self.walked = Some((at, cpu_s));
        }
        Some(ServerReading {
            endpoint: self.endpoint,
            processes: self.tree.len() as u32,
            cpu_percent: self.cpu_percent,
            memory_bytes,
        })
    }

    /// Opens the processes that are new in the tree and drops those that left it.
    fn walk(&mut self, proc: &Proc) {
        let mut pids = proc.tree(self.root);
        self.tree.retain(|process| pids.contains(&process.pid));
        pids.retain(|pid| !self.tree.iter().any(|process| process.pid == *pid));
        let fresh = pids.into_iter().filter_map(|pid| proc.open(pid));
        self.tree.extend(fresh);
    }
}

#[cfg(test)]
mod tests;
