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
        throughput_tokens_per_s: None,
        ttft_s: None,
    }
}

fn choice(configs: u32, faster: Faster, wall_s: BothWays) -> Choice {
    Choice {
        repetitions: 5,
        paired: true,
        per_agent_servers: None,
        over_configs: false,
        overall: over(None, configs, faster, wall_s),
        groups: Vec::new(),
        p_interaction: None,
    }
}

fn each((name, faster): (&str, Faster)) -> TopologyComparison {
    TopologyComparison {
        id: ConfigId::new(name).unwrap(),
        repetitions: 5,
        paired: true,
        faster,
        p: None,
        wall_s: walls(1.0, 1.0, None),
        throughput_tokens_per_s: None,
        ttft_s: None,
        decode_tokens_per_s: None,
        speedup_est: None,
        speedup: None,
        memory_peak_bytes: None,
    }
}

#[test]
fn every_answer_ranks_or_says_what_would_decide() {
    let mut faster = choice(1, Faster::PerAgent, walls(15.0, 9.6, Some(0.02)));
    faster.overall.throughput_tokens_per_s = Some(walls(50.0, 75.0, Some(0.1)));
    faster.overall.ttft_s = Some(walls(6.4, 4.1, Some(0.1)));
    let neither = choice(1, Faster::Neither, walls(10.0, 10.1, Some(0.02)));
    let open = choice(4, Faster::Undecided, walls(10.0, 10.4, Some(0.08)));
    let alone = [
        ("a", Faster::Shared),
        ("b", Faster::PerAgent),
        ("c", Faster::PerAgent),
        ("d", Faster::Undecided),
    ];
    let mut few = choice(1, Faster::NotRanked, walls(10.0, 12.0, None));
    few.repetitions = 1;
    let different = walls(14.7, 12.3, Some(0.06));
    let equal = walls(10.6, 12.6, Some(0.04));
    let mut depends = choice(30, Faster::Undecided, walls(12.3, 12.4, Some(0.08)));
    depends.over_configs = true;
    depends.groups = vec![
        over(Some(Kind::EqualOptions), 16, Faster::Shared, equal),
        over(
            Some(Kind::DifferentOptions),
            14,
            Faster::PerAgent,
            different,
        ),
    ];
    depends.p_interaction = Some(1e-7);
    let mut unclear = depends.clone();
    unclear.p_interaction = Some(0.2);
    let mut dealt = choice(1, Faster::Shared, walls(9.6, 15.0, Some(0.02)));
    dealt.per_agent_servers = Some(2);
    let cases: [(Choice, &[(&str, Faster)]); 7] = [
        (faster, &[("a", Faster::PerAgent)]),
        (neither, &[]),
        (open, &alone),
        (few, &[]),
        (depends, &[]),
        (unclear, &[]),
        (dealt, &[]),
    ];
    let all = cases.map(|(choice, alone)| {
        let alone: Vec<_> = alone.iter().copied().map(each).collect();
        let words = in_words(&choice, &alone, "**");
        [words.answer.join(" "), words.qualifications.join(" ")].join("\n  ")
    });
    insta::assert_snapshot!(all.join("\n\n"));
}
