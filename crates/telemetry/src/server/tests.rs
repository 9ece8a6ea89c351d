use std::path::Path;

use super::*;
use crate::fixture::{put, put_all};

const OLLAMA: &str = include_str!("ollama.txt");

/// The process table of a machine.
fn machine(lines: &str) -> (tempfile::TempDir, Proc) {
    let root = tempfile::tempdir().unwrap();
    put_all(root.path(), lines);
    let proc = Proc::at(root.path());
    (root, proc)
}

#[test]
fn the_listener_is_found_with_its_descendants() {
    let (_root, proc) = machine(OLLAMA);
    let server = find(&proc, "http://127.0.0.1:11434/v1").unwrap();
    let expected = ServerProcess {
        pid: 100,
        name: "ollama".to_owned(),
        descendants: vec![101, 102],
        cores: Some("0-3".to_owned()),
        found: FoundBy::Socket,
    };
    assert_eq!(server, expected);
    assert!(server.owns(100) && server.owns(102) && !server.owns(50));
    // Bound to all addresses, looked for by name.
    let web = find(&proc, "http://localhost:8080").unwrap();
    assert_eq!((web.pid, web.name.as_str()), (300, "web"));
}

#[test]
fn ipv6_listeners_serve_both_families() {
    let (_root, proc) = machine(
        "net/tcp: sl local_address …
         tcp6 00000000000000000000000000000000:2CAA 0A 0 77
         process 7 1 ollama
         fd 7 9 socket:[77]",
    );
    for host in ["127.0.0.1", "[::1]", "0.0.0.0", "localhost"] {
        let server = find(&proc, &format!("http://{host}:11434/"));
        assert_eq!(server.unwrap().pid, 7, "{host}");
    }
}

#[test]
fn each_failed_search_gives_its_reason() {
    let (root, table) = machine("");
    let fails = |endpoint: &str, words: &str| {
        let why = find(&table, endpoint).unwrap_err();
        assert!(why.contains(words), "{endpoint}: {why}");
        // A key in a URL is never shown.
        assert!(!why.contains("secret"), "{why}");
    };
    fails("http://127.0.0.1:1", "no /proc/net/tcp");
    put_all(root.path(), OLLAMA);
    for (endpoint, words) in [
        ("http://127.0.0.1:11435", "no process listens on port 11435"),
        ("http://192.168.7.7:11434", "192.168.7.7 is not on loopback"),
        ("http://models.example", "models.example is not on loopback"),
        ("https://user:secret@models.example", "not on loopback"),
        ("nonsense", "`nonsense` is not the URL of a server"),
    ] {
        fails(endpoint, words);
    }
    put(root.path(), "net/tcp", "garbage\nin here\n");
    fails("http://127.0.0.1:11434", "no /proc/net/tcp");
}

/// A service with a user of its own, whose files only root may see.
#[test]
fn a_hidden_service_is_found_by_its_user_when_that_user_runs_nothing_else() {
    let (root, proc) = machine(
        "tcp 0100007F:2CAA 0A 998 900
         process 1 0 init
         process 100 1 ollama 998 0 0 10
         process 101 100 ollama 998 0 0 10",
    );
    let find = || find(&proc, "http://127.0.0.1:11434");
    let server = find().unwrap();
    assert_eq!((server.pid, server.found), (100, FoundBy::User));
    assert_eq!(server.descendants, [101]);
    put_all(root.path(), "process 200 1 other 998 0 0 10");
    let why = find().unwrap_err();
    assert!(why.contains("port 11434 belongs to user 998"), "{why}");
}

const fn at(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

#[test]
fn a_tree_is_sampled_with_processes_that_come_and_go() {
    let (folder, proc) = machine(OLLAMA);
    let root = folder.path();
    // CPU time of a process and of its ended children, in ticks, and its pages.
    let used = |process: &str, ticks: u64, children: u64, pages: u64| {
        let line = format!("process {process} ollama 1000 {ticks} {children} {pages}");
        put_all(root, &line);
    };
    used("100 50", 1000, 0, 10);
    used("101 100", 0, 0, 20);
    used("102 101", 0, 0, 30);
    let endpoints = ["http://127.0.0.1:9", "http://127.0.0.1:11434"].map(str::to_owned);
    let mut sampler = ServerSampler::find(proc, &endpoints);
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
    used("101 100", ticks, 0, 25);
    assert_eq!(sampler.sample(at(500)), [reading(3, 65, None)]);
    // A second: 102 ended and its parent took over its time; 103 came and used half a second.
    std::fs::remove_dir_all(root.join("102")).unwrap();
    used("101 100", ticks, ticks / 2, 25);
    used("103 100", ticks / 2, 0, 5);
    assert_eq!(sampler.sample(at(1000)), [reading(3, 40, Some(200.0))]);
    // The server ends (its file cannot be read): no more readings, even when its id is used again.
    put(root, "100/stat", "");
    assert!(sampler.sample(at(2000)).is_empty());
    used("100 50", 0, 0, 1);
    assert!(sampler.sample(at(3000)).is_empty());
}

#[test]
fn children_are_taken_from_the_kernels_lists_where_it_keeps_them() {
    let (root, proc) = machine(OLLAMA);
    assert_eq!(proc.tree(100), [100, 101, 102]);
    // A second thread of 100 started 103; the lists win over the parents in `stat`.
    put_all(
        root.path(),
        "100/task/100/children: 101
         100/task/110/children: 103
         103/task/103/children: 104",
    );
    put(root.path(), "101/task/101/children", "");
    let mut tree = proc.tree(100);
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
