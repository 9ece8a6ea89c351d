use std::path::Path;

use super::*;

fn published_only() -> metrics::Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tr113/published.csv");
    crate::load::load(&path, false).unwrap().dataset
}

fn both() -> metrics::Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tr113");
    crate::load::load(&path, false).unwrap().dataset
}

fn tables_of(set: &metrics::Dataset) -> Vec<Table> {
    let summary = with_runs(&Summary::of(set));
    all(&View::new(set, &summary))
}

fn named<'t>(tables: &'t [Table], id: &str) -> &'t Table {
    tables
        .iter()
        .find(|t| t.id == id)
        .unwrap_or_else(|| panic!("no table {id}"))
}

/// A cell as a reader sees it, by the first cell of its row and its column's key.
fn cell(table: &Table, row: &[&str], key: &str) -> String {
    let column = table
        .columns
        .iter()
        .position(|c| c.key == key)
        .unwrap_or_else(|| {
            let keys: Vec<_> = table.columns.iter().map(|c| &c.key).collect();
            panic!("no column {key} in {keys:?}")
        });
    let found = table.rows.iter().find(|cells| {
        cells
            .iter()
            .zip(row)
            .all(|(cell, want)| cell.in_terminal() == *want)
    });
    found.unwrap_or_else(|| panic!("no row {row:?} in {}", table.id))[column].in_terminal()
}

#[test]
fn the_published_table_gives_tr113s_own_figures_where_its_rows_support_them() {
    let set = published_only();
    let tables = tables_of(&set);
    let t31 = named(&tables, "3.1-baseline_vs_chimera");
    assert_eq!(t31.rows.len(), 13);
    assert_eq!(cell(t31, &["bvc_g120_c512_t0.6"], "speedup_est"), "1.563");
    assert_eq!(
        cell(t31, &["bvc_g120_c512_t0.6"], "efficiency_est_percent"),
        "78.1"
    );
    assert_eq!(
        cell(t31, &["bvc_g120_c512_t0.6"], "ttft_delta_ms"),
        "+10,434"
    );
    assert_eq!(cell(t31, &["bvc_g120_c512_t0.6"], "tp_delta"), "-0.38");
    assert_eq!(cell(t31, &["bvc_g120_c512_t0.6"], "contention"), "no");
    assert_eq!(cell(t31, &["bvc_g120_c512_t0.6"], "speedup"), "unknown");
    assert_eq!(cell(t31, &["bvc_g120_c512_t0.6"], "verdict"), "unknown");

    let means = named(&tables, "3-averages");
    let bvc = ["Baseline vs Chimera"];
    assert_eq!(cell(means, &bvc, "speedup_est_mean"), "1.424");
    assert_eq!(cell(means, &bvc, "efficiency_est_mean_percent"), "71.2");
    assert_eq!(cell(means, &bvc, "contention_rate_percent"), "92");
    // TR113 prints 0.101, which is the deviation of a population; the sample's is this.
    assert_eq!(cell(means, &bvc, "speedup_est_sd"), "0.106");
    assert_eq!(
        cell(means, &["Heterogeneous Chimera"], "speedup_est_sd"),
        "–",
        "no SD of two"
    );

    let temperature = named(&tables, "3.1.2-temperature");
    assert_eq!(temperature.rows.len(), 6);
    assert_eq!(cell(temperature, &["60", "512"], "delta_pp"), "+13.1");
    assert_eq!(cell(temperature, &["80", "512"], "delta_pp"), "-10.8");
    let homo = named(&tables, "3.3.2-temperature");
    assert_eq!(cell(homo, &["80", "1024"], "delta_pp"), "+14.5");

    let layers = named(&tables, "3.1.3-contention");
    assert_eq!(cell(layers, &["bvc", "120"], "contention_configs"), "3/4");
    assert_eq!(cell(layers, &["bvc", "80"], "tr110_rate_percent"), "25");
    assert_eq!(cell(layers, &["bvc", "80"], "tr110_recount_percent"), "10");

    let against = named(&tables, "4.1-scenarios");
    assert_eq!(
        cell(against, &["Homogeneous Chimera"], "delta_mean_percent"),
        "-25.0"
    );
    assert_eq!(cell(against, &bvc, "delta_best_percent"), "-20.2");
    let spread = named(&tables, "4.2-distribution");
    // TR113 prints 72.4; the mean of its own rows is this.
    assert_eq!(cell(spread, &["published"], "mean_percent"), "72.0");
    let contention = named(&tables, "4.3-contention");
    assert_eq!(cell(contention, &["published"], "flag"), "14/19");
    let sweet = named(&tables, "4.4-sweet-spots");
    assert_eq!(
        cell(sweet, &["Homogeneous Chimera"], "config"),
        "homo_g80_c1024_t0.6"
    );
}

