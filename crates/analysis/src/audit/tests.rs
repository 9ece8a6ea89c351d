use std::path::Path;
use std::sync::LazyLock;

use itertools::Itertools as _;
use proptest::prelude::*;

use super::*;
use crate::kind::fixture::{copied, folder};

static SHIPPED: LazyLock<Sources> = LazyLock::new(|| Sources::load(&folder("tr113")).unwrap());
static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
    let claims = Claims::read(&folder("tr113/claims.toml")).unwrap();
    claims.audit(&SHIPPED).unwrap()
});

fn entry(id: &str) -> &'static LedgerEntry {
    let found = LEDGER.entries.iter().find(|entry| entry.claim.id == id);
    found.unwrap_or_else(|| panic!("no claim {id}"))
}

/// The committed report of TR113 holds it as Markdown and as JSON.
#[test]
fn the_shipped_ledger() {
    insta::assert_snapshot!("ledger_text", LEDGER.to_text());
    let sigma = serde_json::to_value(entry("homo-sigma-speedup")).unwrap();
    assert!((sigma["difference"].as_f64().unwrap() - 0.005_182).abs() < 1e-6);
    assert!((sigma["tolerances"].as_f64().unwrap() - 10.364).abs() < 1e-3);
}

/// `findings.txt` has a line for each claim: its finding and, where it is an estimate, its value and interval.
#[test]
fn findings_and_estimates_are_those_that_were_made_without_this_program() {
    let lines = include_str!("tests/findings.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (id, rest) = line.split_once(" | ").unwrap();
        let (finding, numbers) = rest.split_once(" | ").unwrap_or((rest, ""));
        assert_eq!(entry(id).finding.key(), finding, "{id}");
        if numbers.is_empty() {
            continue;
        }
        let computed = entry(id).recomputed.as_ref().unwrap();
        let interval = computed.interval().unwrap_or_else(|| panic!("{id}"));
        let given = [number(computed), interval.lo, interval.hi];
        for (given, expected) in given.into_iter().zip_eq(numbers.split(", ")) {
            let expected: f64 = expected.parse().unwrap();
            assert!((given - expected).abs() < 0.01, "{id}: {given}");
        }
    }
    // A single pair of runs is no estimate, however far it lies from the claim.
    let finding = &entry("temp-same-order").finding;
    assert_eq!(
        *finding,
        Finding::Undecided {
            times_as_many_runs: None
        }
    );
}

#[test]
fn table_cells_that_differ() {
    for runs in ["published", "recorded"] {
        let checks = check_cells(&folder("tr113/tables.toml"), &SHIPPED, runs).unwrap();
        let lines = checks.iter().filter(|check| check.differs).map(|check| {
            let cell = &check.cell;
            let recomputed = match &check.recomputed {
                Some(Value::Number(number)) => format!("{number:.4}"),
                other => format!("{other:?}"),
            };
            let parts = [&cell.section, &cell.row, &cell.column, &cell.printed];
            parts.map(|part| format!("{part} | ")).concat() + &recomputed
        });
        let lines: Vec<String> = lines.collect();
        insta::assert_snapshot!(format!("cells_{runs}"), lines.join("\n"));
    }
}

fn number(computed: &Computed) -> f64 {
    match computed.value {
        Value::Number(number) => number,
        Value::Text(_) => panic!("{computed:?}"),
    }
}

fn table(name: &str, text: &str) -> Sources {
    Sources::default()
        .with_csv(name, Path::new("rows.csv"), text)
        .unwrap()
}

const SOUND: &str = "schema = 2

[[claims]]
id = 'mean'
document = 'tr113'
section = '3.1'
claim = 'The mean is 8'
published = 8.0
tolerance = 0.5
recompute = \"SELECT AVG(value) FROM published\"
";

fn audit(text: &str) -> Result<Ledger, AuditError> {
    let sources = table(
        "published",
        "config,scenario,value\na,0.10.0,7\nb,0.10.0,9.5\n",
    );
    Claims::parse(Path::new("claims.toml"), text)?.audit(&sources)
}

/// The valid file with a part replaced.
fn with(from: &str, to: &str) -> String {
    let changed = SOUND.replace(from, to);
    assert_ne!(changed, SOUND);
    changed
}

