//! Fuzz targets for every input that comes from a person or a server.
//!
//! A target takes any bytes and must return: a panic, a hang or more than 512 MB is a fault. The corpus of each is in
//! `corpus` under the target's name; inputs that once failed are added there. Tests run the corpus, and
//! `cargo xtask fuzz` looks for new inputs with libFuzzer.

mod files;
mod folders;
mod servers;

/// A kind of input and what reads it.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is that of its corpus.
    pub name: &'static str,
    /// Reads the input as the product would.
    pub run: fn(&[u8]),
}

impl Target {
    pub const ALL: &[Self] = &[
        Self::new("calibration", folders::calibration),
        Self::new("capacity", folders::capacity),
        Self::new("claims", files::claims),
        Self::new("faults", files::faults),
        Self::new("flags", files::flags),
        Self::new("http", servers::http),
        Self::new("journal", |input| folders::sweep("journal.jsonl", input)),
        Self::new("load", |input| folders::load("load.json", input)),
        Self::new("manifest", |input| folders::sweep("manifest.json", input)),
        Self::new("ndjson", |input| {
            servers::body("application/x-ndjson", input);
        }),
        Self::new("plan", files::plan),
        Self::new("profile", files::profile),
        Self::new("requests", |input| folders::load("requests.jsonl", input)),
        Self::new("sessions", files::sessions),
        Self::new("sse", |input| servers::body("text/event-stream", input)),
        Self::new("telemetry", |input| {
            folders::sweep("telemetry.jsonl", input);
        }),
        Self::new("trace", files::trace),
    ];

    const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_target_survives_its_corpus() {
        for target in Target::ALL {
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
            let folder = corpus.join(target.name);
            let inputs = fs::read_dir(&folder).expect("every target has a corpus");
            let mut count = 0;
            for input in inputs {
                let path = input.unwrap().path();
                println!("{}", path.display());
                (target.run)(&fs::read(&path).unwrap());
                count += 1;
            }
            assert!(count > 0, "{} is empty", folder.display());
        }
    }
}
