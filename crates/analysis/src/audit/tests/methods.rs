//! Each method on data small enough to work by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr as _;

use proptest::prelude::*;

use super::super::*;

fn row(config: &str, scenario: &str, value: f64, flag: bool) -> Row {
    Row::new(config, scenario)
        .number("value", value)
        .flag("flag", flag)
}

/// Values 1, 2, 4 (one scenario) and 9 (another).
fn sources() -> Sources {
    let rows = vec![
        row("x_g60_c512_t0.6", "s", 1.0, true),
        row("x_g60_c512_t0.8", "s", 2.0, false),
        row("x_g80_c512_t0.6", "s", 4.0, true),
        row("x_g80_c512_t0.8", "other", 9.0, true),
    ];
    let shifted = vec![
        row("x_g60_c512_t0.6", "s", 1.5, true),
        row("x_g60_c512_t0.8", "s", 2.0, true),
        row("absent", "s", 100.0, false),
    ];
    Sources::default()
        .with_rows(Rows::new("small", rows))
        .with_rows(Rows::new("shifted", shifted))
        .with_figure("a.number", Value::Number(8.0))
        .with_figure("a.text", Value::Text("1.2.3".to_owned()))
        .with_figure("a.stamp", Value::Text("1970-01-01T00:01:00.5Z".to_owned()))
}

fn evaluate(method: &str) -> Result<Value, RecomputeError> {
    evaluate_with(method, &[])
}

fn parse(method: &str) -> Recompute {
    let table: toml::Table = toml::from_str(&format!("m = {method}")).unwrap();
    table["m"].clone().try_into().unwrap()
}

fn evaluate_with(method: &str, quantities: &[(&str, &str)]) -> Result<Value, RecomputeError> {
    let quantities: BTreeMap<String, Recompute> = quantities
        .iter()
        .map(|(key, method)| ((*key).to_owned(), parse(method)))
        .collect();
    Context {
        sources: &sources(),
        quantities: &quantities,
        default_rows: "small",
    }
    .evaluate(&parse(method))
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
fn quantities_are_named_methods() {
    let quantities = [
        (
            "q.top",
            "{ method = 'stat', stat = 'max', column = 'value' }",
        ),
        ("q.twice", "{ method = 'product', terms = ['q.top', 2] }"),
    ];
    let value = evaluate_with("{ method = 'figure', key = 'q.twice' }", &quantities);
    assert_eq!(value, Ok(Value::Number(18.0)));
}

#[test]
fn a_quantity_that_refers_to_itself_is_refused() {
    let quantities = [("q", "{ method = 'sum', terms = ['q', 1] }")];
    assert_eq!(
        evaluate_with("{ method = 'figure', key = 'q' }", &quantities),
        Err(RecomputeError::Circular {
            key: "q".to_owned()
        })
    );
}

#[test]
fn a_method_without_its_data_says_what_is_missing() {
    let messages = [
        "{ method = 'stat', stat = 'mean', column = 'speed' }",
        "{ method = 'count', where = 'speed > 1' }",
        "{ method = 'stat', stat = 'mean', column = 'value', rows = 'smal' }",
        "{ method = 'stat', stat = 'mean', column = 'value', where = 'value > 99' }",
        "{ method = 'stat', stat = 'sd', column = 'value', where = 'value > 5' }",
        "{ method = 'figure', key = 'a.numbr' }",
        "{ method = 'figure', key = 'a.text' }",
        "{ method = 'text', key = 'a.number' }",
        "{ method = 'ratio', a = 1, b = 0 }",
    ]
    .map(|method| format!("{method}\n  {}\n", evaluate(method).unwrap_err()));
    insta::assert_snapshot!(messages.concat());
}

/// A run on one server: A answers first (0.2 s to 4 s), B's first token comes at 4.5 s.
const IN_TURN: &str = "config,scenario,concurrent_wall_time_s,a_execution_s,a_ttft_ms,a_load_ms,a_prompt_eval_ms,a_eval_ms,a_tokens,b_execution_s,b_ttft_ms,b_load_ms,b_prompt_eval_ms,b_eval_ms,b_tokens,speedup,contention_recorded,recorded_at
homo_g80_c512_t0.6,chimera_homo,10,4,200,150,50,3800,380,10,4500,400,100,5500,550,1.4,true,2025-11-12T22:54:10Z
homo_g80_c512_t0.8,chimera_homo,10,8,1000,150,50,3800,380,10,2000,400,100,5500,550,1.8,false,2025-11-12T22:54:30Z
";

#[test]
fn recorded_runs_gain_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.csv");
    std::fs::write(&path, IN_TURN).unwrap();
    let rows = Rows::read("runs", &path).unwrap();
    let rows: Vec<&Row> = rows.iter().collect();
    let near = |row: &Row, column: &str, expected: f64| {
        let value = row.get(column).unwrap_or_else(|| panic!("no {column}"));
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
    near(turn, "end_s", turn.get("start_s").unwrap() + 10.0);
    assert_eq!(turn.cell("first"), Some(&Cell::Text("a".to_owned())));
    assert_eq!(
        turn.cell("contention_recorded"),
        Some(&Cell::Text("yes".to_owned()))
    );
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
        "a = b c",
        "a = [b",
    ] {
        assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
    }
    let condition: Condition = "abs(value) > 3 and scenario = s".parse().unwrap();
    assert!(condition.holds(&Row::new("x", "s").number("value", -4.0)));
    assert!(!condition.holds(&Row::new("x", "s").number("value", -3.0)));
    assert!(!condition.holds(&Row::new("x", "s")));
}

fn one_claim(published: f64, tolerance: f64) -> Claims {
    let text = format!(
        "schema = 1\n[[claims]]\nid = 'c'\ndocument = 'tr113'\nsection = '1'\nclaim = 'c'\n\
         published = {published:?}\ntolerance = {tolerance:?}\nrecompute = {{ method = 'figure', key = 'x' }}\n\
         alternatives = [{{ definition = 'y', recompute = {{ method = 'figure', key = 'y' }} }}]\n"
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
            Finding::Redefined { definition, .. } => {
                prop_assert!(x.abs() > 1.0 && y.abs() < 1.0);
                prop_assert_eq!(definition, "y");
            }
            Finding::Contradicted { difference, tolerances, .. } => {
                prop_assert!(x.abs() > 1.0 && y.abs() > 1.0);
                prop_assert_eq!(difference.unwrap() > 0.0, x > 0.0);
                prop_assert!((tolerances.unwrap() - x).abs() < 1e-6);
            }
            not_testable @ Finding::NotTestable { .. } => prop_assert!(false, "{:?}", not_testable),
        }
    }
}
