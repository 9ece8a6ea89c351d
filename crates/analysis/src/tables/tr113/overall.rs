//! Tables over scenarios and over all configurations: averages, 3.3.1, 4.1 to 4.4 and 6.3.

use document::Field;
use domain::plan::ConfigId;

use super::super::facts::scenario_title;
use super::super::figures::{EFFICIENCY, FIGURES};
use super::super::settings::in_words;
use super::super::tr110::{CitedScenario, comparison_figures};
use super::super::truth::RULES;
use super::super::view::{Group, RowData, Spread, View};
use super::super::{Cell, Kind, Number, Origin, Table, numbers, signed, taking_part};
use super::{best, config_column, count_cell, per_source, rate_cell, truth_columns};

/// Every scenario in every source.
fn scenarios<'v>(view: &'v View<'v>) -> Vec<Group<'v>> {
    view.group(None, &["scenario"])
}

/// The columns that name a scenario, its source and how many configurations it has.
fn scenario_columns<'f>(view: &'f View<'_>) -> Vec<Field<'f, Group<'f>>> {
    vec![
        Field::label("scenario", "scenario", |g: &Group<'_>| {
            Cell::text(scenario_title(g.first.scenario))
        }),
        source_column(view),
        Field::number("n", "configs (n)", Origin::Derived, |g: &Group<'_>| {
            Cell::count(g.configs)
        }),
    ]
}

fn source_column<'f>(view: &'f View<'_>) -> Field<'f, Group<'f>> {
    Field::label("source", "source", |g: &Group<'_>| {
        Cell::text(view.sources[g.first.source].label.as_str())
    })
}

fn sd_cell(spread: &Spread, decimals: usize) -> Cell {
    spread
        .sd
        .map_or(Cell::Empty, |sd| Cell::number(sd, decimals))
}

pub(super) fn averages(view: &View<'_>) -> Table {
    let figures: [Number<Group<'_>>; 8] = [
        ("speedup_est_mean", "mean speedup est (×)", |g| {
            Cell::known(g.speedup.mean, 3)
        }),
        ("speedup_est_sd", "SD (×)", |g| sd_cell(&g.speedup, 3)),
        ("speedup_est_min", "min (×)", |g| {
            Cell::known(g.speedup.min, 3)
        }),
        ("speedup_est_max", "max (×)", |g| {
            Cell::known(g.speedup.max, 3)
        }),
        (
            "efficiency_est_mean_percent",
            "mean efficiency est (%)",
            |g| Cell::known(g.efficiency.mean, 1),
        ),
        ("efficiency_est_sd_pp", "SD (pp)", |g| {
            sd_cell(&g.efficiency, 1)
        }),
        ("contention_configs", "contention flag (configs)", |g| {
            count_cell(g.contended)
        }),
        ("contention_rate_percent", "contention rate (%)", |g| {
            rate_cell(g.contended)
        }),
    ];
    let mut columns = scenario_columns(view);
    columns.extend(numbers(Origin::Derived, figures));
    let title = "3.1, 3.2, 3.3 Averages by scenario";
    Table::of("3-averages", title, columns, scenarios(view)).note(
        "n counts configurations. SD is the sample standard deviation (n - 1), not given below n = 3.",
    )
}

/// A metric of the best configuration: in each source, in TR110, and the difference from that.
struct Peak {
    metric: &'static str,
    ours: Vec<Cell>,
    theirs: Cell,
    deltas: Vec<Cell>,
}

