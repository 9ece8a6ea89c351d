//! Proxy variables of the environment are ignored: a proxy would be measured with the server.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::support::{Place, Serving, good, json, requests};

/// The variables that curl and most client libraries read.
const VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// A proxy that closes every connection and counts them.
struct Proxy {
    address: SocketAddr,
    callers: Receiver<SocketAddr>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, callers) = mpsc::channel();
        thread::spawn(move || {
            while let Ok((_, caller)) = listener.accept() {
                if sender.send(caller).is_err() {
                    break;
                }
            }
        });
        Self { address, callers }
    }

    /// Runs a command that must succeed, with every proxy variable set to this proxy.
    fn good(&self, place: &Place, line: &str) -> Output {
        let mut command = place.command(line);
        for variable in VARIABLES {
            command.env(variable, format!("http://{}", self.address));
        }
        for exceptions in ["NO_PROXY", "no_proxy"] {
            command.env_remove(exceptions);
        }
        good(command.output().unwrap())
    }

    /// Number of connections before this call.
    fn calls(&self) -> usize {
        let last = TcpStream::connect(self.address).unwrap();
        let last = last.local_addr().unwrap();
        let before = self.callers.iter().take_while(|caller| *caller != last);
        before.count()
    }
}

#[test]
fn a_load_goes_straight_to_the_server_on_both_protocols() {
    let proxy = Proxy::start();
    let server = Serving::start();
    let url = server.url.as_str();
    let line = format!(
        "load --json --no-record --endpoint {url} --endpoint {url}/v1 --api ollama,openai --agents 2 \
         --requests 8"
    );
    let document = json(&proxy.good(&Place::new(), &line));
    assert_eq!(document["result"]["figures"]["outcomes"]["completed"], 8);
    assert_eq!(proxy.calls(), 0);
}

#[test]
fn a_sweep_goes_straight_to_the_server_and_to_the_embedded_one() {
    let proxy = Proxy::start();
    let server = Serving::start();
    let place = Place::new();
    let real = format!("--endpoint {}", server.url);
    for (name, to) in [("real", real.as_str()), ("simulated", "--simulate")] {
        let sweep = format!("sweep --only homo_g80_c512_t0.6 --repeats 1 {to} --out {name}");
        proxy.good(&place, &sweep);
        let dir = place.path(name);
        let requests = requests(&dir);
        assert!(!requests.is_empty());
        assert!(requests.iter().all(|r| r.times.outcome.is_completed()));
    }
    assert_eq!(proxy.calls(), 0);
}
