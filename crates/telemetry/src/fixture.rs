//! Copies of the kernel's trees, and made-up devices, for tests.

use std::collections::BTreeMap;
use std::path::Path;

use domain::Stamp;
use domain::telemetry::{GpuProcess, GpuReading, GpuSampler, GpuSource};

/// Made-up devices; `read` gets the sampling time, if there is one.
pub(crate) struct Devices<F> {
    pub(crate) names: Vec<String>,
    pub(crate) read: F,
}

impl<F: FnMut(Option<Stamp>) -> Vec<GpuReading> + Send + 'static> Devices<F> {
    pub(crate) fn boxed(names: &[&str], read: F) -> Box<dyn GpuSampler> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Box::new(Self { names, read })
    }
}

impl<F: FnMut(Option<Stamp>) -> Vec<GpuReading> + Send> GpuSampler for Devices<F> {
    fn source(&self) -> GpuSource {
        GpuSource::Amd {
            driver: "1".to_owned(),
            devices: self.names.clone(),
            notes: vec![format!("{}: no power", self.names[0])],
        }
    }
    fn sample(&mut self, at: Option<Stamp>) -> Vec<GpuReading> {
        (self.read)(at)
    }
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("gpu_0_link".to_owned(), self.names[0].clone())])
    }
}

pub(crate) fn on_device(pid: u32, memory_bytes: Option<u64>) -> GpuProcess {
    GpuProcess {
        pid,
        memory_bytes,
        ..GpuProcess::default()
    }
}

pub(crate) fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Writes files: a path and its content a line, `\n` for a line's end; `#` begins a comment.
pub(crate) fn put_all(root: &Path, files: &str) {
    let lines = files.lines().filter(|line| !line.starts_with('#'));
    for (path, content) in lines.filter_map(|line| line.trim_start().split_once(": ")) {
        put(root, path, content.replace("\\n", "\n") + "\n");
    }
}

/// A process with its parent, user, CPU ticks (its own, its children's) and resident pages.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) uid: u32,
    pub(crate) name: &'static str,
    pub(crate) ticks: u64,
    pub(crate) children_ticks: u64,
    pub(crate) pages: u64,
}

impl Process {
    pub(crate) const fn new(pid: u32, parent: u32, name: &'static str) -> Self {
        Self {
            pid,
            parent,
            uid: 1000,
            name,
            ticks: 0,
            children_ticks: 0,
            pages: 10,
        }
    }

    pub(crate) fn put(&self, proc: &Path) {
        let Self {
            pid,
            parent,
            uid,
            name,
            ticks,
            children_ticks,
            pages,
        } = self;
        let stat = format!(
            "{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194304 500 0 0 0 {ticks} 0 \
             {children_ticks} 0 20 0 4 0 1000 20000000 {pages} 18446744073709551615 1 1 0 0 0 0 \
             0 4096 81928 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        put(proc, &format!("{pid}/stat"), stat);
        put(proc, &format!("{pid}/comm"), format!("{name}\n"));
        let status =
            format!("Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCpus_allowed_list:\t0-3\n");
        put(proc, &format!("{pid}/status"), status);
    }
}

/// Gives a process an open file: a link, as the kernel shows it.
#[cfg(unix)]
pub(crate) fn open_file(proc: &Path, pid: u32, fd: u32, target: &str) {
    let folder = proc.join(format!("{pid}/fd"));
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(target, folder.join(fd.to_string())).unwrap();
}
