//! Output of the commands as snapshots: help, figures, and errors with their exit codes. In the scripts `SERVER` stands for
//! the URL of a running simulator, `CLOSED` for an address without a listener, and `LISTENER` for one to which no command may
//! connect.

use std::net::TcpListener;

use crate::place::Place;
use crate::support::{closed_port, serving};

fn pin(name: &str, transcript: &str) {
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, transcript) });
}

fn script(name: &str) {
    let server = serving();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap().to_string();
    let values = [
        ("SERVER", &*server.url),
        ("CLOSED", &closed_port()),
        ("LISTENER", &address),
    ];
    pin(name, &Place::new().script(name, &values));
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "a connection to a proxy");
}

#[test]
fn help() {
    let place = Place::new();
    for command in [
        "",
        "sweep",
        "init",
        "run",
        "load",
        "doctor",
        "capacity",
        "serve",
        "calibrate",
        "calibrate-profile",
        "import",
        "show",
    ] {
        let line = format!("tandem {command} --help").replace("  ", " ");
        pin(&format!("help_{command}"), &place.transcript(&line));
    }
}

/// A test of each script.
macro_rules! scripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            script(stringify!($name));
        })*
    };
}

scripts! { capacity doctor errors loads resumes sessions starter_plan sweeps }

#[cfg(unix)]
scripts! {
    capacity_runs changed_files committed_sweep links missing_servers mixed open_files profiles proxies real_servers
    real_time resumes_on_a_server servers_of_a_topology steps texts traces
}

// With `flock` and `/dev/full`.
#[cfg(target_os = "linux")]
scripts! { full_disk held_folders }
