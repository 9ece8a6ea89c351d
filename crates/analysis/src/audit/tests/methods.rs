//! Each method on data small enough to work by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr as _;

use proptest::prelude::*;

use super::super::*;

fn rows(text: &str) -> Rows {
    Rows::parse(Path::new("rows.csv"), text).unwrap()
}

const SMALL: &str = "config,scenario,value,flag
x_g60_c512_t0.6,s,1,yes
x_g60_c512_t0.8,s,2,no
x_g80_c512_t0.6,s,4,true
x_g80_c512_t0.8,other,9,true
";

const SHIFTED: &str = "config,scenario,value,flag
x_g60_c512_t0.6,s,1.5,yes
x_g60_c512_t0.8,s,2,yes
absent,s,100,no
";

fn sources() -> Sources {
    Sources::default()
        .with_rows("small", rows(SMALL))
        .with_rows("shifted", rows(SHIFTED))
        .with_figure("a.number", Value::Number(8.0))
        .with_figure("a.text", Value::Text("1.2.3".to_owned()))
        .with_figure("a.stamp", Value::Text("1970-01-01T00:01:00.5Z".to_owned()))
}

fn evaluate(formula: &str) -> Result<Computed, RecomputeError> {
    evaluate_with(formula, &[])
}

fn evaluate_with(formula: &str, quantities: &[(&str, &str)]) -> Result<Computed, RecomputeError> {
    let quantities = quantities.iter();
    let quantities = quantities.map(|(key, formula)| ((*key).to_owned(), (*formula).to_owned()));
    Context {
        sources: &sources(),
        quantities: &quantities.collect(),
        default_rows: "small",
    }
    .evaluate(formula)
}

/// Worked by hand: `method => value`, a line each.
#[test]
fn methods_give_what_was_worked_by_hand() {
    for line in include_str!("methods.txt").lines() {
        let Some((method, expected)) = line.split_once(" => ") else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
            continue;
        };
        let expected: Value = toml::Value::from_str(expected).unwrap().try_into().unwrap();
        match (evaluate(method).unwrap().value, expected) {
            (Value::Number(given), Value::Number(expected)) => {
                assert!((given - expected).abs() < 1e-9, "{method}: {given}");
            }
            (given, expected) => assert_eq!(given, expected, "{method}"),
        }
    }
}

/// Worked by hand. 1, 2, 3: mean 2, error √(1/3), two degrees of freedom, t 4.302653; 11, 12, 13
/// likewise. The means 10 (σ 1) and 20 (σ 2) of five runs each: mean 15, error √(1/5 + 4/5) / 2 = 0.5.
#[test]
fn estimates_have_intervals() {
    let runs = "config,scenario,value\na,s,1\na,s,2\na,s,3\nb,s,11\nb,s,12\nb,s,13\nc,s,4\nc,s,5\n";
    let means = "config,scenario,runs,value,value_sd\na,s,5,10,1\nb,s,5,20,2\nc,s,2,9,1\n";
    let sources = Sources::default()
        .with_rows("runs", rows(runs))
        .with_rows("means", rows(means));
    let context = Context {
        sources: &sources,
        quantities: &BTreeMap::new(),
        default_rows: "runs",
    };
    let given = |formula: &str| {
        let computed = context.evaluate(formula).unwrap();
        let half = computed.interval().map(|i| (i.hi - i.lo) / 2.0);
        (computed.value.number().unwrap(), half)
    };
    let near = |formula: &str, value: f64, half: f64| {
        let (centre, given_half) = given(formula);
        assert!((centre - value).abs() < 1e-6, "{formula}: {centre}");
        assert!(
            (given_half.unwrap() - half).abs() < 1e-5,
            "{formula}: {given_half:?}"
        );
    };
    near(
        "estimate of value in runs where config = a",
        2.0,
        4.302_653 * (1.0_f64 / 3.0).sqrt(),
    );
    // Twice the variance, four degrees of freedom: t 2.776445.
    let less = "estimate of value in runs where config = b less runs where config = a";
    near(less, 10.0, 2.776_445 * (2.0_f64 / 3.0).sqrt());
    // Satterthwaite: (0.05 + 0.2)² / (0.05² / 4 + 0.2² / 4) = 5.882353 degrees of freedom, t 2.458824.
    near(
        "estimate of value in means where config != c",
        15.0,
        2.458_824 * 0.5,
    );
    // The logarithms differ by ln 2, errors 0.1 / √5 both: t of 8 degrees 2.306004.
    let change =
        "estimated % change of value from means where config = a to means where config = b";
    let computed = context.evaluate(change).unwrap();
    let high = 100.0 * (2.0 * (2.306_004 * (0.02_f64 / 5.0).sqrt()).exp() - 1.0);
    assert!((computed.value.number().unwrap() - 100.0).abs() < 1e-9);
    assert!((computed.interval().unwrap().hi - high).abs() < 1e-3);
    // Two runs, and a mean of two, are no estimate.
    assert_eq!(
        given("estimate of value in runs where config = c"),
        (4.5, None)
    );
    assert_eq!(
        given("estimate of value in means where config = c"),
        (9.0, None)
    );
}

