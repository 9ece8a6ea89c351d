//! What an agent does besides talking to a model: CPU work and file work, each of a stated size.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay, skip_serializing_none};

use crate::units::Nanos;

/// Work between two requests. Nothing at all is no work.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    pub cpu: Option<CpuWork>,
    pub file: Option<FileWork>,
}

impl Work {
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.file.is_none()
    }

    /// The times that it takes in virtual time.
    pub fn modelled(&self) -> WorkRecord {
        WorkRecord {
            queue_ns: Nanos::ZERO,
            cpu_ns: self.cpu.map(CpuWork::modelled),
            file_ns: self.file.map(FileWork::modelled),
        }
    }
}

/// CPU work of one agent. In text: `primes:200000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr, SerializeDisplay, JsonSchema)]
#[schemars(try_from = "String")]
pub struct CpuWork {
    /// It sums the primes below this, each number tried by division up to its root.
    pub primes_below: u32,
}

impl CpuWork {
    /// Bounds above this would take an agent hours.
    const MOST_BELOW: u32 = 100_000_000;

    /// The time that it takes in virtual time: the 10.7 ms that the article states for 200,000 on one core, scaled by
    /// the bound and its root. A stated figure, not a measured one.
    pub fn modelled(self) -> Nanos {
        let times = f64::from(self.primes_below) / 200_000.0;
        let us = (10_700.0 * times * times.sqrt()).round();
        Nanos(us as u64 * 1_000)
    }
}

impl fmt::Display for CpuWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "primes:{}", self.primes_below)
    }
}

impl FromStr for CpuWork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no CPU work; write primes:N, such as primes:200000");
        let below = text.trim().strip_prefix("primes:").ok_or_else(wrong)?;
        let primes_below: u32 = below.replace('_', "").parse().map_err(|_| wrong())?;
        let most = Self::MOST_BELOW;
        if (2..=most).contains(&primes_below) {
            Ok(Self { primes_below })
        } else {
            Err(format!(
                "primes:{primes_below} is out of range; 2 to {most}"
            ))
        }
    }
}

/// File work of one agent: so many bytes written to a new file, read back and deleted. In text:
/// `64KiB`; units are `B`, `KiB` and `MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr, SerializeDisplay, JsonSchema)]
#[schemars(try_from = "String")]
pub struct FileWork {
    bytes: u32,
}

impl FileWork {
    /// A buffer of this size is held while the work runs.
    const MOST_BYTES: u32 = 1 << 30;

    /// `None` for 0 bytes and for more than 1 GiB.
    pub fn new(bytes: u32) -> Option<Self> {
        (1..=Self::MOST_BYTES)
            .contains(&bytes)
            .then_some(Self { bytes })
    }

    pub fn bytes(self) -> u32 {
        self.bytes
    }

    /// The time that it takes in virtual time: 0.2 ms for making and deleting the file, and 1 GB/s each way.
    pub fn modelled(self) -> Nanos {
        let us = 200 + 2 * u64::from(self.bytes).div_ceil(1_000);
        Nanos(us * 1_000)
    }
}

impl fmt::Display for FileWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            n if n.is_multiple_of(1 << 20) => write!(f, "{}MiB", n >> 20),
            n if n.is_multiple_of(1 << 10) => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

impl FromStr for FileWork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no size of a file; write 1B to 1024MiB, such as 64KiB");
        let digits = text.trim().trim_end_matches(|c: char| !c.is_ascii_digit());
        let times: u32 = match text.trim()[digits.len()..].trim() {
            "B" | "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => return Err(wrong()),
        };
        digits
            .parse()
            .ok()
            .and_then(|n: u32| n.checked_mul(times))
            .and_then(Self::new)
            .ok_or_else(wrong)
    }
}

/// How work went.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkRecord {
    /// Waiting for a thread that was free to do it.
    #[serde(default)]
    pub queue_ns: Nanos,
    pub cpu_ns: Option<Nanos>,
    pub file_ns: Option<Nanos>,
}

impl WorkRecord {
    /// The work itself, without the waiting.
    pub fn busy(&self) -> Nanos {
        self.cpu_ns.unwrap_or_default() + self.file_ns.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_as_it_is_written_and_mistakes_name_the_fix() {
        for text in ["primes:2", "primes:200000"] {
            assert_eq!(text.parse::<CpuWork>().unwrap().to_string(), text);
        }
        for text in ["1B", "100B", "64KiB", "3MiB", "1024MiB"] {
            assert_eq!(text.parse::<FileWork>().unwrap().to_string(), text);
        }
        assert_eq!("65536".parse::<FileWork>().unwrap().to_string(), "64KiB");
        for (text, part) in [
            ("primes", "write primes:N"),
            ("primes:x", "write primes:N"),
            ("primes:1", "out of range"),
            ("primes:100000001", "out of range"),
            ("sieve:9", "write primes:N"),
        ] {
            assert!(text.parse::<CpuWork>().unwrap_err().contains(part));
        }
        for text in [
            "",
            "KiB",
            "0B",
            "64kb",
            "1025MiB",
            "99999999MiB",
            "-1B",
            "Ä",
        ] {
            let error = text.parse::<FileWork>().unwrap_err();
            assert!(error.contains("such as 64KiB"), "{text}: {error}");
        }
    }

    #[test]
    fn modelled_times_are_the_stated_ones() {
        let primes = |primes_below| CpuWork { primes_below }.modelled();
        assert_eq!(primes(200_000), Nanos(10_700_000));
        assert_eq!(primes(800_000), Nanos(8 * 10_700_000));
        let file = FileWork::new(64 << 10).unwrap();
        assert_eq!(file.modelled(), Nanos(332_000));
        let both = Work {
            cpu: "primes:200000".parse().ok(),
            file: Some(file),
        };
        assert_eq!(both.modelled().busy(), Nanos(11_032_000));
    }
}
