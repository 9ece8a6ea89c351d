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
recompute = { method = 'stat', stat = 'mean', column = 'value' }
";

fn sources() -> Sources {
    let rows = vec![
        Row::new("a", "s").number("value", 7.0),
        Row::new("b", "s").number("value", 9.5),
    ];
    Sources::default()
        .with_rows(Rows::new("published", rows))
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
            recomputed: Value::Number(8.25)
        }
    );
}

#[test]
fn an_unknown_method_is_named_with_those_there_are() {
    let message = refused(&with("method = 'stat'", "method = 'avg'"));
    assert!(
        message.starts_with(
            "claims.toml:3: claim `mean`, key `recompute.method`: unknown variant `avg`"
        ),
        "{message}"
    );
    assert!(message.contains("`stat`"), "{message}");
}

#[test]
fn an_unknown_method_inside_another_is_named_too() {
    let inner = "recompute = { method = 'ratio', a = 1, b = { method = 'avg', column = 'value' } }";
    let text = with(
        "recompute = { method = 'stat', stat = 'mean', column = 'value' }",
        inner,
    );
    let message = refused(&text);
    assert!(message.contains("unknown variant `avg`"), "{message}");
}

#[test]
fn a_missing_column_is_named_with_those_there_are() {
    assert_eq!(
        refused(&with("column = 'value'", "column = 'speed'")),
        "claims.toml:3: claim `mean`, key `recompute`: rows `published` have no column `speed`; they have config, scenario, value"
    );
}

#[test]
fn a_wrong_alternative_is_found_though_it_is_not_needed() {
    let text = format!(
        "{SOUND}alternatives = [{{ definition = 'd', recompute = {{ method = 'figure', key = 'nothing' }} }}]\n"
    );
    assert_eq!(
        refused(&text),
        "claims.toml:3: claim `mean`, key `alternatives`: no figure or quantity `nothing`"
    );
}

#[test]
fn tolerances_must_be_there_and_make_sense() {
    for bad in ["tolerance = -0.5", "tolerance = inf", "tolerance = nan"] {
        assert_eq!(
            refused(&with("tolerance = 0.5", bad)),
            "claims.toml:3: claim `mean`, key `tolerance`: must be 0 or a positive number"
        );
    }
    assert_eq!(
        refused(&with("tolerance = 0.5\n", "")),
        "claims.toml:3: claim `mean`, key `tolerance`: is missing; give half a unit in the last printed place, 0 for a count"
    );
    let message = refused(&with("tolerance = 0.5", "tolerance = 'half'"));
    assert!(message.contains("key `tolerance`"), "{message}");
}

#[test]
fn what_is_published_must_fit_its_relation() {
    let cases = [
        (
            "published = [8.0, 7.0]\nrelation = 'within'",
            "key `published`: is a range whose low end lies above its high end",
        ),
        (
            "published = [7.0, 8.0]",
            "key `relation`: of a range must be `within`",
        ),
        (
            "published = 8.0\nrelation = 'within'",
            "key `published`: must be a range `[low, high]` for `within`",
        ),
        (
            "published = 'eight'",
            "key `tolerance`: has no meaning for a text; leave it out",
        ),
        (
            "published = 'eight'\nrelation = 'at_least'",
            "key `relation`: of a text must be `equals` or `version_at_least`",
        ),
        (
            "published = 8.0\nrelation = 'version_at_least'",
            "key `published`: must be a version in quotes for `version_at_least`",
        ),
    ];
    for (replacement, problem) in cases {
        let message = refused(&with("published = 8.0", replacement));
        assert_eq!(message, format!("claims.toml:3: claim `mean`, {problem}"));
    }
}

#[test]
fn a_text_is_not_held_against_a_number() {
    let text = with("published = 8.0\ntolerance = 0.5", "published = 'a'");
    let message = refused(&text);
    assert!(
        message.contains("both must be numbers or both texts"),
        "{message}"
    );
}

#[test]
fn claims_need_one_name_and_one_test() {
    let twice = format!("{SOUND}\n{}", SOUND.trim_start_matches("schema = 1\n"));
    assert_eq!(
        refused(&twice),
        "claims.toml:13: claim `mean`, key `id`: is used twice; give each claim its own"
    );
    assert_eq!(
        refused(&format!("{SOUND}not_testable = 'no data'\n")),
        "claims.toml:3: claim `mean`, key `not_testable`: stands beside `recompute`; keep one of them"
    );
    let bare = SOUND.split("recompute").next().unwrap();
    assert!(refused(bare).contains("key `recompute`: is missing"));
    assert!(refused(&with("published = 8.0\n", "")).contains("key `published`: is missing"));
    assert!(refused(&with("section = '3.1'\n", "")).contains("missing field `section`"));
    assert!(refused(&with("tolerance", "tolerence")).contains("unknown field `tolerence`"));
    assert!(refused(&with("'tr113'", "'tr114'")).contains("unknown variant `tr114`"));
}

#[test]
fn a_wrong_file_is_refused_as_a_whole() {
    assert_eq!(
        refused(&with("schema = 1", "schema = 2")),
        "claims.toml:1: key `schema`: must be there and be 1"
    );
    assert_eq!(
        refused("schema = 1\n"),
        "claims.toml:1: key `claims`: is missing; the file must hold at least one [[claims]]"
    );
    assert_eq!(
        refused(&with("\n[[claims]]", "extra = 3\n[[claims]]")),
        "claims.toml:2: key `extra`: is not known; known are schema, quantities, claims"
    );
    assert!(refused("schema = ").starts_with("claims.toml:1: not TOML: "));
    assert!(
        refused(&with(
            "\n[[claims]]",
            "[quantities]\nq = { method = 'no' }\n[[claims]]"
        ))
        .starts_with("claims.toml:2: quantity `q`: unknown variant `no`")
    );
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let text = |published: &str| {
        with(
            "published = 8.0\ntolerance = 0.5\nrecompute = { method = 'stat', stat = 'mean', column = 'value' }",
            &format!(
                "published = '{published}'\nrelation = 'version_at_least'\nrecompute = {{ method = 'text', key = 'version' }}"
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Rows::read("rows", &path).unwrap_err().to_string()
    };
    assert!(
        read("id,scenario\n").ends_with("rows.csv:1: no column `config`; the header must name it")
    );
    let ragged = read("config,scenario,speedup\na,s,1\nb,s\n");
    assert!(ragged.contains("rows.csv:3: "), "{ragged}");
    let absent = Rows::read("rows", &folder.path().join("none.csv")).unwrap_err();
    assert!(absent.to_string().contains("none.csv: cannot be read"));
}

#[test]
fn figures_must_be_numbers_or_texts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["published", "recorded", "one-server", "two-servers"] {
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
        "tables.toml:2: cell 1 (3, r, c): must have either `recompute` or `not_testable`"
    );
    let method =
        "recompute = { method = 'stat', stat = 'mean', column = 'value', where = 'config = z' }\n";
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
