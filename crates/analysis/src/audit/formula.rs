//! Computes a published figure again, by a formula in words.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use metrics::stats::{self, Location};

use super::error::{AuditError, RecomputeError};
use super::estimate::{Computed, locate};
use super::sources::{Rows, Sources, join};
use super::value::{Row, Value, number};

/// What a formula is computed in.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Rows and figures.
    pub sources: &'a Sources,
    /// Named formulas of the file.
    pub quantities: &'a BTreeMap<String, String>,
    /// What `the rows` are.
    pub default_rows: &'a str,
}

/// Quantities within quantities, at most this deep.
const DEEPEST: u32 = 16;

/// Marks that are words of their own.
const MARKS: [char; 4] = ['(', ')', '|', ','];

/// A statistic of numbers; none where they are too few.
type Stat = fn(&[f64]) -> Option<f64>;

const STATS: [(&str, Stat); 8] = [
    ("mean", stats::mean),
    ("sample σ", stats::sample_sd),
    ("population σ", stats::population_sd),
    ("median", stats::median),
    ("smallest", |values| values.iter().copied().reduce(f64::min)),
    ("largest", |values| values.iter().copied().reduce(f64::max)),
    ("sum", |values| Some(values.iter().sum())),
    ("count", |values| Some(values.len() as f64)),
];

/// Whether an operator holds for cells of this order.
type Operator = fn(Ordering) -> bool;

const OPERATORS: [(&str, Operator); 6] = [
    ("=", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    ("<", Ordering::is_lt),
    ("<=", Ordering::is_le),
    (">", Ordering::is_gt),
    (">=", Ordering::is_ge),
];

impl<'a> Context<'a> {
    /// Refuses a file's quantities that cannot be read; `path` is for errors.
    pub(super) fn new(
        path: &Path,
        sources: &'a Sources,
        quantities: &'a BTreeMap<String, String>,
        default_rows: &'a str,
    ) -> Result<Self, AuditError> {
        let context = Self {
            sources,
            quantities,
            default_rows,
        };
        for (key, formula) in quantities {
            if let Err(RecomputeError::Wrong(problem)) = context.evaluate(formula) {
                let problem = format!("quantity `{key}`: {problem}");
                return Err(AuditError::refused(path, None, problem));
            }
        }
        Ok(context)
    }

    /// Computes a formula. What formulas are made of stands at the head of
    /// `fixtures/tr113/claims.toml`; `/` binds more than `·`, and a stamp counts as its seconds
    /// since 1970. A row whose cell is empty never holds. A text stands alone, and so does an
    /// estimate.
    pub fn evaluate(&self, formula: &str) -> Result<Computed, RecomputeError> {
        if let Some(text @ Value::Text(_)) = self.sources.figure(formula) {
            return Ok(Computed::exact(text.clone()));
        }
        let mut reader = Reader::new(*self, formula, 0);
        let computed = if reader.eat("configuration of") {
            Computed::exact(Value::Text(reader.configuration()?))
        } else if reader.eat("estimate of") {
            reader.estimate()?
        } else if reader.eat("estimated % change of") {
            reader.estimated_change()?
        } else {
            Computed::exact(Value::Number(reader.sum()?))
        };
        reader.end()?;
        Ok(computed)
    }
}

/// The rows that a part of a formula is about.
struct Chosen<'a> {
    name: &'a str,
    rows: &'a Rows,
    list: Vec<&'a Row>,
    condition: String,
}

impl Chosen<'_> {
    fn numbers(&self, column: &str) -> Result<Vec<f64>, RecomputeError> {
        require(self.name, self.rows, column)?;
        let numbers = self.list.iter().filter_map(|row| number(row, column));
        Ok(numbers.collect())
    }

    /// Where the column's values, or their logarithms, lie, and their plain mean.
    fn located(&self, column: &str, logs: bool) -> Result<(Option<Location>, f64), RecomputeError> {
        match stats::mean(&self.numbers(column)?) {
            Some(mean) => Ok((locate(&self.list, column, logs), mean)),
            None => self.lacking(column),
        }
    }

    /// The column at the lower temperature less that at the higher, of rows that are otherwise alike.
    fn temperature_differences(&self, column: &str) -> Result<Vec<f64>, RecomputeError> {
        let alike = ["scenario", "num_gpu", "num_ctx"];
        for column in alike.into_iter().chain(["temperature", column]) {
            require(self.name, self.rows, column)?;
        }
        let of_lower = |(lower, higher): (&Row, &Row)| {
            let cooler = number(lower, "temperature")? < number(higher, "temperature")?;
            let pair = cooler && alike.iter().all(|key| lower.get(*key) == higher.get(*key));
            pair.then_some(number(lower, column)? - number(higher, column)?)
        };
        let pairs = self.list.iter().enumerate().flat_map(|(at, left)| {
            let later = self.list[at + 1..].iter();
            later.flat_map(|right| [(*left, *right), (*right, *left)])
        });
        Ok(pairs.filter_map(of_lower).collect())
    }

    fn lacking<T>(&self, column: &str) -> Result<T, RecomputeError> {
        RecomputeError::lacking(format!(
            "no row of `{}` has a value of `{column}` where {}",
            self.name, self.condition
        ))
    }

    fn stat(&self, (name, stat): (&str, Stat), values: &[f64]) -> Result<f64, RecomputeError> {
        let (n, rows) = (values.len(), self.name);
        stat(values).map_or_else(
            || RecomputeError::lacking(format!("{name} needs more values, rows `{rows}` give {n}")),
            Ok,
        )
    }
}