pub(super) fn peak(view: &View<'_>, scenario: &str) -> Table {
    let rows: Vec<Option<&RowData<'_>>> = (0..view.sources.len())
        .map(|source| best(view, source, scenario))
        .collect();
    let name = |row: Option<&RowData<'_>>| match row {
        Some(row) => Cell::text(row.config.as_str()),
        None => Cell::Empty,
    };
    let mut lines = vec![Peak {
        metric: "configuration",
        ours: rows.iter().copied().map(name).collect(),
        theirs: Cell::text("GPU=80, CTX=2048, TEMP=1.0"),
        deltas: vec![Cell::Empty; rows.len()],
    }];
    if let Some(cited) = comparison_figures().cited.scenario(scenario) {
        let cited = [
            Some(cited.best_speedup),
            Some(cited.best_efficiency),
            cited.best_ttft_delta_ms,
            cited.best_tp_delta,
        ];
        for (figure, theirs) in FIGURES.iter().zip(cited) {
            let ours = rows.iter().map(|row| row.and_then(|row| figure.value(row)));
            let delta = |ours: Option<f64>| match ours.zip(theirs) {
                None => Cell::Empty,
                // Speedups are ratios, so their difference is a percentage.
                Some((ours, theirs)) if figure.key == "speedup_est" => {
                    Cell::text(format!("{} %", signed(100.0 * (ours / theirs - 1.0), 1)))
                }
                Some((ours, theirs)) => Cell::signed(ours - theirs, figure.decimals),
            };
            lines.push(Peak {
                metric: figure.heading,
                ours: ours.clone().map(|value| figure.show(value)).collect(),
                theirs: theirs.map_or(Cell::Empty, |v| figure.show(Some(v))),
                deltas: ours.map(delta).collect(),
            });
        }
    }
    let metric = Field::label("metric", "metric", |l: &Peak| Cell::text(l.metric));
    let theirs = Field::number("tr110", "TR110, as cited", Origin::Published, |l: &Peak| {
        l.theirs.clone()
    });
    let ours = |place: usize, l: &Peak| l.ours[place].clone();
    let delta = |place: usize, l: &Peak| l.deltas[place].clone();
    let mut columns = vec![metric];
    columns.extend(per_source(view, "value", "best", Kind::Number, ours));
    columns.push(theirs);
    columns.extend(per_source(view, "delta", "delta", Kind::Number, delta));
    let title = "3.3.1 Best homogeneous configuration beside TR110's";
    Table::of("3.3.1-peak", title, columns, lines).note(
        "TR110's runs had a server per agent; these figures compare two ways of serving, not two \
         languages.",
    )
}

/// What TR110 has of a scenario: key, heading, the figure.
type Cited = (&'static str, &'static str, fn(&CitedScenario) -> f64);

pub(super) fn scenarios_against_tr110(view: &View<'_>) -> Table {
    let cited = |g: &Group<'_>, get: fn(&CitedScenario) -> f64| {
        comparison_figures()
            .cited
            .scenario(g.first.scenario)
            .map(get)
    };
    let ours: [Number<Group<'_>>; 4] = [
        ("best_speedup_est", "best speedup est (×)", |g| {
            Cell::known(g.speedup.max, 3)
        }),
        (
            "best_efficiency_est_percent",
            "best efficiency est (%)",
            |g| Cell::known(g.efficiency.max, 1),
        ),
        ("mean_speedup_est", "mean speedup est (×)", |g| {
            Cell::known(g.speedup.mean, 3)
        }),
        (
            "mean_efficiency_est_percent",
            "mean efficiency est (%)",
            |g| Cell::known(g.efficiency.mean, 1),
        ),
    ];
    let theirs: [Cited; 2] = [
        ("tr110_best_speedup", "TR110 best (×)", |c| c.best_speedup),
        ("tr110_mean_speedup", "TR110 mean (×)", |c| {
            c.average_speedup
        }),
    ];
    let theirs = theirs.map(|(key, heading, get)| {
        Field::number(key, heading, Origin::Published, move |g| {
            cited(g, get).map_or(Cell::Empty, |v| Cell::number(v, 3))
        })
    });
    let delta = |ours: Option<f64>, theirs: Option<f64>| {
        let both = ours.zip(theirs);
        both.map_or(Cell::Empty, |(o, t)| Cell::signed(100.0 * (o / t - 1.0), 1))
    };
    let mut columns = scenario_columns(view);
    columns.extend(numbers(Origin::Derived, ours));
    columns.extend(theirs);
    columns.extend([
        Field::number(
            "delta_best_percent",
            "delta best (%)",
            Origin::Derived,
            move |g: &Group<'_>| delta(g.speedup.max, cited(g, |c| c.best_speedup)),
        ),
        Field::number(
            "delta_mean_percent",
            "delta mean (%)",
            Origin::Derived,
            move |g: &Group<'_>| delta(g.speedup.mean, cited(g, |c| c.average_speedup)),
        ),
    ]);
    let title = "4.1 Scenarios beside TR110's";
    Table::of("4.1-scenarios", title, columns, scenarios(view)).note(
        "TR113's own estimate on both sides. It cannot tell a serial server from a parallel one, so \
         neither column says whether concurrency paid; see the truth columns of 3.1 to 3.3.",
    )
}

/// All configurations of one source, or those of TR110.
struct Distribution {
    source: String,
    configs: u32,
    efficiency: Spread,
    above_95: (u32, u32),
    decimals_of_max: usize,
}

