//! Rows that can be pasted into the docs.

use metrics::stats::percentile;

/// A Markdown table; `heads` are its headings, with ` | ` between them.
pub(crate) fn table(heads: &str, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rule = "| --- ".repeat(heads.split(" | ").count());
    let rows = rows
        .into_iter()
        .map(|cells| format!("| {} |\n", cells.join(" | ")));
    format!("| {heads} |\n{rule}|\n{}", rows.collect::<String>())
}

/// The median of several runs and, where they differ in print, their range: `9.6 (9.5–9.9)`.
pub(crate) fn spread(values: impl Iterator<Item = Option<f64>>, digits: usize) -> String {
    let values: Option<Vec<f64>> = values.collect();
    let figure = |p| Some(format!("{:.digits$}", percentile(values.as_ref()?, p)?));
    match (figure(0.0), figure(50.0), figure(100.0)) {
        (Some(least), Some(median), Some(most)) if least != most => {
            format!("{median} ({least}–{most})")
        }
        (_, median, _) => median.unwrap_or_else(|| "unknown".to_owned()),
    }
}

/// One value, or `unknown`.
pub(crate) fn one(value: Option<f64>, digits: usize) -> String {
    spread(std::iter::once(value), digits)
}

/// Prints a goal and whether it is kept.
pub(crate) fn print_goal(what: &str, figure: Option<f64>, most: Option<f64>, unit: &str) {
    match (figure, most) {
        (Some(figure), Some(most)) => println!(
            "{what}: {figure:.2}{unit}, goal at most {most:.2}{unit}: {}",
            if figure <= most { "kept" } else { "MISSED" }
        ),
        _ => println!("{what}: unknown"),
    }
}
