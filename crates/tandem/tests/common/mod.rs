//! A simulator that stands alone, as other people's clients meet it: `tandem serve` in a process of
//! its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running `tandem serve`, ended when it is let go of.
pub(crate) struct Serving {
    child: Child,
    /// Where it listens, a URL for each of its servers.
    pub(crate) endpoints: Vec<String>,
}

impl Serving {
    /// Starts `tandem serve` on free ports and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(["serve", "--port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        // Named before its output is read, so that it is ended whatever is found there.
        let mut serving = Self {
            child,
            endpoints: Vec::new(),
        };
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            if let Some(rest) = line.trim_start().strip_prefix("listening ") {
                let url = rest.split_whitespace().next().unwrap();
                serving.endpoints.push(url.to_owned());
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        assert!(!serving.endpoints.is_empty(), "it ended before it listened");
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