/// Each mistake: what is replaced in the valid file, its replacement, and the message.
#[test]
fn every_mistake_says_where_and_how_to_correct_it() {
    let sound = Claims::parse(Path::new("claims.toml"), SOUND).unwrap();
    assert_eq!(sound.claims.len(), 1);
    let table = include_str!("tests/mistakes.txt");
    let mut messages = String::new();
    for case in table.split("\n\n") {
        let (name, change) = case.trim_end().split_once('\n').unwrap();
        let (from, to) = change.split_once(" =>").unwrap();
        let to = to.trim_start_matches(' ');
        let text = match from {
            "end" => format!("{SOUND}{to}\n"),
            from => with(from, to),
        };
        let error = audit(&text).expect_err(name).to_string();
        messages.extend([name, "\n  ", error.trim_end(), "\n"]);
    }
    insta::assert_snapshot!(messages);
}

/// Polars plans recursively: accepted queries must not overflow the stack.
#[test]
fn deep_queries_run_or_are_refused() {
    let chain = |n| format!("MAX({})", vec!["value"; n].join("+"));
    let nested = format!("MAX({}value{})", "(".repeat(200), ")".repeat(200));
    for (select, runs) in [(chain(160), true), (chain(400), false), (nested, false)] {
        let ledger = audit(&with("AVG(value)", &select));
        assert_eq!(ledger.is_ok(), runs, "{ledger:?}");
    }
    let short = vec!["1"; 480].join("+");
    assert!(audit(&with("AVG(value) FROM published", &short)).is_ok());
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let old = "published = 8.0\ntolerance = 0.5\nrecompute = \"SELECT AVG(value)";
    for (published, finding) in [
        ("0.10.0", "reproduced"),
        ("v0.11", "reproduced"),
        ("0.9.9", "contradicted"),
    ] {
        let new = format!(
            "published = '{published}'\nrelation = 'version_at_least'\nrecompute = \"SELECT MAX(scenario)"
        );
        let ledger = audit(&with(old, &new)).unwrap();
        assert_eq!(ledger.entries[0].finding.key(), finding);
    }
}

