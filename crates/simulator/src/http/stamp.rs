//! Simulated time in responses.

use std::time::{Duration, SystemTime};

use domain::Stamp;

/// The date of stamp zero. A fixed one makes responses repeat byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(pub(crate) SystemTime);

impl Epoch {
    pub(crate) fn rfc3339(self, at: Stamp) -> String {
        let mut text = Vec::new();
        StampWriter::new(self).write(at, &mut text);
        String::from_utf8(text).expect("digits and signs")
    }

    pub(crate) fn unix_seconds(self, at: Stamp) -> u64 {
        self.since_1970(at).as_secs()
    }

    fn since_1970(self, at: Stamp) -> Duration {
        let epoch = self.0.duration_since(SystemTime::UNIX_EPOCH);
        epoch.unwrap_or_default() + Duration::from_nanos(at.0)
    }

    /// The expiry of a model that stays loaded, as Ollama writes it.
    pub(crate) const NEVER: &str = "2318-09-23T10:20:00.000000Z";
}

/// Writes stamps, and formats the part down to the second only when it changes.
#[derive(Debug)]
pub(crate) struct StampWriter {
    epoch: Epoch,
    second: Option<u64>,
    text: String,
}

impl StampWriter {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            second: None,
            text: String::new(),
        }
    }

    pub(crate) fn write(&mut self, at: Stamp, out: &mut Vec<u8>) {
        let since = self.epoch.since_1970(at);
        if self.second != Some(since.as_secs()) {
            self.text =
                humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string();
            self.text.pop();
            self.second = Some(since.as_secs());
        }
        out.extend_from_slice(self.text.as_bytes());
        let mut micros = since.subsec_micros();
        let mut digits = *b".000000Z";
        for digit in digits[1..7].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_written_as_the_formatter_writes_them() {
        let start = SystemTime::UNIX_EPOCH + Duration::new(1_767_225_600, 500);
        let mut writer = StampWriter::new(Epoch(start));
        let mut seen = Vec::new();
        for nanos in [0, 1_000, 999_999_999, 59_999_999_499, 86_400_000_001_000] {
            seen.clear();
            writer.write(Stamp(nanos), &mut seen);
            let at = start + Duration::from_nanos(nanos);
            let expected = humantime::format_rfc3339_micros(at).to_string();
            assert_eq!(seen, expected.as_bytes());
        }
    }
}
