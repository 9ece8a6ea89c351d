//! A wrong claims file says where and how to mend it.

use std::path::Path;

use super::super::*;

const SOUND: &str = "schema = 1

[[claims]]
id = 'mean'
document = 'tr113'
section = '3.1'
claim = 'The mean is 8'
published = 8.0
tolerance = 0.5
recompute = 'mean of value in the rows'
";

fn sources() -> Sources {
    let text = "config,scenario,value\na,s,7\nb,s,9.5\n";
    let rows = Rows::parse(Path::new("rows.csv"), text).unwrap();
    Sources::default()
        .with_rows("published", rows)
        .with_figure("version", Value::Text("0.10.0".to_owned()))
}

fn refused(text: &str) -> String {
    Claims::parse(Path::new("claims.toml"), text)
        .and_then(|claims| claims.audit(&sources()))
        .expect_err("must be refused")
        .to_string()
}

/// The sound file with one line replaced; an empty replacement leaves the line out.
fn with(from: &str, to: &str) -> String {
    let changed = SOUND.replace(from, to);
    assert_ne!(changed, SOUND);
    changed
}

#[test]
fn the_sound_file_is_sound() {
    let claims = Claims::parse(Path::new("claims.toml"), SOUND).unwrap();
    let ledger = claims.audit(&sources()).unwrap();
    assert_eq!(
        ledger.entries[0].finding,
        Finding::Reproduced {
            recomputed: Computed {
                value: Value::Number(8.25),
                evidence: Evidence::Exact,
            }
        }
    );
}

/// Every mistake with its message: what is replaced in the sound file, and by what.
#[test]
fn every_mistake_says_where_and_how_to_mend_it() {
    let twice = format!("{SOUND}\n{}", SOUND.trim_start_matches("schema = 1\n"));
    let beside = |rest: &str| format!("{SOUND}{rest}\n");
    let bare = SOUND.split("recompute").next().unwrap().to_owned();
    let published = |published: &str| with("published = 8.0", published);
    let tolerance = |tolerance: &str| with("tolerance = 0.5\n", tolerance);
    let formula = |formula: &str| with("mean of value in the rows", formula);
    let cases = [
        ("unknown method", formula("avg of value in the rows")),
        (
            "unknown method inside another",
            formula("(1) / (avg of value in the rows)"),
        ),
        ("missing column", formula("mean of speed in the rows")),
        ("formula that breaks off", formula("mean of value in")),
        ("formula with too many words", formula("(1) / (2) or so")),
        ("bracket that stays open", formula("(1")),
        (
            "wrong alternative, though it is not needed",
            beside("alternatives = [{ definition = 'd', recompute = 'nothing' }]"),
        ),
        ("negative tolerance", tolerance("tolerance = -0.5\n")),
        ("infinite tolerance", tolerance("tolerance = inf\n")),
        ("tolerance not a number", tolerance("tolerance = nan\n")),
        ("no tolerance", tolerance("")),
        ("tolerance in words", tolerance("tolerance = 'half'\n")),
        (
            "backward range",
            published("published = [8.0, 7.0]\nrelation = 'within'"),
        ),
        (
            "range without `within`",
            published("published = [7.0, 8.0]"),
        ),
        (
            "`within` without a range",
            published("published = 8.0\nrelation = 'within'"),
        ),
        ("text with a tolerance", published("published = 'eight'")),
        (
            "text with an order",
            published("published = 'eight'\nrelation = 'at_least'"),
        ),
        (
            "number as a version",
            published("published = 8.0\nrelation = 'version_at_least'"),
        ),
        (
            "text against a number",
            with("published = 8.0\ntolerance = 0.5", "published = 'a'"),
        ),
        ("name used twice", twice),
        ("two tests", beside("not_testable = 'no data'")),
        ("no test", bare),
        ("nothing published", published("")),
        ("no section", with("section = '3.1'\n", "")),
        ("unknown key", with("tolerance", "tolerence")),
        ("unknown document", with("'tr113'", "'tr114'")),
        ("another schema", with("schema = 1", "schema = 2")),
        ("no claims", "schema = 1\n".to_owned()),
        (
            "unknown key of the file",
            with("\n[[claims]]", "extra = 3\n[[claims]]"),
        ),
        ("no TOML", "schema = ".to_owned()),
        (
            "wrong quantity",
            with("\n[[claims]]", "[quantities]\nq = 'no'\n[[claims]]"),
        ),
    ];
    let messages = cases.map(|(case, text)| format!("{case}\n  {}\n", refused(&text).trim_end()));
    insta::assert_snapshot!(messages.concat());
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let text = |published: &str| {
        with(
            "published = 8.0\ntolerance = 0.5\nrecompute = 'mean of value in the rows'",
            &format!(
                "published = '{published}'\nrelation = 'version_at_least'\nrecompute = 'version'"
            ),
        )
    };
    let finding = |published: &str| {
        let claims = Claims::parse(Path::new("claims.toml"), &text(published)).unwrap();
        claims.audit(&sources()).unwrap().entries[0].finding.name()
    };
    assert_eq!(finding("0.10.0"), "reproduced");
    assert_eq!(finding("v0.11"), "reproduced");
    assert_eq!(finding("0.9.9"), "contradicted");
}

