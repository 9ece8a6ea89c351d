//! A running `tandem serve`. The command tests and `cargo xtask clients` use this file.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A server in a process of its own, killed when dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    /// Runs a command that serves, and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().expect("its output is piped");
        // Made before its output is read, so that a failure there kills the process.
        let mut serving = Self {
            child,
            url: String::new(),
        };
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some(rest) = line.trim_start().strip_prefix("listening ") {
                let url = rest.split(' ').next().unwrap_or_default();
                url.clone_into(&mut serving.url);
            }
            if line.starts_with("Ctrl-C") && !serving.url.is_empty() {
                return Ok(serving);
            }
        }
        Err(io::Error::other("it ended before it listened"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
