//! Checks of figures against values worked out by hand, for tests.

use serde::Serialize;
use serde_json::Value;

/// Asserts that figures have the expected values. Each line is `group: name value, name value`, with names and
/// groups as paths into what is serialised, and no group for the figures themselves; a value is a number, a quotient
/// `4.5/3.3`, `null`, or any other JSON. `#` begins a comment.
#[track_caller]
pub(crate) fn assert_figures(of: &impl Serialize, expected: &str) {
    let of = serde_json::to_value(of).unwrap();
    for line in expected.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let (group, figures) = line.split_once(':').unwrap_or(("", line));
        for figure in figures.split(',').map(str::trim).filter(|f| !f.is_empty()) {
            let (name, expected) = figure.split_once(' ').unwrap();
            let path = group.trim().split('.').chain(name.split('.'));
            let keys = path.filter(|key| !key.is_empty());
            let found = keys.fold(&of, |at, key| {
                let item = key
                    .parse()
                    .map_or(at.get(key), |place: usize| at.get(place));
                item.unwrap_or_else(|| panic!("{line}: no {key} in {at}"))
            });
            assert!(
                is_value(found, expected.trim()),
                "{line}: {name} is {found}"
            );
        }
    }
}

/// Numbers are equal to nine digits.
fn is_value(found: &Value, expected: &str) -> bool {
    let quotient = expected
        .split('/')
        .map(|number| number.trim().parse::<f64>());
    let expected_number = quotient
        .map(Result::ok)
        .reduce(|a, b| Some(a? / b?))
        .flatten();
    match (found.as_f64(), expected_number) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        _ => serde_json::from_str(expected).is_ok_and(|expected: Value| *found == expected),
    }
}
