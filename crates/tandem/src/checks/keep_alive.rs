//! The keep-alive of an idle model, from the expiry time that the server reports.

use std::time::{Duration, SystemTime};

/// Longer means "for ever": Ollama then reports a time centuries away.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 10);

/// Time until the expiry, seconds; -1 is for ever. None for an invalid time.
pub(super) fn from_now(expires_at: &str) -> Option<f64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "servers report the expiry in wall-clock time"
    )]
    let now = SystemTime::now();
    between(now, expires_at)
}

fn between(now: SystemTime, expires_at: &str) -> Option<f64> {
    let at = moment(expires_at)?;
    let left = at.duration_since(now).unwrap_or(Duration::ZERO);
    Some(if left > FOR_EVER {
        -1.0
    } else {
        left.as_secs_f64()
    })
}

/// Parses RFC 3339, with `Z` or with an offset.
fn moment(text: &str) -> Option<SystemTime> {
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let minutes: u64 = 60 * hours.parse::<u64>().ok()? + minutes.parse::<u64>().ok()?;
    let offset = Duration::from_secs(60 * minutes);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    match sign {
        "+" => local.checked_sub(offset),
        "-" => local.checked_add(offset),
        _ => None,
    }
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
            assert_eq!(between(now, text), seconds, "{text}");
        }
    }
}