#[test]
fn recorded_runs_stand_beside_the_published_rows_with_the_truth() {
    let set = both();
    let tables = tables_of(&set);
    let t33 = named(&tables, "3.3-chimera_homo");
    let row = ["homo_g80_c1024_t0.6"];
    assert_eq!(cell(t33, &row, "speedup_est_published"), "1.644");
    assert_eq!(cell(t33, &row, "speedup_est_recorded"), "1.644");
    assert_eq!(cell(t33, &row, "speedup"), "unknown");
    assert_eq!(cell(t33, &row, "decode_overlap_percent"), "0");
    assert_eq!(cell(t33, &row, "verdict"), "unknown");
    assert!(cell(t33, &row, "cause").contains("waited"));
    assert_eq!(cell(t33, &row, "n"), "1");
    let mismatch = named(&tables, "3.2.2-temperature");
    assert_eq!(
        cell(mismatch, &["het_g80_g120"], "delta_to_first_pp_recorded"),
        "-11.2"
    );
}

#[test]
fn polars_aggregates_equal_those_of_the_summary() {
    let set = both();
    let summary = Summary::of(&set);
    let view = View::new(&set, &summary);
    for scenario in &summary.scenarios {
        let groups = view.group(|row| Some(row.scenario));
        let ours = groups
            .iter()
            .find(|g| g.source == 1 && scenario.scenario.as_deref() == Some(g.key))
            .unwrap();
        let theirs = scenario.stats.speedup_est.unwrap();
        // The summary's mean leaves out a fifth at each end from eight configurations on, TR113's none.
        let members = summary
            .configs
            .iter()
            .filter(|c| scenario.holds(c) && c.runs > 0);
        let means: Vec<f64> = members
            .filter_map(|c| Some(c.stats.speedup_est?.mean))
            .collect();
        let plain = metrics::stats::mean(&means).unwrap();
        assert!((ours.speedup.mean.unwrap() - plain).abs() < 1e-12);
        assert_eq!(ours.speedup.n, theirs.n);
        assert_eq!(ours.speedup.sd.is_some(), theirs.sd.is_some());
        if let Some((a, b)) = ours.speedup.sd.zip(theirs.sd) {
            assert!((a - b).abs() < 1e-12);
        }
    }
}

#[test]
fn differing_contention_flags_are_listed_and_equal_figures_are_not() {
    let set = both();
    let summary = Summary::of(&set);
    let all = differences(&set, &summary);
    let differing: Vec<&str> = all
        .iter()
        .filter(|d| d.differs)
        .map(|d| d.place.as_str())
        .collect();
    assert_eq!(
        differing,
        [
            "3.1 bvc_g60_c512_t0.6 contention",
            "3.1 bvc_g80_c1024_t0.6 contention",
            "3.2 het_g80_g120 contention",
        ]
    );
    assert_eq!(
        all.len(),
        17 * 5 + 2 * 3,
        "four figures and a flag, two of them without deltas"
    );
}

#[test]
fn settings_in_which_agents_differ_are_not_grouped_with_others() {
    let set = both();
    let summary = Summary::of(&set);
    let view = View::new(&set, &summary);
    let groups = view.group(|row| (row.scenario == "chimera_hetero").then(|| row.settings()));
    let recorded = groups.iter().filter(|g| g.source == 1);
    let words: Vec<_> = recorded
        .map(|g| [g.key.num_gpu.words(), g.key.temperature.words()].map(Option::unwrap))
        .collect();
    assert_eq!(words, [["60/120", "0.6/0.8"], ["80/120", "0.8/0.6"]]);
}

#[test]
fn an_empty_data_set_gives_no_tables() {
    let mut set = published_only();
    set.published.clear();
    assert!(tables_of(&set).is_empty());
}
