//! `keep_alive` in all its forms, and Go's duration syntax, which it uses.

use domain::Nanos;
use domain::backend::KeepAlive;
use serde_json::Value;

use super::go_types;
use crate::profile;

/// Reads a `keep_alive` value: seconds as a number, or a Go duration as text. `null` is absent.
pub(crate) fn read(value: Option<&Value>) -> Result<Option<KeepAlive>, String> {
    let Some(value) = value else { return Ok(None) };
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => {
            let seconds = number.as_f64().unwrap_or(f64::INFINITY);
            Ok(Some(profile::keep_alive(seconds)))
        }
        Value::String(text) => Ok(Some(match go_duration(text)? {
            n if n < 0 => KeepAlive::Forever,
            0 => KeepAlive::Unload,
            n => KeepAlive::For(Nanos(n.unsigned_abs())),
        })),
        other => Err(format!("Unsupported type: '{}'", go_types::type_of(other))),
    }
}

/// Go's `time.ParseDuration` in nanoseconds: `1h30m`, `-1.5s`; only zero needs no unit.
fn go_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if !number.bytes().any(|b| b.is_ascii_digit()) || number.matches('.').count() > 1 {
            return Err(invalid());
        }
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_len = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let nanos = match unit {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => 1.0,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            unit => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += number * nanos;
        if total > 9.2e18 {
            return Err(invalid());
        }
        rest = after;
    }
    let nanos = total as i64;
    Ok(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_keep_alive_has_its_meaning() {
        let lasts = |nanos| Ok(Some(KeepAlive::For(Nanos(nanos))));
        for (value, expected) in [
            ("null", Ok(None)),
            (r#""1h30m""#, lasts(5_400_000_000_000)),
            (r#""+1.m""#, lasts(60_000_000_000)),
            (r#"".5us""#, lasts(500)),
            ("300", lasts(300_000_000_000)),
            ("0.5", lasts(500_000_000)),
            ("0", Ok(Some(KeepAlive::Unload))),
            ("-1", Ok(Some(KeepAlive::Forever))),
            (r#""5m""#, lasts(300_000_000_000)),
            (r#""0""#, Ok(Some(KeepAlive::Unload))),
            (r#""0s""#, Ok(Some(KeepAlive::Unload))),
            (r#""-1m""#, Ok(Some(KeepAlive::Forever))),
        ] {
            let value: Value = serde_json::from_str(value).expect("JSON");
            assert_eq!(read(Some(&value)), expected, "{value}");
        }
        // The conformance suite has the other messages.
        for text in ["-", ".s", "1..5s"] {
            let words = format!("time: invalid duration {text:?}");
            assert_eq!(read(Some(&json!(text))), Err(words));
        }
    }
}
