//! Each method on data small enough to work by hand.

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

fn evaluate(formula: &str) -> Result<Value, RecomputeError> {
    evaluate_with(formula, &[])
}

fn evaluate_with(formula: &str, quantities: &[(&str, &str)]) -> Result<Value, RecomputeError> {
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
        match (evaluate(method).unwrap(), expected) {
            (Value::Number(given), Value::Number(expected)) => {
                assert!((given - expected).abs() < 1e-9, "{method}: {given}");
            }
            (given, expected) => assert_eq!(given, expected, "{method}"),
        }
    }
}

#[test]
fn quantities_are_named_formulas() {
    let quantities = [
        ("q.top", "largest of value in the rows"),
        ("q.twice", "q.top · 2"),
    ];
    let value = evaluate_with("q.twice", &quantities);
    assert_eq!(value, Ok(Value::Number(18.0)));
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
            Finding::NotTestable => prop_assert!(false, "not testable"),
        }
    }
}