#[test]
fn tables_of_rows_name_file_and_line() {
    let refused = |text: &str| {
        let error = Rows::parse(Path::new("rows.csv"), text).unwrap_err();
        error.to_string()
    };
    let unnamed = refused("id,scenario\n");
    assert_eq!(
        unnamed,
        "rows.csv:1: no column `config`; the header must name it"
    );
    let ragged = refused("config,scenario,speedup\na,s,1\nb,s\n");
    assert!(ragged.starts_with("rows.csv:3: "), "{ragged}");
    let absent = Sources::load(Path::new("no-folder")).unwrap_err();
    let words = "no-folder/published.csv: cannot be read";
    assert!(absent.to_string().starts_with(words), "{absent}");
}

#[test]
fn figures_must_be_numbers_or_texts() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "published",
        "recorded",
        "one-server",
        "two-servers",
        "repeated",
    ] {
        let path = folder.path().join(format!("{name}.csv"));
        std::fs::write(path, "config,scenario\n").unwrap();
    }
    std::fs::write(
        folder.path().join("tr110.toml"),
        "schema = 1\n[a]\nb = true\n",
    )
    .unwrap();
    let error = Sources::load(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("tr110.toml: key `tr110.a.b`: is boolean; write a number or a text"),
        "{error}"
    );
}

#[test]
fn a_bar_in_a_claim_does_not_break_the_table() {
    let text = with("'The mean is 8'", "'a | b'");
    let claims = Claims::parse(Path::new("claims.toml"), &text).unwrap();
    let markdown = claims.audit(&sources()).unwrap().to_markdown(3);
    assert!(
        markdown.contains("| a \\| b `mean` | 8 | 8.2 | reproduced |"),
        "{markdown}"
    );
    assert!(markdown.contains("\n### TR113\n\n#### 3.1\n"), "{markdown}");
}

#[test]
fn cells_are_checked_too() {
    let cell = "schema = 1\n[[cells]]\nsection = '3'\nrow = 'r'\ncolumn = 'c'\nprinted = '8'\nvalue = 8.0\n";
    let parse =
        |rest: &str| PublishedCells::parse(Path::new("tables.toml"), &format!("{cell}{rest}"));
    let error = parse("").unwrap_err().to_string();
    assert_eq!(
        error,
        "tables.toml:2: cell (3, r, c): must have either `recompute` or `not_testable`"
    );
    let method = "recompute = 'mean of value in the rows where config = z'\n";
    let error = parse(method).unwrap_err().to_string();
    assert!(
        error.ends_with("must have a `tolerance` of 0 or more"),
        "{error}"
    );
    // Rows that lack a configuration make its cells unknown, not wrong.
    let cells = parse(&format!("tolerance = 0.5\n{method}")).unwrap();
    let check = &cells.check(&sources(), "published").unwrap()[0];
    assert_eq!((check.differs, &check.recomputed), (false, &None));
    assert!(check.why.is_some());
}