#[test]
fn data_files_name_file_and_line() {
    let rows = "config,speedup\na,1\nb\n";
    let ragged = Sources::default().with_csv("t", Path::new("rows.csv"), rows);
    let absent = Sources::load(Path::new("no-folder"));
    for (refused, start) in [
        (ragged, "rows.csv:3: "),
        (absent, "no-folder/published.csv: cannot be read"),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
    let copy = copied("tr113");
    let figures = copy.path().join("tr110.toml");
    std::fs::write(figures, "schema = 1\n[a]\nb = true\n").unwrap();
    let error = Sources::load(copy.path()).unwrap_err().to_string();
    let end = "tr110.toml: `a_b` is boolean; write a number or a text";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn a_bar_in_a_claim_does_not_break_the_table() {
    let ledger = audit(&with("'The mean is 8'", "'a | b'")).unwrap();
    let markdown = ledger.to_markdown(3);
    let row = "| a \\| b `mean` | 8 | 8.2 | reproduced |";
    assert!(markdown.contains(row), "{markdown}");
    assert!(markdown.contains("\n### TR113\n\n#### 3.1\n"), "{markdown}");
}

#[test]
fn cells_are_checked_too() {
    let sources = table("runs", "config,value\na,7\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = |rest: &str| {
        let cell = "section = '3'\nrow = 'r'\ncolumn = 'c'\nprinted = '8'\nvalue = 8.0\n";
        std::fs::write(&file, format!("schema = 2\n[[cells]]\n{cell}{rest}")).unwrap();
        check_cells(file.path(), &sources, "runs").map_err(|error| error.to_string())
    };
    let query = "recompute = \"SELECT AVG(value) FROM input WHERE config = 'z'\"\n";
    for (rest, problem) in [
        ("", "must have either `recompute` or `not_testable`"),
        (query, "must have a `tolerance` of 0 or more"),
        (
            "tolerance = 0\nrecompute = 'SELECT config, value FROM input'",
            "gives 1 rows and 2 columns; select one cell, with an aggregate or LIMIT 1",
        ),
    ] {
        let error = check(rest).unwrap_err();
        let end = format!(":2: cell (3, r, c): {problem}");
        assert!(error.ends_with(&end), "{error}");
    }
    // A table without the configuration makes the cell unknown, not wrong.
    let checks = check(&format!("tolerance = 0.5\n{query}")).unwrap();
    assert_eq!((checks[0].differs, &checks[0].recomputed), (false, &None));
}

/// Worked by hand. 1, 2, 3: mean 2, error √(1/3), two degrees of freedom, t 4.302653; 11, 12, 13
/// likewise. The means 10 (σ 1) and 20 (σ 2) of five runs each: mean 15, error √(1/5 + 4/5) / 2 = 0.5.
#[test]
fn estimates_have_intervals() {
    let path = Path::new("rows.csv");
    let runs = "config,value\na,1\na,2\na,3\nb,11\nb,12\nb,13\nc,4\nc,5\n";
    let means = "config,runs,mean,sd\na,5,10,1\nb,5,20,2\nc,2,9,1\n";
    let sources = table("runs", runs).with_csv("means", path, means).unwrap();
    let runs = |config: &str| format!("SELECT value FROM runs WHERE config = '{config}'");
    let means =
        |condition: &str| format!("SELECT mean, sd, runs FROM means WHERE config {condition}");
    let estimate = |sample, minus, change_from| {
        let estimate = Estimate {
            sample,
            minus,
            change_from,
        };
        let computed = sources.estimate(&estimate).unwrap();
        (number(&computed), computed.interval().map(|i| i.hi))
    };
    let near = |(value, high): (f64, Option<f64>), expected: f64, half: f64| {
        assert!((value - expected).abs() < 1e-6, "{value}");
        let high = high.unwrap();
        assert!((high - value - half).abs() < 1e-3, "{high}");
    };
    let half = 4.302_653 * (1.0_f64 / 3.0).sqrt();
    near(estimate(runs("a"), None, None), 2.0, half);
    // Twice the variance, four degrees of freedom: t 2.776445.
    let difference = estimate(runs("b"), Some(runs("a")), None);
    near(difference, 10.0, 2.776_445 * (2.0_f64 / 3.0).sqrt());
    // Satterthwaite: (0.05 + 0.2)² / (0.05² / 4 + 0.2² / 4) = 5.882353 degrees of freedom, t 2.458824.
    near(estimate(means("!= 'c'"), None, None), 15.0, 2.458_824 * 0.5);
    // The logarithms differ by ln 2, errors 0.1 / √5 both: t of 8 degrees 2.306004.
    let high = 100.0 * (2.0 * (2.306_004 * (0.02_f64 / 5.0).sqrt()).exp() - 1.0);
    let change = estimate(means("= 'b'"), None, Some(means("= 'a'")));
    near(change, 100.0, high - 100.0);
    // Two runs, and a mean of two, are no estimate.
    assert_eq!(estimate(runs("c"), None, None), (4.5, None));
    assert_eq!(estimate(means("= 'c'"), None, None), (9.0, None));
}

/// The runs 7, 8, 9 estimate 8 [5.52, 10.48]; 7.9, 8, 8.1 give 8 [7.75, 8.25].
#[test]
fn the_interval_decides_on_an_estimate() {
    let text = "config,value\nwide,7\nwide,8\nwide,9\nnarrow,7.9\nnarrow,8\nnarrow,8.1\n";
    let sources = table("runs", text);
    let finding = |config: &str, published: &str, relation: &str| {
        let text = with("8.0", &format!("{published}\nrelation = '{relation}'"))
            .replace("tolerance = 0.5", "tolerance = 0.0")
            .replace("recompute", "estimate.sample")
            .replace(
                "AVG(value) FROM published",
                &format!("value FROM runs WHERE config = '{config}'"),
            );
        let claims = Claims::parse(Path::new("claims.toml"), &text).unwrap();
        claims.audit(&sources).unwrap().entries[0].finding.clone()
    };
    for (config, published, relation, expected) in [
        ("narrow", "7.5", "more_than", "reproduced"),
        ("wide", "7.5", "more_than", "undecided"),
        ("wide", "5.0", "more_than", "reproduced"),
        ("wide", "11.0", "at_least", "contradicted"),
        ("narrow", "8.5", "more_than", "contradicted"),
        // The estimate lies inside and is as precise as the claim.
        ("narrow", "[7.8, 8.5]", "within", "reproduced"),
        ("wide", "[7.8, 8.5]", "within", "undecided"),
        ("wide", "[11.0, 12.0]", "within", "contradicted"),
        ("wide", "8.0", "equals", "undecided"),
        ("narrow", "9.0", "equals", "contradicted"),
    ] {
        let given = finding(config, published, relation);
        assert_eq!(given.key(), expected, "{config} {relation} {published}");
    }
    // 2.4841 wide on either side of 8, half a unit from what is claimed: (2.4841 / 0.5)² times.
    let Finding::Undecided {
        times_as_many_runs: Some(times),
    } = finding("wide", "7.5", "more_than")
    else {
        panic!("must be undecided");
    };
    assert!((times - 24.68).abs() < 0.01, "{times}");
}

/// Two runs on one server. In the first, A answers (0.2 s to 4 s) before B's first token at 4.5 s. In the
/// second, A decodes from 1 to 8 s and B from 2 to 10 s: both for 6 s, any for 9 s.
#[test]
fn recorded_runs_gain_columns() {
    let text = "config,concurrent_wall_time_s,a_execution_s,a_ttft_ms,a_load_ms,a_prompt_eval_ms,a_eval_ms,a_tokens,b_execution_s,b_ttft_ms,b_load_ms,b_prompt_eval_ms,b_eval_ms,b_tokens,speedup,contention_recorded,recorded_at
homo_g80_c512_t0.6,10,4,200,150,50,3800,380,10,4500,400,100,5500,550,1.4,true,2025-11-12T22:54:10Z
homo_g80_c512_t0.8,10,8,1000,150,50,3800,380,10,2000,400,100,5500,550,1.8,false,2025-11-12T22:54:30Z
";
    let sources = table("runs", text);
    let value = |column: &str, temperature: &str| {
        let query = format!("SELECT {column} FROM runs WHERE temperature = {temperature}");
        sources.exact(&query).unwrap().value
    };
    let lines = include_str!("tests/columns.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(" | ").collect();
        for (temperature, expected) in ["0.6", "0.8"].into_iter().zip_eq(&words[1..]) {
            let Value::Number(given) = value(words[0], temperature) else {
                panic!("{line}");
            };
            let expected: f64 = expected.parse().unwrap();
            assert!((given - expected).abs() < 1e-9, "{line}: {given}");
        }
    }
    assert_eq!(value("first", "0.6"), Value::Text("a".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Reproduced within the tolerance; else another definition; else contradicted with the sign
    /// of recomputed less published.
    #[test]
    fn the_tolerance_decides(published in -1e3_f64..1e3, tolerance in 1e-3_f64..10.0, x in -50.0_f64..50.0, y in -50.0_f64..50.0) {
        prop_assume!((x.abs() - 1.0).abs() > 1e-3 && (y.abs() - 1.0).abs() > 1e-3);
        let (own, other) = (published + x * tolerance, published + y * tolerance);
        let text = with("8.0", &format!("{published:?}"))
            .replace("tolerance = 0.5", &format!("tolerance = {tolerance:?}"))
            .replace("AVG(value)", "own");
        let text = text + "alternatives = [{ definition = 'y', recompute = 'SELECT other FROM published' }]\n";
        let sources = table("published", &format!("own,other\n{own},{other}\n"));
        let ledger = Claims::parse(Path::new("c.toml"), &text).unwrap().audit(&sources).unwrap();
        match &ledger.entries[0].finding {
            Finding::Reproduced => prop_assert!(x.abs() < 1.0),
            Finding::Redefined(under) => {
                prop_assert!(x.abs() > 1.0 && y.abs() < 1.0);
                prop_assert_eq!(&under.definition, "y");
            }
            Finding::Contradicted { difference, tolerances, .. } => {
                prop_assert!(x.abs() > 1.0 && y.abs() > 1.0);
                prop_assert_eq!(difference.unwrap() > 0.0, x > 0.0);
                prop_assert!((tolerances.unwrap() - x).abs() < 1e-6);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