pub(super) fn distribution(view: &View<'_>) -> Table {
    let ours = view.group(None, &[]).into_iter().map(|g| Distribution {
        source: view.sources[g.first.source].label.clone(),
        configs: g.configs,
        efficiency: g.efficiency,
        above_95: (g.above_95, g.efficiency.n),
        decimals_of_max: 1,
    });
    let cited = &comparison_figures().cited;
    let theirs = Distribution {
        source: "TR110, as cited".to_owned(),
        configs: cited.configs,
        efficiency: Spread {
            n: cited.configs,
            mean: Some(cited.distribution.mean_efficiency),
            sd: Some(cited.distribution.sd_efficiency),
            min: Some(cited.distribution.min_efficiency),
            max: Some(cited.distribution.max_efficiency),
        },
        above_95: (cited.distribution.configs_above_95, cited.configs),
        decimals_of_max: 2,
    };
    let figures: [Number<Distribution>; 7] = [
        ("n", "configs (n)", |a| Cell::count(a.configs)),
        ("min_percent", "min (%)", |a| {
            Cell::known(a.efficiency.min, 1)
        }),
        ("max_percent", "max (%)", |a| {
            Cell::known(a.efficiency.max, a.decimals_of_max)
        }),
        ("mean_percent", "mean (%)", |a| {
            Cell::known(a.efficiency.mean, 1)
        }),
        ("sd_pp", "SD (pp)", |a| sd_cell(&a.efficiency, 1)),
        ("above_95", "above 95 % (configs)", |a| {
            count_cell(a.above_95)
        }),
        ("above_95_percent", "above 95 % (%)", |a| {
            rate_cell(a.above_95)
        }),
    ];
    let source = Field::label("source", "source", |a: &Distribution| {
        Cell::text(&*a.source)
    });
    let columns = std::iter::once(source).chain(numbers(Origin::Derived, figures));
    let title = "4.2 Efficiency est over all configurations";
    Table::of("4.2-distribution", title, columns.collect(), ours.chain([theirs])).note(
        "SD is the sample standard deviation (n - 1) over configurations: differences between configurations, not \
         run-to-run spread.",
    )
}

/// Contention in one source, or in TR110: how often each rule finds it.
struct Contention<'a> {
    source: &'a str,
    configs: u32,
    runs: Option<u32>,
    flag: (u32, u32),
    rules: [Cell; 3],
}

impl<'a> Contention<'a> {
    fn of(view: &'a View<'_>, group: &Group<'_>) -> Self {
        let source = &view.sources[group.first.source];
        let rows = || view.rows.iter().filter(|r| r.source == group.first.source);
        let summaries = || rows().filter_map(|r| r.summary);
        let runs: u32 = summaries().map(taking_part).sum();
        let mut rules = RULES.map(|(_, _, found)| {
            let known = summaries().filter_map(|s| found(&s.stats.contention_runs));
            let all = known.reduce(|sum, more| sum + more);
            all.map_or(Cell::Unknown, |all| Cell::text(format!("{all}/{runs}")))
        });
        if source.is_published() {
            let below = rows().filter(|r| r.speedup_est.is_some_and(|s| s < 1.5));
            rules = [const { Cell::Empty }; 4];
            rules[2] = Cell::text(format!("{}/{}", below.count(), group.configs));
        }
        let [_, ttft, speedup, cause] = rules;
        Self {
            source: &source.label,
            configs: group.configs,
            runs: (!source.is_published()).then_some(runs),
            flag: group.contended,
            rules: [ttft, speedup, cause],
        }
    }
}

pub(super) fn contention(view: &View<'_>) -> Table {
    let groups = view.group(None, &[]);
    let ours = groups.iter().map(|group| Contention::of(view, group));
    let cited = &comparison_figures().cited;
    let theirs = Contention {
        source: "TR110, as cited",
        configs: cited.configs,
        runs: None,
        flag: (cited.distribution.contention_configs, cited.configs),
        rules: [const { Cell::Empty }; 3],
    };
    let figures: [Number<Contention<'_>>; 7] = [
        ("configs", "configs (n)", |c| Cell::count(c.configs)),
        ("runs", "runs (n)", |c| {
            c.runs.map_or(Cell::Empty, Cell::count)
        }),
        ("flag", "flag", |c| count_cell(c.flag)),
        ("flag_percent", "flag rate (%)", |c| rate_cell(c.flag)),
        ("ttft_rule", "ttft rule", |c| c.rules[0].clone()),
        ("speedup_rule", "speedup rule", |c| c.rules[1].clone()),
        ("cause", "cause", |c| c.rules[2].clone()),
    ];
    let source = Field::label("source", "source", |c: &Contention<'_>| {
        Cell::text(c.source)
    });
    let columns = std::iter::once(source).chain(numbers(Origin::Derived, figures));
    let title = "4.3 Contention, by every rule";
    Table::of("4.3-contention", title, columns.collect(), ours.chain([theirs])).note(
        "`flag`: as published or recorded. `ttft rule`: an agent's TTFT exceeds its solo TTFT by more \
         than 3 s. `speedup rule`: speedup est below 1.5. `cause`: more than 5 % of the wall time was \
         lost to other agents or to reloading. Counts of runs; a rule that the data cannot test is \
         unknown.",
    )
}

