use super::*;

fn table() -> Table {
    let mut table = Table::new("example", "An example");
    table.label("name", "name");
    table.column("speedup", "speedup (×)", Kind::Estimate, Origin::Measured);
    table.column("delta", "delta (s)", Kind::Number, Origin::Derived);
    table.column("p", "p", Kind::Number, Origin::Derived);
    table.label("none", "none");
    let speedup = Estimate::of(&[1.0, 1.1, 1.2, 1.1]);
    for (name, speedup, delta) in [("a|b", speedup, 1_234.5), ("<script>", None, -0.5)] {
        table.row(vec![
            Cell::text(name),
            Cell::estimate(speedup.as_ref(), 2),
            Cell::signed(delta, 1),
            Cell::P(0.000_2),
            Cell::Empty,
        ]);
    }
    table
}

#[test]
fn every_form() {
    let table = table();
    insta::assert_snapshot!(format!(
        "{}\n{}\n{}\n{}\n{}",
        table.to_markdown(),
        table.to_text(200),
        table.to_text(40),
        table.to_csv(),
        dictionary([&table]).to_csv()
    ));
}

#[test]
fn columns_that_say_nothing_are_dropped_and_rows_cut() {
    let keys = |t: &Table| t.columns.iter().map(|c| c.key.clone()).collect::<Vec<_>>();
    let table = table();
    let kept = table.clone().without_empty_columns(&[]);
    assert_eq!(keys(&kept), ["name", "speedup", "delta", "p"]);
    let kept = table.clone().without_empty_columns(&["none"]);
    assert_eq!(keys(&kept).len(), 5);
    assert_eq!(table.first(1).rows.len(), 1);
}
