//! Rows that can be pasted into the docs.

use metrics::stats::percentile;

/// A Markdown table.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    /// A table without rows; `heads` are its headings, with ` | ` between them.
    pub(crate) fn new(heads: &str) -> Self {
        let rule = "| --- ".repeat(heads.split(" | ").count());
        Self(format!("| {heads} |\n{rule}|\n"))
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.0.extend(["| ", cells.join(" | ").as_str(), " |\n"]);
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The median of several runs and, where they differ in print, their range: `9.6 (9.5–9.9)`.
pub(crate) fn spread(values: impl Iterator<Item = Option<f64>>, digits: usize) -> String {
    let values: Option<Vec<f64>> = values.collect();
    let figures = values.and_then(|values| {
        let percentiles = [0.0, 50.0, 100.0].map(|p| percentile(&values, p));
        let [least, median, most] = percentiles.map(|figure| Some(format!("{:.digits$}", figure?)));
        Some((least?, median?, most?))
    });
    let Some((least, median, most)) = figures else {
        return "unknown".to_owned();
    };
    if least == most {
        median
    } else {
        format!("{median} ({least}–{most})")
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
