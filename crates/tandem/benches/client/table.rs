//! Rows that can be pasted into the docs.

/// A Markdown table.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        let rule = "| --- ".repeat(heads.len());
        Self(format!("| {} |\n{rule}|\n", heads.join(" | ")))
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.0 += &format!("| {} |\n", cells.join(" | "));
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The median of several runs and, where they differ in print, their range: `9.6 (9.5–9.9)`.
pub(crate) fn spread(values: impl Iterator<Item = Option<f64>>, digits: usize) -> String {
    let values: Option<Vec<f64>> = values.collect();
    let Some(mut values) = values.filter(|values| !values.is_empty()) else {
        return "unknown".to_owned();
    };
    values.sort_by(f64::total_cmp);
    let print = |value: f64| format!("{value:.digits$}");
    let (least, most) = (print(values[0]), print(values[values.len() - 1]));
    let median = print(median(&values));
    if least == most {
        median
    } else {
        format!("{median} ({least}–{most})")
    }
}

/// The median of sorted values, of which there is one at least.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
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
