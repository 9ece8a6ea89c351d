//! The simulator as a server of its own, in real time on several threads. Nothing here asserts how
//! long anything takes.

mod common;

use std::net::SocketAddr;

use clock::Clock;
use common::{Bench, call, paced, post, virtually};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use simulator::faults::{FaultKind, FaultRule};
use simulator::profile::Profile;
use simulator::{ServeError, Simulator, SimulatorConfig, StartError, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn config(profile: Profile) -> SimulatorConfig {
    SimulatorConfig::new(profile, Clock::real())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_describes_itself_and_logs_what_it_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.jsonl");
    let mut simulator = config(Profile::builtin("instant").expect("it ships"));
    simulator.servers = 2;
    simulator.log = Some(std::fs::File::create(&path).expect("a file"));
    simulator.faults.rules = vec![FaultRule {
        requests: vec![20],
        ..FaultRule::always(FaultKind::Busy)
    }];
    let (sender, announced) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(
        simulator,
        1.0,
        async {
            // A dropped sender stops it as well.
            let _ = stopped.await;
        },
        |text, endpoints| sender.send((text, endpoints)).expect("it waits"),
    ));
    let (text, endpoints) = announced.await.expect("an announcement");
    let parts = "simulating Ollama 0.32.10|gemma3:latest|/tandem/log|1 rules";
    for part in parts.split('|') {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(endpoints.len(), 2);
    let clock = Clock::real();
    let clients = (0..40).map(|client| {
        let (clock, endpoint) = (clock.clone(), endpoints[client % 2].clone());
        tokio::spawn(async move {
            let ask = json!({"model": "gemma3", "prompt": format!("client {client}")});
            let answer = post("/api/generate", ask).send(&clock, &endpoint).await;
            let answer = answer.expect("a response");
            assert!(answer.whole);
            let last = answer.objects().expect("objects").pop().expect("one");
            (answer.status, last["done"] == json!(true))
        })
    });
    let mut outcomes = try_join_all(clients).await.expect("no panic");
    outcomes.sort_unstable();
    assert_eq!(outcomes[..39], [(200, true); 39]);
    assert_eq!(outcomes[39], (503, false));
    let log = call("GET /tandem/log");
    let log = log.send(&clock, &endpoints[0]).await;
    let log = log.expect("a response").json();
    assert_eq!(log["forgotten"], 0);
    stop.send(()).expect("it still runs");
    serving.await.expect("no panic").expect("it served");

    let file = std::fs::read_to_string(&path).expect("the log");
    let lines: Vec<Value> = file
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of_route = log["lines"].as_array().expect("lines");
    assert!(lines.starts_with(of_route), "the file says the same");
    let count = |key: &str, value: &str| lines.iter().filter(|l| l[key] == value).count();
    assert_eq!(count("path", "/api/generate"), 40);
    assert_eq!(count("fault", "busy"), 1);
}

#[tokio::test]
async fn a_pace_that_cannot_be_kept_is_refused() {
    let serving = |time_scale| serve(config(paced()), time_scale, async {}, |_, _| {});
    let error = serving(1e7)
        .await
        .expect_err("100 tok/s a nanosecond apart");
    assert!(matches!(error, ServeError::TooFast { .. }), "{error}");
    let error = serving(f64::NAN).await.expect_err("not a number");
    assert!(matches!(error, ServeError::BadScale(_)), "{error}");
}

#[tokio::test]
async fn a_taken_port_and_senseless_numbers_are_refused() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address: SocketAddr = taken.local_addr().expect("an address");
    let mut busy = config(paced());
    busy.port = address.port();
    let error = Simulator::start(busy).await.expect_err("it is taken");
    assert!(error.to_string().contains("--port"), "{error}");
    let mut none = config(paced());
    none.servers = 0;
    let error = Simulator::start(none).await.expect_err("no servers");
    assert!(matches!(error, StartError::Zero("servers")), "{error}");
}

/// A server in real time, and its address.
async fn start(change: impl FnOnce(&mut SimulatorConfig)) -> (Simulator, String) {
    let mut config = config(paced());
    change(&mut config);
    let simulator = Simulator::start(config).await.expect("it starts");
    let address = simulator.endpoints()[0].replace("http://", "");
    (simulator, address)
}

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).await.expect("it listens")
}