/// The runs 7, 8, 9 estimate 8 [5.52, 10.48]; 7.9, 8, 8.1 give 8 [7.75, 8.25].
#[test]
fn the_interval_decides_on_an_estimate() {
    let text = "config,scenario,value\nwide,s,7\nwide,s,8\nwide,s,9\nnarrow,s,7.9\nnarrow,s,8\nnarrow,s,8.1\n";
    let sources = Sources::default().with_rows("published", rows(text));
    let finding = |config: &str, published: &str, relation: &str| {
        let text = format!(
            "schema = 1\n[[claims]]\nid = 'c'\ndocument = 'tr113'\nsection = '1'\nclaim = 'c'\n\
             published = {published}\nrelation = '{relation}'\ntolerance = 0.0\n\
             recompute = 'estimate of value in the rows where config = {config}'\n"
        );
        let claims = Claims::parse(Path::new("c.toml"), &text).unwrap();
        claims.audit(&sources).unwrap().entries[0].finding.clone()
    };
    for (config, published, relation, expected) in [
        ("narrow", "7.5", "more_than", "reproduced"),
        ("wide", "7.5", "more_than", "undecided"),
        ("wide", "5.0", "more_than", "reproduced"),
        ("wide", "11.0", "at_least", "contradicted"),
        ("narrow", "8.5", "more_than", "contradicted"),
        // The estimate lies inside, as precise as the claim.
        ("narrow", "[7.8, 8.5]", "within", "reproduced"),
        ("wide", "[7.8, 8.5]", "within", "undecided"),
        ("wide", "[11.0, 12.0]", "within", "contradicted"),
        ("wide", "8.0", "equals", "undecided"),
        ("narrow", "9.0", "equals", "contradicted"),
    ] {
        let given = finding(config, published, relation);
        assert_eq!(given.name(), expected, "{config} {relation} {published}");
    }
    // 2.4841 wide on either side of 8, half a unit from what is claimed: (2.4841 / 0.5)² times.
    let Finding::Undecided {
        times: Some(times), ..
    } = finding("wide", "7.5", "more_than")
    else {
        panic!("must be undecided");
    };
    assert!((times - 24.68).abs() < 0.01, "{times}");
}

#[test]
fn quantities_are_named_formulas() {
    let quantities = [
        ("q.top", "largest of value in the rows"),
        ("q.twice", "q.top · 2"),
    ];
    let computed = evaluate_with("q.twice", &quantities).unwrap();
    assert_eq!(computed.value, Value::Number(18.0));
}

#[test]
fn a_quantity_that_refers_to_itself_is_refused() {
    let wrong = evaluate_with("q", &[("q", "q + 1")]);
    let problem = "quantity `q` refers to itself".to_owned();
    assert_eq!(wrong, Err(RecomputeError::Wrong(problem)));
}

#[test]
fn a_formula_without_its_data_says_what_is_missing() {
    let messages = [
        "mean of speed in the rows",
        "count in the rows where speed > 1",
        "mean of value in smal",
        "mean of value in the rows where value > 99",
        "sample σ of value in the rows where value > 5",
        "a.numbr",
        "(a.text) / (2)",
        "(1) / (0)",
        "largest |small value - shifted speed|",
        "estimate of speed in the rows",
        "estimate of value in the rows where value > 99 less the rows",
        "estimated % change of value from the rows",
        "(estimate of value in the rows) - (1)",
    ]
    .map(|formula| format!("{formula}\n  {}\n", evaluate(formula).unwrap_err()));
    insta::assert_snapshot!(messages.concat());
}

