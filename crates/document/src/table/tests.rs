use super::*;

type Row = (&'static str, Option<Option<Estimate>>, f64);

fn table() -> Table {
    let rows: [Row; 2] = [
        ("a|b", Some(Estimate::of(&[1.0, 1.1, 1.2, 1.1])), 1_234.5),
        ("<script>", None, -0.5),
    ];
    Table::of(
        "example",
        "An example",
        vec![
            Field::label("name", "name", |r: &Row| Cell::text(r.0)),
            Field::estimate("speedup", "speedup (×)", Origin::Measured, |r: &Row| {
                Cell::estimate(r.1.flatten().as_ref(), 2)
            }),
            Field::number("delta", "delta (s)", Origin::Derived, |r: &Row| {
                Cell::signed(r.2, 1)
            }),
            Field::number("p", "p", Origin::Derived, |_: &Row| {
                Cell::p_value(Some(0.000_2))
            }),
            Field::label("none", "none", |_: &Row| Cell::Empty),
        ],
        rows,
    )
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
    assert_eq!(
        keys(&table.clone().without_empty_columns(&["none"])).len(),
        5
    );
    assert_eq!(table.first(1).rows.len(), 1);
}
