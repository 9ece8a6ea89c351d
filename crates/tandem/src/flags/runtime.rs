//! Flags of the client's async runtime.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;

use clap::Args;
use domain::plan::limits;
use domain::record::{RuntimeFacts, RuntimeFlavour};
use itertools::Itertools as _;

use super::word_of;
use crate::cpus::MOST_CPUS;

/// Flags of every command that measures. Simulated time always has one thread.
#[derive(Debug, Clone, Args)]
pub(crate) struct RuntimeFlags {
    /// The client's async runtime with a real server: `multi` runs agents on several work-stealing
    /// threads, `current` on one thread. By default `multi`, or `current` when only one CPU is usable.
    #[arg(long, value_parser = word_of::<RuntimeFlavour, 2>([
        ("multi", "Several work-stealing threads"),
        ("current", "One thread"),
    ]))]
    pub(crate) runtime: Option<RuntimeFlavour>,
    /// Threads of the `multi` runtime; by default one for each usable CPU.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::THREADS.parse(text))]
    pub(crate) workers: Option<NonZeroU32>,
    /// Pin the client to these CPUs, such as 1 or 0,2-3, to separate it from a server on the same
    /// machine. Linux only.
    #[arg(long, value_name = "CPUS")]
    pub(crate) pin: Option<CpuList>,
}

/// CPU numbers, sorted and unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CpuList(pub(crate) Vec<u32>);

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().format(",").fmt(f)
    }
}

impl std::str::FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            let cpu = text.trim().parse::<u32>().ok();
            cpu.filter(|cpu| *cpu < MOST_CPUS).ok_or_else(|| {
                format!("`{text}` is not a CPU number; give numbers such as 1 or 0,2-3")
            })
        };
        let mut cpus = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("the range `{part}` is reversed"));
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus.into_iter().collect()))
    }
}

impl RuntimeFlags {
    /// The flags that select a recorded runtime.
    pub(crate) fn of(facts: &RuntimeFacts) -> Self {
        let is_multi = facts.flavour == RuntimeFlavour::Multi;
        let workers = NonZeroU32::new(facts.workers);
        Self {
            runtime: Some(facts.flavour),
            workers: workers.filter(|_| is_multi),
            pin: (!facts.pinned.is_empty()).then(|| CpuList(facts.pinned.clone())),
        }
    }
}
