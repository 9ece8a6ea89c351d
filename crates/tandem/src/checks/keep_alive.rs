//! The keep-alive of an idle model, from the expiry time that the server reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Longer means "for ever": Ollama then reports a time centuries away.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 10);

/// Time from now until the expiry, seconds; -1 is for ever. None for an invalid time.
pub(super) fn left(now: SystemTime, expires_at: &str) -> Option<f64> {
    let at = DateTime::parse_from_rfc3339(expires_at).ok()?;
    let micros = u64::try_from(at.timestamp_micros()).ok()?;
    let left = (UNIX_EPOCH + Duration::from_micros(micros)).duration_since(now);
    let left = left.unwrap_or(Duration::ZERO);
    let for_ever = left > FOR_EVER;
    Some(if for_ever { -1.0 } else { left.as_secs_f64() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_fractions_are_read() {
        let now = humantime::parse_rfc3339("2026-11-22T02:00:00Z").unwrap();
        for (text, seconds) in [
            ("2026-11-22T02:05:00Z", Some(300.0)),
            ("2026-11-22T02:05:00.5Z", Some(300.5)),
            ("2026-11-22T04:05:00+02:00", Some(300.0)),
            ("2026-11-21T21:05:00-05:00", Some(300.0)),
            ("2026-11-22T01:00:00Z", Some(0.0)),
            ("2318-01-01T00:00:00Z", Some(-1.0)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(left(now, text), seconds, "{text}");
        }
    }
}
