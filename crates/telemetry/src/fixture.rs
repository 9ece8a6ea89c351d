//! Copies of the kernel's trees, and made-up devices, for tests.

use std::collections::BTreeMap;
use std::path::Path;

use domain::Stamp;
use domain::telemetry::{DeviceFacts, GpuProcess, GpuReading, GpuSource, Gpus};

/// Made-up devices; `read` gets the sampling time, if there is one.
pub(crate) fn devices(
    names: &[&str],
    read: impl FnMut(Option<Stamp>) -> Vec<GpuReading> + Send + 'static,
) -> Gpus {
    Gpus {
        source: GpuSource::Amd {
            driver: "1".to_owned(),
            devices: names.iter().map(|&name| name.to_owned()).collect(),
            notes: vec![format!("{}: no power", names[0])],
        },
        facts: DeviceFacts::from([((0, "link"), names[0].to_owned())]),
        read: Box::new(read),
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

/// Writes the files of a machine, one a line; `#` begins a comment.
///
/// - `path: content`, with `\n` for a line's end
/// - `process PID PARENT NAME [USER TICKS CHILDREN PAGES]` of `/proc`, with `_` for a blank in the name: its CPU time
///   and that of its ended children in ticks, and its resident memory in pages
/// - `fd PID NUMBER TARGET`: an open file of a process, as the link that the kernel shows
/// - `tcp ADDRESS STATE USER INODE` or `tcp6 …`: sockets
pub(crate) fn put_all(root: &Path, machine: &str) {
    let mut sockets: BTreeMap<&str, String> = BTreeMap::new();
    let lines = machine.lines().map(str::trim_start);
    for line in lines.filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["process", pid, parent, name, ref rest @ ..] => {
                let usual = ["1000", "0", "0", "10"];
                process(root, [pid, parent, name], rest.try_into().unwrap_or(usual));
            }
            ["fd", pid, number, target] => open_file(root, pid, number, target),
            [table @ ("tcp" | "tcp6"), address, state, user, inode] => {
                let table = sockets
                    .entry(table)
                    .or_insert_with(|| "sl local_address …\n".to_owned());
                let row = format!(
                    "0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {user} 0 \
                     {inode} 1 0000000000000000 100 0 0 10 0\n"
                );
                table.push_str(&row);
            }
            _ => {
                if let Some((path, content)) = line.split_once(": ") {
                    put(root, path, content.replace("\\n", "\n") + "\n");
                }
            }
        }
    }
    for (table, rows) in sockets {
        put(root, &format!("net/{table}"), rows);
    }
}

fn process(proc: &Path, [pid, parent, name]: [&str; 3], [user, ticks, children, pages]: [&str; 4]) {
    let name = name.replace('_', " ");
    let stat = format!(
        "{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194304 500 0 0 0 {ticks} 0 \
         {children} 0 20 0 4 0 1000 20000000 {pages} 18446744073709551615 1 1 0 0 0 0 \
         0 4096 81928 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    );
    put(proc, &format!("{pid}/stat"), stat);
    put(proc, &format!("{pid}/comm"), format!("{name}\n"));
    let status =
        format!("Name:\t{name}\nUid:\t{user}\t{user}\t{user}\t{user}\nCpus_allowed_list:\t0-3\n");
    put(proc, &format!("{pid}/status"), status);
}

fn open_file(proc: &Path, pid: &str, number: &str, target: &str) {
    let folder = proc.join(pid).join("fd");
    std::fs::create_dir_all(&folder).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, folder.join(number)).unwrap();
    #[cfg(not(unix))]
    let _ = (number, target);
}
