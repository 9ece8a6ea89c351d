//! Processes as the kernel lists them under `/proc`, read at little cost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;

use procfs_core::net::{TcpNetEntries, TcpState};
use procfs_core::process::Stat;
use procfs_core::{ExplicitSystemInfo, FromBufReadSI as _, FromRead as _, ProcResult};

use crate::file::{OpenFile, entries, name, read, value};

/// A process table, or a copy of one in a test.
#[derive(Debug, Clone)]
pub(crate) struct Proc {
    root: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) uid: u32,
    pub(crate) inode: u64,
}

/// A process's parent, by process.
pub(crate) type Parents = BTreeMap<u32, u32>;

impl Proc {
    pub(crate) fn here() -> Self {
        Self::at("/proc")
    }

    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The listening sockets, IPv4 and IPv6; `None` where the kernel's tables cannot be read.
    pub(crate) fn listeners(&self) -> Option<Vec<Listener>> {
        let tables = ["net/tcp", "net/tcp6"].map(|table| {
            let table = std::fs::read(self.root.join(table)).ok()?;
            tcp_entries(&table).ok()
        });
        if tables.iter().all(Option::is_none) {
            return None;
        }
        let sockets = tables.into_iter().flatten().flat_map(|entries| entries.0);
        let listeners = sockets.filter(|socket| socket.state == TcpState::Listen);
        let listeners = listeners.map(|socket| Listener {
            address: socket.local_address,
            uid: socket.uid,
            inode: socket.inode,
        });
        Some(listeners.collect())
    }

    /// The processes that hold one of these sockets, and those whose open files may not be seen.
    pub(crate) fn holders(&self, inodes: &[u64]) -> (Vec<u32>, Vec<u32>) {
        let names: BTreeSet<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
        let mut holders = Vec::new();
        let mut hidden = Vec::new();
        for pid in self.pids() {
            let Ok(files) = self.process(pid).join("fd").read_dir() else {
                hidden.push(pid);
                continue;
            };
            let mut targets = files.flatten().filter_map(|fd| fd.path().read_link().ok());
            if targets.any(|target| target.to_str().is_some_and(|t| names.contains(t))) {
                holders.push(pid);
            }
        }
        (holders, hidden)
    }

    pub(crate) fn parents(&self) -> Parents {
        self.pids()
            .filter_map(|pid| {
                let stat = File::open(self.process(pid).join("stat")).ok()?;
                let stat = Stat::from_read(stat).ok()?;
                Some((pid, u32::try_from(stat.ppid).ok()?))
            })
            .collect()
    }

    /// The process that descends from none of the others; forked workers hold its sockets too.
    pub(crate) fn eldest(parents: &Parents, among: &[u32]) -> Option<u32> {
        let descends = |pid: &u32| ancestors(parents, *pid).any(|a| among.contains(&a));
        among.iter().find(|pid| !descends(pid)).copied()
    }

    /// All descendants of a process, parents before their children.
    pub(crate) fn below(parents: &Parents, root: u32) -> Vec<u32> {
        let of = |parent| {
            let children = parents.iter().filter(move |(_, of)| **of == parent);
            children.map(|(pid, _)| *pid).collect()
        };
        family(root, of).split_off(1)
    }

    /// The one hidden process of a user whose parent is not the user's; `None` if there are more.
    pub(crate) fn only_root_of(&self, uid: u32, parents: &Parents, hidden: &[u32]) -> Option<u32> {
        let own = hidden.iter().copied();
        let own: BTreeSet<u32> = own.filter(|pid| self.uid(*pid) == Some(uid)).collect();
        let mut roots = own
            .iter()
            .filter(|pid| parents.get(pid).is_none_or(|parent| !own.contains(parent)));
        let root = *roots.next()?;
        roots.next().is_none().then_some(root)
    }

    /// A process and its descendants as they are now.
    pub(crate) fn tree(&self, root: u32) -> Vec<u32> {
        // Where the kernel lists children by thread that is far cheaper than to read all processes.
        let listed = self.process(root).join(format!("task/{root}/children"));
        if !listed.exists() {
            return [vec![root], Self::below(&self.parents(), root)].concat();
        }
        family(root, |parent| {
            let threads = entries(&self.process(parent).join("task"));
            let children = threads
                .iter()
                .filter_map(|thread| read(&thread.join("children")));
            let children = children.collect::<Vec<_>>().join(" ");
            let pids = children.split_whitespace().map(str::parse);
            pids.filter_map(Result::ok).collect()
        })
    }

    /// A process's short name.
    pub(crate) fn name(&self, pid: u32) -> Option<String> {
        read(&self.process(pid).join("comm"))
    }

    /// The cores a process may run on, as the kernel writes them.
    pub(crate) fn cores(&self, pid: u32) -> Option<String> {
        self.status(pid, "Cpus_allowed_list:")
    }

    pub(crate) fn open(&self, pid: u32) -> Option<ProcessFile> {
        let stat = OpenFile::open(&self.process(pid).join("stat")).ok()?;
        Some(ProcessFile { pid, stat })
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> + use<> {
        let entries = entries(&self.root).into_iter();
        entries.filter_map(|entry| name(&entry).parse().ok())
    }

    pub(crate) fn process(&self, pid: u32) -> PathBuf {
        self.root.join(pid.to_string())
    }

    fn uid(&self, pid: u32) -> Option<u32> {
        // Real, effective, saved and file system's; a service's are one.
        let ids = self.status(pid, "Uid:")?;
        ids.split_whitespace().nth(1)?.parse().ok()
    }

    fn status(&self, pid: u32, key: &str) -> Option<String> {
        let status = read(&self.process(pid).join("status"))?;
        value(&status, key).map(str::to_owned)
    }
}

#[derive(Debug)]
pub(crate) struct ProcessFile {
    pub(crate) pid: u32,
    stat: OpenFile,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// CPU time of the process and of the children it waited for, seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory, bytes.
    pub(crate) memory_bytes: u64,
}

impl ProcessFile {
    /// Reads it again; `None` once the process is gone.
    pub(crate) fn read(&mut self) -> Option<Usage> {
        let stat = Stat::from_read(self.stat.bytes().ok()?).ok()?;
        // A zombie uses nothing any more, and its parent has not taken its CPU time over yet.
        let of_children = stat.cutime.max(0).unsigned_abs() + stat.cstime.max(0).unsigned_abs();
        let ticks = stat.utime + stat.stime + of_children;
        Some(Usage {
            cpu_s: ticks as f64 / ticks_per_second() as f64,
            memory_bytes: stat.rss * page_size(),
        })
    }
}

/// A process and its descendants, parents before their children.
fn family(root: u32, children: impl Fn(u32) -> Vec<u32>) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        for pid in children(parent) {
            if !found.contains(&pid) {
                found.push(pid);
            }
        }
        next += 1;
    }
    found
}

fn ancestors(parents: &Parents, pid: u32) -> impl Iterator<Item = u32> + '_ {
    let up = |pid: &u32| parents.get(pid).copied().filter(|parent| parent != pid);
    std::iter::successors(up(&pid), up)
}

fn tcp_entries(table: &[u8]) -> ProcResult<TcpNetEntries> {
    let system = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: ticks_per_second(),
        page_size: page_size(),
        is_little_endian: cfg!(target_endian = "little"),
    };
    TcpNetEntries::from_buf_read(table, &system)
}

#[cfg(unix)]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(unix)]
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

// Elsewhere there is no `/proc` to read.
#[cfg(not(unix))]
fn ticks_per_second() -> u64 {
    100
}

#[cfg(not(unix))]
fn page_size() -> u64 {
    4096
}
