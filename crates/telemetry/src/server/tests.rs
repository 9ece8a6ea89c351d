use std::path::Path;

use super::*;
use crate::fixture::{Process, open_file, put};

const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                    uid  timeout inode\n";

fn row(place: usize, address: &str, state: &str, uid: u32, inode: u64) -> String {
    format!(
        "{place:4}: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} \
         0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )
}

fn tcp(proc: &Path, rows: &[(&str, &str, u32, u64)]) {
    let rows = rows.iter().enumerate();
    let text: String = rows.map(|(i, r)| row(i, r.0, r.1, r.2, r.3)).collect();
    put(proc, "net/tcp", format!("{HEAD}{text}"));
}

/// An Ollama with two runners, one of them started by the other, and a shell beside it. Port
/// 11434 is 2CAA.
fn ollama(proc: &Path) {
    tcp(
        proc,
        &[
            ("0100007F:2CAA", "0A", 1000, 900),
            // An open connection to it, and another service.
            ("0100007F:2CAA", "01", 1000, 901),
            ("00000000:1F90", "0A", 1000, 902),
        ],
    );
    for process in [
        Process::new(1, 0, "init"),
        Process::new(50, 1, "bash"),
        Process::new(100, 50, "ollama"),
        Process::new(101, 100, "runner"),
        Process::new(102, 101, "runner (odd) 2"),
        Process::new(300, 1, "web"),
    ] {
        process.put(proc);
    }
    open_file(proc, 50, 0, "/dev/pts/0");
    open_file(proc, 100, 3, "socket:[900]");
    open_file(proc, 102, 3, "socket:[900]");
    open_file(proc, 101, 0, "socket:[901]");
    open_file(proc, 300, 7, "socket:[902]");
    std::fs::create_dir_all(proc.join("1/fd")).unwrap();
}

#[test]
fn the_listener_is_found_with_its_descendants() {
    let proc = tempfile::tempdir().unwrap();
    ollama(proc.path());
    let server = find(&Proc::at(proc.path()), "http://127.0.0.1:11434/v1").unwrap();
    let expected = ServerProcess {
        pid: 100,
        name: "ollama".to_owned(),
        descendants: vec![101, 102],
        cores: Some("0-3".to_owned()),
        found: FoundBy::Socket,
    };
    assert_eq!(server, expected);
    assert!(server.owns(100) && server.owns(102) && !server.owns(50));
    // Bound to all addresses, asked for by name.
    let web = find(&Proc::at(proc.path()), "http://localhost:8080").unwrap();
    assert_eq!((web.pid, web.name.as_str()), (300, "web"));
}

#[test]
fn ipv6_listeners_serve_both_families() {
    let proc = tempfile::tempdir().unwrap();
    tcp(proc.path(), &[]);
    let any = "00000000000000000000000000000000:2CAA";
    let text = row(0, any, "0A", 0, 77);
    put(proc.path(), "net/tcp6", format!("{HEAD}{text}"));
    Process::new(7, 1, "ollama").put(proc.path());
    open_file(proc.path(), 7, 9, "socket:[77]");
    let table = Proc::at(proc.path());
    for endpoint in [
        "http://127.0.0.1:11434",
        "http://[::1]:11434",
        "http://0.0.0.0:11434",
        "http://localhost:11434/",
    ] {
        assert_eq!(find(&table, endpoint).unwrap().pid, 7, "{endpoint}");
    }
}

#[test]
fn each_failed_search_gives_its_reason() {
    let proc = tempfile::tempdir().unwrap();
    let table = Proc::at(proc.path());
    let fails = |endpoint: &str, words: &str| {
        let why = find(&table, endpoint).unwrap_err();
        assert!(why.contains(words), "{endpoint}: {why}");
        // A key in a URL is never shown.
        assert!(!why.contains("secret"), "{why}");
    };
    fails("http://127.0.0.1:1", "no /proc/net/tcp");
    ollama(proc.path());
    for (endpoint, words) in [
        ("http://127.0.0.1:11435", "no process listens on port 11435"),
        ("http://192.168.7.7:11434", "192.168.7.7 is not on loopback"),
        (
            "https://models.example",
            "models.example is not on loopback",
        ),
        ("https://user:secret@models.example", "not on loopback"),
        ("nonsense", "`nonsense` is not the URL of a server"),
    ] {
        fails(endpoint, words);
    }
    put(proc.path(), "net/tcp", "garbage\nin here\n");
    fails("http://127.0.0.1:11434", "no /proc/net/tcp");
}

/// A service with a user of its own, whose files only root may see.
#[test]
fn a_hidden_service_is_found_by_its_user_when_that_user_runs_nothing_else() {
    let proc = tempfile::tempdir().unwrap();
    let root = proc.path();
    tcp(root, &[("0100007F:2CAA", "0A", 998, 900)]);
    let of_user = |pid, parent| Process {
        uid: 998,
        ..Process::new(pid, parent, "ollama")
    };
    for process in [
        Process::new(1, 0, "init"),
        of_user(100, 1),
        of_user(101, 100),
    ] {
        process.put(root);
    }
    let find = || find(&Proc::at(root), "http://127.0.0.1:11434");
    let server = find().unwrap();
    assert_eq!((server.pid, server.found), (100, FoundBy::User));
    assert_eq!(server.descendants, [101]);
    of_user(200, 1).put(root);
    let refused = find().unwrap_err();
    assert!(
        refused.contains("port 11434 belongs to user 998"),
        "{refused}"
    );
}

const fn at(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

fn used(proc: &Path, (pid, parent): (u32, u32), ticks: u64, children_ticks: u64, pages: u64) {
    let process = Process {
        ticks,
        children_ticks,
        pages,
        ..Process::new(pid, parent, "ollama")
    };
    process.put(proc);
}

#[test]
fn a_tree_is_sampled_with_processes_that_come_and_go() {
    let proc = tempfile::tempdir().unwrap();
    let root = proc.path();
    ollama(root);
    used(root, (100, 50), 1000, 0, 10);
    used(root, (101, 100), 0, 0, 20);
    used(root, (102, 101), 0, 0, 30);
    let endpoints = ["http://127.0.0.1:9", "http://127.0.0.1:11434"].map(str::to_owned);
    let mut sampler = ServerSampler::find(Proc::at(root), &endpoints);
    let page = rustix::param::page_size() as u64;
    let ticks = rustix::param::clock_ticks_per_second();
    let reading = |processes, pages: u64, cpu_percent| ServerReading {
        endpoint: 1,
        processes,
        cpu_percent,
        memory_bytes: pages * page,
    };

    // CPU use needs an interval.
    assert_eq!(sampler.sample(at(0)), [reading(3, 60, None)]);
    assert_eq!((sampler.owner(102), sampler.owner(300)), (Some(1), None));
    // Within the second memory moves on and CPU use waits.
    used(root, (101, 100), ticks, 0, 25);
    assert_eq!(sampler.sample(at(500)), [reading(3, 65, None)]);
    // A second: 102 ended and its parent took over its time; 103 came and used half a second.
    std::fs::remove_dir_all(root.join("102")).unwrap();
    used(root, (101, 100), ticks, ticks / 2, 25);
    used(root, (103, 100), ticks / 2, 0, 5);
    assert_eq!(sampler.sample(at(1000)), [reading(3, 40, Some(200.0))]);
    // The server ends (its file cannot be read): no more readings, even when its id is used again.
    put(root, "100/stat", "");
    assert!(sampler.sample(at(2000)).is_empty());
    used(root, (100, 50), 0, 0, 1);
    assert!(sampler.sample(at(3000)).is_empty());
}

#[test]
fn children_are_taken_from_the_kernels_lists_where_it_keeps_them() {
    let proc = tempfile::tempdir().unwrap();
    let root = proc.path();
    ollama(root);
    let table = Proc::at(root);
    assert_eq!(table.tree(100), [100, 101, 102]);
    // A second thread of 100 started 103; the lists win over the parents in `stat`.
    for (path, children) in [
        ("100/task/100/children", "101 "),
        ("100/task/110/children", "103\n"),
        ("101/task/101/children", ""),
        ("103/task/103/children", "104"),
    ] {
        put(root, path, children);
    }
    let mut tree = table.tree(100);
    tree.sort_unstable();
    assert_eq!(tree, [100, 101, 103, 104]);
}

#[test]
fn this_processs_own_listener_is_this_process() {
    if !Path::new("/proc/net/tcp").exists() {
        println!("skipped: no /proc/net/tcp here");
        return;
    }
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
        let Ok(listener) = std::net::TcpListener::bind(address) else {
            println!("skipped {address}: it cannot be bound here");
            continue;
        };
        // An unspecified address means loopback.
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = server_process(&endpoint).unwrap();
        assert_eq!(server.pid, std::process::id(), "{address}");
        assert_eq!(server.found, FoundBy::Socket);

        let mut sampler = ServerSampler::find(Proc::here(), std::slice::from_ref(&endpoint));
        let reading = sampler.sample(at(0)).remove(0);
        assert!(reading.memory_bytes > 100_000 && reading.processes >= 1);
        assert_eq!(sampler.owner(std::process::id()), Some(0));
        drop(listener);
        let gone = server_process(&endpoint).unwrap_err();
        assert!(gone.contains("no process listens"), "{gone}");
    }
}