/// A condition on rows.
type Condition<'a> = Box<dyn Fn(&Row) -> bool + 'a>;

/// Whether two cells stand as an operator says; what has no order is not equal.
fn compare(left: &Value, operator: Operator, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) if left == right => Some(Ordering::Equal),
        _ => None,
    };
    order.map_or(
        operator(Ordering::Less) && operator(Ordering::Greater),
        operator,
    )
}

fn require(name: &str, rows: &Rows, column: &str) -> Result<(), RecomputeError> {
    if rows.columns.contains(column) {
        return Ok(());
    }
    let known = join(rows.columns.iter());
    RecomputeError::wrong(format!(
        "rows `{name}` have no column `{column}`; they have {known}"
    ))
}

/// The rows of two tables that have the same configuration; of several the right table's first.
fn matched<'a>(left: &'a Rows, right: &'a Rows) -> impl Iterator<Item = (&'a Row, &'a Row)> {
    left.iter().filter_map(|a| {
        let b = right.iter().find(|b| b.get("config") == a.get("config"))?;
        Some((a, b))
    })
}

/// Reads a formula and computes it on the way.
struct Reader<'a> {
    context: Context<'a>,
    formula: &'a str,
    words: Vec<&'a str>,
    at: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn new(context: Context<'a>, formula: &'a str, depth: u32) -> Self {
        let mut words = Vec::new();
        for mut rest in formula.split_whitespace() {
            while let Some(at) = rest.find(MARKS) {
                words.extend(
                    [&rest[..at], &rest[at..=at]]
                        .into_iter()
                        .filter(|w| !w.is_empty()),
                );
                rest = &rest[at + 1..];
            }
            words.extend((!rest.is_empty()).then_some(rest));
        }
        Self {
            context,
            formula,
            words,
            at: 0,
            depth,
        }
    }

    /// Whether the next words are these; if so, they are read.
    fn eat(&mut self, phrase: &str) -> bool {
        let mut rest = self.words[self.at..].iter();
        let found = phrase.split(' ').all(|word| rest.next() == Some(&word));
        if found {
            self.at = self.words.len() - rest.len();
        }
        found
    }

    fn wrong<T>(&self, problem: &str) -> Result<T, RecomputeError> {
        RecomputeError::wrong(format!("`{}`: {problem}", self.formula))
    }

    fn need(&mut self, phrase: &str) -> Result<(), RecomputeError> {
        if self.eat(phrase) {
            return Ok(());
        }
        let found = self.words.get(self.at).unwrap_or(&"its end");
        self.wrong(&format!("`{phrase}` must stand before {found}"))
    }

    fn word(&mut self) -> Result<&'a str, RecomputeError> {
        let Some(word) = self.words.get(self.at) else {
            return self.wrong("it breaks off");
        };
        self.at += 1;
        Ok(word)
    }

    fn end(&self) -> Result<(), RecomputeError> {
        match self.words.get(self.at) {
            Some(word) => self.wrong(&format!("`{word}` means nothing there")),
            None => Ok(()),
        }
    }

    fn sum(&mut self) -> Result<f64, RecomputeError> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value += self.product()?;
            } else if self.eat("-") {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, RecomputeError> {
        let mut value = self.quotient()?;
        while self.eat("·") {
            value *= self.quotient()?;
        }
        Ok(value)
    }

    fn quotient(&mut self) -> Result<f64, RecomputeError> {
        let mut value = self.part()?;
        while self.eat("/") {
            let by = self.part()?;
            value = self.divide(value, by)?;
        }
        Ok(value)
    }

    fn divide(&self, a: f64, b: f64) -> Result<f64, RecomputeError> {
        if b == 0.0 {
            return RecomputeError::lacking(format!("division by zero in {}", self.formula));
        }
        Ok(a / b)
    }

    fn part(&mut self) -> Result<f64, RecomputeError> {
        if self.eat("(") {
            let value = self.sum()?;
            self.need(")")?;
            return Ok(value);
        }
        if self.eat("% change from") {
            let from = self.part()?;
            self.need("to")?;
            let to = self.part()?;
            return Ok(100.0 * (self.divide(to, from)? - 1.0));
        }
        if self.eat("% of") {
            return self.share();
        }
        if self.eat("count in") {
            return Ok(self.chosen()?.list.len() as f64);
        }
        if self.eat("temperature pairs ,") {
            return self.pairs();
        }
        if self.eat("configurations where") {
            return self.agreement();
        }
        if self.eat("largest |") {
            return self.deviation();
        }
        for (name, stat) in STATS {
            if self.eat(&format!("{name} of")) {
                return self.stat((name, stat));
            }
        }
        let word = self.word()?;
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => self.named(word),
        }
    }

    fn stat(&mut self, (name, stat): (&str, Stat)) -> Result<f64, RecomputeError> {
        let absolute = self.eat("|");
        let is_column = absolute || self.words.get(self.at + 1) == Some(&"in");
        if name == "mean" && !is_column {
            let mut values = vec![self.sum()?];
            while self.eat(",") {
                values.push(self.sum()?);
            }
            return Ok(stat(&values).unwrap_or(f64::NAN));
        }
        let column = self.word()?;
        if absolute {
            self.need("|")?;
        }
        self.need("in")?;
        let rows = self.chosen()?;
        let mut values = rows.numbers(column)?;
        if absolute {
            for value in &mut values {
                *value = value.abs();
            }
        }
        if values.is_empty() && name != "count" {
            return rows.lacking(column);
        }
        rows.stat((name, stat), &values)
    }

    fn share(&mut self) -> Result<f64, RecomputeError> {
        let of = self.chosen()?;
        self.need("that have")?;
        let that = self.condition(of.name, of.rows)?;
        if of.list.is_empty() {
            return of.lacking("config");
        }
        let some = of.list.iter().filter(|row| that(row)).count();
        Ok(100.0 * some as f64 / of.list.len() as f64)
    }

    fn pairs(&mut self) -> Result<f64, RecomputeError> {
        let column = self.word()?;
        self.need("at the lower less the higher:")?;
        let above = self.eat("count of those above 0");
        let stat = STATS.into_iter().find(|(name, _)| !above && self.eat(name));
        self.need(", in")?;
        let rows = self.chosen()?;
        let differences = rows.temperature_differences(column)?;
        match stat {
            Some(stat) => rows.stat(stat, &differences),
            None => Ok(differences.iter().filter(|d| **d > 0.0).count() as f64),
        }
    }

    fn estimate(&mut self) -> Result<Computed, RecomputeError> {
        if self.eat("temperature pairs ,") {
            let column = self.word()?;
            self.need("at the lower less the higher , in")?;
            let rows = self.chosen()?;
            let differences = rows.temperature_differences(column)?;
            let Some(mean) = stats::mean(&differences) else {
                return rows.lacking(column);
            };
            return Ok(Computed::estimate(Location::of(&differences), mean, |x| x));
        }
        let column = self.word()?;
        self.need("in")?;
        let (mut location, mut mean) = self.chosen()?.located(column, false)?;
        if self.eat("less") {
            let (other, other_mean) = self.chosen()?.located(column, false)?;
            location = location.zip(other).map(|(one, other)| one.minus(other));
            mean -= other_mean;
        }
        Ok(Computed::estimate(location, mean, |x| x))
    }

    fn estimated_change(&mut self) -> Result<Computed, RecomputeError> {
        let percent = |ratio: f64| 100.0 * (ratio - 1.0);
        let column = self.word()?;
        self.need("from")?;
        let (from, from_mean) = self.chosen()?.located(column, true)?;
        self.need("to")?;
        let (to, to_mean) = self.chosen()?.located(column, true)?;
        let ratio = to.zip(from).map(|(to, from)| to.minus(from));
        let mean = percent(self.divide(to_mean, from_mean)?);
        Ok(Computed::estimate(ratio, mean, |log| percent(log.exp())))
    }

    fn agreement(&mut self) -> Result<f64, RecomputeError> {
        let mut side = |end: &str| {
            let name = self.word()?;
            let rows = self.context.sources.rows(name)?;
            self.need("(")?;
            let condition = self.condition(name, rows)?;
            self.need(end)?;
            Ok((rows, condition))
        };
        let ((left, left_is), (right, right_is)) = (side(") and")?, side(") agree")?);
        let together = matched(left, right).filter(|(a, b)| left_is(a) == right_is(b));
        Ok(together.count() as f64)
    }

    fn deviation(&mut self) -> Result<f64, RecomputeError> {
        let mut side = |end: &str| {
            let (name, column) = (self.word()?, self.word()?);
            let rows = self.context.sources.rows(name)?;
            require(name, rows, column)?;
            self.need(end)?;
            Ok((name, rows, column))
        };
        let ((name, left, column), (_, right, other)) = (side("-")?, side("|")?);
        let sizes = matched(left, right)
            .filter_map(|(a, b)| Some((number(a, column)? - number(b, other)?).abs()));
        sizes.reduce(f64::max).map_or_else(
            || {
                RecomputeError::lacking(format!(
                    "no row of `{name}` has a value of `{column}` to compare"
                ))
            },
            Ok,
        )
    }

    fn configuration(&mut self) -> Result<String, RecomputeError> {
        let sign = if self.eat("lowest") {
            -1.0
        } else {
            self.need("highest")?;
            1.0
        };
        let column = self.word()?;
        self.need("in")?;
        let rows = self.chosen()?;
        require(rows.name, rows.rows, column)?;
        let known = rows.list.iter();
        let known = known.filter_map(|row| Some((row.get("config")?, sign * number(row, column)?)));
        match known.max_by(|(_, a), (_, b)| a.total_cmp(b)) {
            Some((Value::Text(config), _)) => Ok(config.clone()),
            _ => rows.lacking(column),
        }
    }

    /// A table, and those of its rows for which a condition holds.
    fn chosen(&mut self) -> Result<Chosen<'a>, RecomputeError> {
        let name = if self.eat("the rows") {
            self.context.default_rows
        } else {
            self.word()?
        };
        let rows = self.context.sources.rows(name)?;
        let mut chosen = Chosen {
            name,
            rows,
            list: rows.iter().collect(),
            condition: "anything holds".to_owned(),
        };
        if self.eat("where") {
            let from = self.at;
            let condition = self.condition(name, rows)?;
            chosen.list.retain(|row| condition(row));
            chosen.condition = self.words[from..self.at].join(" ");
        }
        Ok(chosen)
    }

    fn condition(&mut self, name: &str, rows: &Rows) -> Result<Condition<'a>, RecomputeError> {
        let mut terms = vec![self.term(name, rows)?];
        while self.eat("and") {
            terms.push(self.term(name, rows)?);
        }
        Ok(Box::new(move |row| terms.iter().all(|holds| holds(row))))
    }

    fn term(&mut self, name: &str, rows: &Rows) -> Result<Condition<'a>, RecomputeError> {
        let absolute = self.eat("abs (");
        let column = self.word()?;
        require(name, rows, column)?;
        if absolute {
            self.need(")")?;
        }
        let written = self.word()?;
        let Some((_, operator)) = OPERATORS.into_iter().find(|(name, _)| *name == written) else {
            return self.wrong(&format!(
                "`{written}` after `{column}` is no operator; write one of = != < <= > >="
            ));
        };
        let left = move |row: &Row| match row.get(column)? {
            Value::Number(number) if absolute => Some(Value::Number(number.abs())),
            value => Some(value.clone()),
        };
        let right = self.word()?;
        let Some(other) = right.strip_prefix('[') else {
            let right = Value::parse(right);
            let holds =
                move |row: &Row| left(row).is_some_and(|left| compare(&left, operator, &right));
            return Ok(Box::new(holds));
        };
        let Some(other) = other.strip_suffix(']') else {
            return self.wrong(&format!("`{right}` has no `]`"));
        };
        require(name, rows, other)?;
        Ok(Box::new(move |row| {
            let cells = left(row).zip(row.get(other));
            cells.is_some_and(|(left, right)| compare(&left, operator, right))
        }))
    }

    /// A quantity of the file, or a figure.
    fn named(&self, key: &str) -> Result<f64, RecomputeError> {
        let Context {
            sources,
            quantities,
            ..
        } = self.context;
        if self.depth > DEEPEST {
            return RecomputeError::wrong(format!("quantity `{key}` refers to itself"));
        }
        if let Some(formula) = quantities.get(key) {
            let mut reader = Reader::new(self.context, formula, self.depth + 1);
            let value = reader.sum()?;
            reader.end()?;
            return Ok(value);
        }
        let Some(value) = sources.figure(key) else {
            let near = sources.nearest(key, quantities.keys());
            let near = near.map_or_else(String::new, |near| format!("; is `{near}` meant?"));
            return RecomputeError::wrong(format!("no figure or quantity `{key}`{near}"));
        };
        value.number().map_or_else(
            || RecomputeError::wrong(format!("`{key}` is a text, a number is needed")),
            Ok,
        )
    }
}
