use domain::plan::ConfigId;

use super::*;

fn estimate(mean: f64, spread: Option<f64>) -> Estimate {
    Estimate {
        mean,
        lo: spread.map(|s| mean - s),
        hi: spread.map(|s| mean + s),
        sd: None,
        n: 5,
    }
}

fn walls(shared: f64, per_agent: f64, spread: Option<f64>) -> BothWays {
    BothWays {
        shared: estimate(shared, None),
        per_agent: estimate(per_agent, None),
        ratio: estimate(per_agent / shared, spread),
    }
}

fn over(kind: Option<Kind>, configs: u32, faster: Faster, wall_s: BothWays) -> ChoiceOver {
    ChoiceOver {
        kind,
        configs,
        faster,
        p: None,
        wall_s,
        throughput: None,
        ttft_s: None,
    }
}

fn choice(overall: ChoiceOver) -> Choice {
    Choice {
        repetitions: 5,
        paired: true,
        per_agent_servers: None,
        over_configs: false,
        overall,
        groups: Vec::new(),
        p_interaction: None,
    }
}

fn each(name: &str, faster: Faster) -> TopologyComparison {
    TopologyComparison {
        id: ConfigId::new(name).unwrap(),
        repetitions: 5,
        paired: true,
        faster,
        p: None,
        wall_s: walls(1.0, 1.0, None),
        throughput: None,
        ttft_s: None,
        rate: None,
        speedup_est: None,
        speedup: None,
        memory_peak_bytes: None,
    }
}

#[test]
fn every_answer_ranks_or_says_what_would_decide() {
    let mut all = Vec::new();
    let mut say = |choice: &Choice, each: &[TopologyComparison]| {
        let said = said(choice, each, "**");
        all.push([said.answer.join(" "), said.qualifications.join(" ")].join("\n  "));
    };
    let one = |faster, wall_s| choice(over(None, 1, faster, wall_s));
    let mut faster = one(Faster::PerAgent, walls(15.0, 9.6, Some(0.02)));
    faster.overall.throughput = Some(walls(50.0, 75.0, Some(0.1)));
    faster.overall.ttft_s = Some(walls(6.4, 4.1, Some(0.1)));
    say(&faster, &[each("a", Faster::PerAgent)]);
    say(&one(Faster::Neither, walls(10.0, 10.1, Some(0.02))), &[]);
    let open = choice(over(
        None,
        4,
        Faster::Undecided,
        walls(10.0, 10.4, Some(0.08)),
    ));
    let alone = [
        each("a", Faster::Shared),
        each("b", Faster::PerAgent),
        each("c", Faster::PerAgent),
        each("d", Faster::Undecided),
    ];
    say(&open, &alone);
    let few = one(Faster::NotRanked, walls(10.0, 12.0, None));
    say(
        &Choice {
            repetitions: 1,
            ..few
        },
        &[],
    );
    let tie = over(None, 30, Faster::Undecided, walls(12.3, 12.4, Some(0.08)));
    let different = walls(14.7, 12.3, Some(0.06));
    let different = over(
        Some(Kind::DifferentOptions),
        14,
        Faster::PerAgent,
        different,
    );
    let equal = walls(10.6, 12.6, Some(0.04));
    let equal = over(Some(Kind::EqualOptions), 16, Faster::Shared, equal);
    let depends = Choice {
        over_configs: true,
        groups: vec![equal, different],
        p_interaction: Some(1e-7),
        ..choice(tie)
    };
    say(&depends, &[]);
    let unclear = Choice {
        p_interaction: Some(0.2),
        ..depends
    };
    say(&unclear, &[]);
    let dealt = Choice {
        per_agent_servers: Some(2),
        ..one(Faster::Shared, walls(9.6, 15.0, Some(0.02)))
    };
    say(&dealt, &[]);
    insta::assert_snapshot!(all.join("\n\n"));
}
