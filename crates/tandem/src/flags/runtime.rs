//! Flags of the client's async runtime.

use std::fmt;
use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use domain::plan::limits;
use domain::record::{RuntimeFacts, RuntimeFlavour};

/// Flags of every command that measures. Simulated time always has one thread.
#[derive(Debug, Clone, Args)]
pub(crate) struct RuntimeFlags {
    /// The client's async runtime with a real server: `multi` runs agents on several work-stealing
    /// threads, `current` on one thread. By default `multi`, or `current` when only one CPU is usable.
    #[arg(long, value_enum)]
    pub(crate) runtime: Option<RuntimeArg>,
    /// Threads of the `multi` runtime; by default one for each usable CPU.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::THREADS.parse(text))]
    pub(crate) workers: Option<NonZeroU32>,
    /// Pin the client to these CPUs, such as 1 or 0,2-3, to separate it from a server on the same
    /// machine. Linux only.
    #[arg(long, value_name = "CPUS")]
    pub(crate) pin: Option<CpuList>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeArg {
    /// Several work-stealing threads.
    Multi,
    /// One thread.
    Current,
}

/// CPU numbers, sorted and unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CpuList(pub(crate) Vec<u32>);

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, cpu) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{cpu}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            text.trim()
                .parse::<u32>()
                .ok()
                .filter(|cpu| *cpu < MOST_CPUS)
                .ok_or_else(|| {
                    format!("`{text}` is not a CPU number; give numbers such as 1 or 0,2-3")
                })
        };
        let mut cpus = Vec::new();
        for part in text.split(',') {
            match part.split_once('-') {
                None => cpus.push(number(part)?),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(format!("the range `{part}` is reversed"));
                    }
                    cpus.extend(first..=last);
                }
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Self(cpus))
    }
}

/// Kernels number CPUs below this.
pub(crate) const MOST_CPUS: u32 = 8192;

impl RuntimeFlags {
    /// The flags that select a recorded runtime.
    pub(crate) fn of(facts: &RuntimeFacts) -> Self {
        let (runtime, workers) = match facts.flavour {
            RuntimeFlavour::Multi => (RuntimeArg::Multi, NonZeroU32::new(facts.workers)),
            RuntimeFlavour::Current => (RuntimeArg::Current, None),
        };
        Self {
            runtime: Some(runtime),
            workers,
            pin: (!facts.pinned.is_empty()).then(|| CpuList(facts.pinned.clone())),
        }
    }
}