/// A run on one server: A answers first (0.2 s to 4 s), B's first token comes at 4.5 s.
const IN_TURN: &str = "config,scenario,concurrent_wall_time_s,a_execution_s,a_ttft_ms,a_load_ms,a_prompt_eval_ms,a_eval_ms,a_tokens,b_execution_s,b_ttft_ms,b_load_ms,b_prompt_eval_ms,b_eval_ms,b_tokens,speedup,contention_recorded,recorded_at
homo_g80_c512_t0.6,chimera_homo,10,4,200,150,50,3800,380,10,4500,400,100,5500,550,1.4,true,2025-11-12T22:54:10Z
homo_g80_c512_t0.8,chimera_homo,10,8,1000,150,50,3800,380,10,2000,400,100,5500,550,1.8,false,2025-11-12T22:54:30Z
";

#[test]
fn recorded_runs_gain_columns() {
    let rows = rows(IN_TURN);
    let rows: Vec<&Row> = rows.iter().collect();
    let number = |row: &Row, column: &str| match row.get(column) {
        Some(Value::Number(number)) => *number,
        other => panic!("{column}: {other:?}"),
    };
    let near = |row: &Row, column: &str, expected: f64| {
        let value = number(row, column);
        assert!((value - expected).abs() < 1e-9, "{column}: {value}");
    };
    let (turn, together) = (rows[0], rows[1]);
    near(turn, "efficiency_percent", 70.0);
    near(turn, "speedup_from_times", 1.4);
    near(turn, "serial_speedup", 1.4);
    near(turn, "ttft_delta_ms", -4300.0);
    near(turn, "a_rate", 100.0);
    near(turn, "tp_delta", 0.0);
    near(turn, "aggregate_rate", 93.0);
    near(turn, "gap_ms", 500.0);
    near(turn, "overlap_s", 0.0);
    near(turn, "decode_overlap", 0.0);
    near(turn, "first_execution_ms", 4000.0);
    near(turn, "second_load_ms", 400.0);
    // 4 s of A and 6 s of B in 10 s of wall time.
    near(turn, "server_work_speedup", 1.0);
    near(turn, "end_s", number(turn, "start_s") + 10.0);
    assert_eq!(turn["first"], Value::Text("a".to_owned()));
    assert_eq!(turn["contention"], Value::Text("yes".to_owned()));
    // A decodes from 1 to 8 s, B from 2 to 10 s: both for 6 s, any for 9 s.
    near(together, "overlap_s", 6.0);
    near(together, "decode_overlap", 6.0 / 9.0);
    near(together, "gap_ms", -6000.0);
}

#[test]
fn conditions_are_read_strictly() {
    for wrong in [
        "",
        "value",
        "value >",
        "value ~ 3",
        "abs(value > 3",
        "value = 3 4",
        "value = [flag",
    ] {
        let formula = format!("count in the rows where {wrong}");
        let given = evaluate(&formula);
        assert!(
            matches!(given, Err(RecomputeError::Wrong(_))),
            "{wrong}: {given:?}"
        );
    }
}

fn one_claim(published: f64, tolerance: f64) -> Claims {
    let text = format!(
        "schema = 1\n[[claims]]\nid = 'c'\ndocument = 'tr113'\nsection = '1'\nclaim = 'c'\n\
         published = {published:?}\ntolerance = {tolerance:?}\nrecompute = 'x'\n\
         alternatives = [{{ definition = 'y', recompute = 'y' }}]\n"
    );
    Claims::parse(Path::new("c.toml"), &text).unwrap()
}

proptest! {
    /// Reproduced within the tolerance; else another definition; else contradicted with the sign
    /// of recomputed less published.
    #[test]
    fn the_tolerance_decides(published in -1e3_f64..1e3, tolerance in 1e-3_f64..10.0, x in -50.0_f64..50.0, y in -50.0_f64..50.0) {
        let sources = Sources::default()
            .with_figure("x", Value::Number(published + x * tolerance))
            .with_figure("y", Value::Number(published + y * tolerance));
        prop_assume!((x.abs() - 1.0).abs() > 1e-3 && (y.abs() - 1.0).abs() > 1e-3);
        let ledger = one_claim(published, tolerance).audit(&sources).unwrap();
        match &ledger.entries[0].finding {
            Finding::Reproduced { .. } => prop_assert!(x.abs() < 1.0),
            Finding::Redefined { under, .. } => {
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