pub(super) fn sweet_spots(view: &View<'_>) -> Table {
    let places = 0..view.sources.len();
    let spots = view.scenarios().into_iter().flat_map(|scenario| {
        let sources = places.clone();
        sources.filter_map(move |source| best(view, source, scenario))
    });
    let compared = |row: &RowData<'_>| {
        let rows = view.rows.iter();
        rows.filter(|r| r.source == row.source && r.scenario == row.scenario)
            .count()
    };
    let options = |row: &RowData<'_>, agent: usize| in_words(&view.options(row.config)[agent]);
    let columns = vec![
        Field::label("scenario", "scenario", |r: &RowData<'_>| {
            Cell::text(scenario_title(r.scenario))
        }),
        Field::label("source", "source", |r: &RowData<'_>| {
            Cell::text(view.sources[r.source].label.as_str())
        }),
        Field::label("config", "best config", |r: &RowData<'_>| {
            Cell::text(r.config.as_str())
        }),
        Field::label("agent_a", "agent A", |r| Cell::Text(options(r, 0))),
        Field::label("agent_b", "agent B", |r| Cell::Text(options(r, 1))),
        Field::estimate(EFFICIENCY.key, EFFICIENCY.heading, Origin::Derived, |r| {
            EFFICIENCY.cell(Some(r))
        }),
        Field::number("compared", "of configs (n)", Origin::Derived, |r| {
            Cell::count(compared(r) as u32)
        }),
        Field::label("verdict", "verdict", |r: &RowData<'_>| {
            let verdict = r.summary.map(|s| s.verdict.word());
            verdict.map_or(Cell::Unknown, Cell::text)
        }),
    ];
    let title = "4.4 Configuration sweet spots, by TR113's metric";
    Table::of("4.4-sweet-spots", title, columns, spots).note(
        "The configuration with the highest efficiency est of its scenario. Without repetitions it \
         cannot be told apart from the others; with them see \"Best configurations\".",
    )
}

/// TR113's 6.3: configuration, scenario, expected efficiency in percent.
const RECOMMENDED: [(&str, &str, &str); 3] = [
    ("bvc_g120_c512_t0.6", "Baseline + Chimera", "78-80"),
    ("het_g60_g120", "Heterogeneous", "78-79"),
    ("homo_g80_c1024_t0.6", "Homogeneous", "82-84"),
];

pub(super) fn recommended(view: &View<'_>) -> Table {
    let of = |id: &ConfigId| RECOMMENDED.iter().find(|r| r.0 == id.as_str());
    let mut columns = vec![
        Field::label("scenario", "scenario", move |id: &ConfigId| {
            of(id).map_or(Cell::Empty, |r| Cell::text(r.1))
        }),
        config_column(),
        Field::number(
            "expected_percent",
            "expected (%)",
            Origin::Published,
            move |id| of(id).map_or(Cell::Empty, |r| Cell::text(r.2)),
        ),
    ];
    let cell = |place, id: &ConfigId| EFFICIENCY.cell(view.row(place, id));
    let (key, heading) = (EFFICIENCY.key, EFFICIENCY.heading);
    columns.extend(per_source(view, key, heading, Kind::Estimate, cell));
    columns.extend(truth_columns(view));
    let present = RECOMMENDED.iter().filter_map(|(id, ..)| {
        let mut rows = view.rows.iter();
        rows.find(|r| r.config.as_str() == *id).map(|r| r.config)
    });
    let title = "6.3 TR113's recommended configurations as measured";
    Table::of("6.3-recommended", title, columns, present).note(
        "`expected` is what TR113 promises. A verdict of `unknown` means that the agents were never run one after \
         another: the recommended efficiency is no gain over that. With a decode overlap of 0 they took turns.",
    )
}