/// A server's answer to these bytes before it closes, or to a complete request.
async fn raw(connection: &mut TcpStream, bytes: &str) -> String {
    connection.write_all(bytes.as_bytes()).await.expect("open");
    let mut answer = [0; 1024];
    // A connection that is reset answers nothing, either.
    let read = connection.read(&mut answer).await.unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn half_sent_requests_end_and_idle_connections_stay() {
    let patience = Some(domain::Nanos::from_millis(50));
    let (_simulator, address) = start(|config| config.patience = patience).await;
    let mut open = [
        connect(&address).await,
        connect(&address).await,
        connect(&address).await,
    ];
    let whole = "GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let half = "GET /api/version HT";
    let body =
        "POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{\"model\":";
    for (connection, bytes, expected) in [
        (0, whole, "HTTP/1.1 200 OK"),
        (1, half, ""),
        // The second head of a connection has a time of its own.
        (2, whole, "HTTP/1.1 200 OK"),
        (2, half, ""),
        (0, whole, "HTTP/1.1 200 OK"),
        (0, body, "HTTP/1.1 408 Request Timeout"),
    ] {
        assert_eq!(raw(&mut open[connection], bytes).await, expected, "{bytes}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_all_together_and_not_read_from_other_sites() {
    let (_simulator, address) = start(|config| config.body_bytes = 1000).await;
    let post = |headers: &str, length: usize, body: usize| {
        let body = " ".repeat(body);
        format!("POST /api/show HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    // None of these bodies ever comes.
    for headers in [
        "Host: example.com",
        "Host: localhost\r\nContent-Type: text/plain\r\nOrigin: https://example.com",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
    ] {
        let answer = raw(&mut connect(&address).await, &post(headers, 900, 0)).await;
        assert_eq!(answer, "HTTP/1.1 403 Forbidden", "{headers}");
    }
    let mut large = connect(&address).await;
    let partial = post("Host: localhost", 900, 800);
    large.write_all(partial.as_bytes()).await.expect("open");
    let small = post("Host: localhost", 300, 300);
    let answer = async || raw(&mut connect(&address).await, &small).await;
    // Until the server has read the first one, and again until it has seen that it is gone.
    while answer().await != "HTTP/1.1 503 Service Unavailable" {}
    drop(large);
    while answer().await != "HTTP/1.1 400 Bad Request" {}
}

#[tokio::test(start_paused = true)]
async fn the_sampler_shows_the_devices_at_work() {
    let Bench {
        clock, simulator, ..
    } = Bench::new(|config| {
        config.device_each = true;
        let device = config.profile.devices[0].clone();
        config.profile.devices.push(device);
        config.servers = 2;
    })
    .await;
    let mut gpus = simulator.gpus();
    assert!(matches!(&gpus.source,
        domain::telemetry::GpuSource::Simulated { devices } if devices.len() == 2));
    let endpoint = simulator.endpoints().remove(1);
    let mut used = || -> Vec<u64> {
        let readings = (gpus.read)(None).into_iter();
        readings.filter_map(|gpu| gpu.memory_used_bytes).collect()
    };
    let before = used();
    let ask = json!({"model": "gemma3", "prompt": "x"});
    let answer = post("/api/generate", ask).send(&clock, &endpoint).await;
    assert_eq!(answer.expect("a response").status, 200);
    let after = used();
    assert_eq!(after[0], before[0], "the first server did nothing");
    assert!(after[1] > before[1] + 3_000_000_000, "{after:?}");
}

#[test]
fn a_server_for_the_network_takes_any_name() {
    virtually(async {
        let bench = Bench::new(|config| {
            config.address = std::net::Ipv4Addr::UNSPECIFIED.into();
        })
        .await;
        let port = bench.endpoint.rsplit(':').next().expect("a port");
        let call = call("header host=models.example.com GET /api/version");
        let endpoint = format!("http://127.0.0.1:{port}");
        let answer = call.send(&bench.clock, &endpoint).await;
        assert_eq!(answer.expect("a response").status, 200);
    });
}
