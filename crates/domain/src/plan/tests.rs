use super::*;

const TR113: &str = include_str!("../../../../fixtures/plans/tr113.toml");

fn tr113() -> SweepPlan {
    parse("tr113.toml", TR113).unwrap()
}

#[test]
fn tr113_has_its_nineteen_configurations() {
    let plan = tr113();
    let expected = [
        ("baseline_vs_chimera", 13),
        ("chimera_hetero", 2),
        ("chimera_homo", 4),
    ];
    assert_eq!(plan.scenarios(), expected);
    let ids: Vec<_> = plan.configs.iter().map(|c| c.id.as_str()).collect();
    let first = "bvc_g60_c512_t0.6 bvc_g60_c512_t0.8 bvc_g60_c1024_t0.6";
    assert_eq!(ids[..3].join(" "), first);
    for id in "homo_g80_c1024_t0.8 het_g60_g120 baseline_g80_c512_t0.8".split(' ') {
        assert!(ids.contains(&id), "{id} in {ids:?}");
    }
}

/// A plan that parses, with one line replaced.
fn plan_with(from: &str, to: &str) -> String {
    let plan = r#"
schema = 1
name = "p"
model = "m"
[timeouts]
total = "30s"
[[configs]]
id = "a_c{num_ctx}"
scenario = "s"
axes = { num_ctx = [512, 1024] }
agents = [{ name = "collector", varies = true }]
"#;
    assert!(plan.contains(from), "{from}");
    plan.replace(from, to)
}

fn error_of(from: &str, to: &str) -> String {
    parse("p.toml", &plan_with(from, to))
        .expect_err("should be refused")
        .to_string()
}

#[test]
fn a_plain_plan_gets_the_rigorous_protocol_and_every_default() {
    let plan = parse("p.toml", &plan_with("schema", "schema")).unwrap();
    assert_eq!(plan.protocol, Protocol::rigorous());
    assert_eq!(plan.topologies, [Topology::Shared]);
    assert_eq!(plan.timeouts.total, Nanos::from_secs(30));
    assert_eq!(plan.timeouts.connect, Timeouts::default().connect);
    assert_eq!(plan.configs[1].agents[0].options.num_ctx, Some(1024));
}

#[test]
fn every_mistake_names_file_key_and_fix() {
    // Each replaces a part of the plan, with `|` for line ends.
    let messages = include_str!("mistakes.txt").lines().map(|mistake| {
        let (from, to) = mistake.split_once(" => ").unwrap();
        error_of(from, &to.replace('|', "\n"))
    });
    insta::assert_snapshot!(messages.collect::<Vec<_>>().join("\n"));
    let empty = parse("p.toml", "schema = 1\nname = \"p\"\nmodel = \"m\"\n").unwrap_err();
    insta::assert_snapshot!(empty, @"p.toml: configs: the plan has no configurations; add at least one [[configs]] entry");
}

#[test]
fn what_would_fill_tables_or_memory_is_refused_before_it_is_made() {
    let long = "n".repeat(limits::NAME_CHARACTERS + 1);
    for (place, key) in [
        ("name = \"p\"", "3: name"),
        ("scenario = \"s\"", "9: configs[0].scenario"),
        ("id = \"a_c{num_ctx}\"", "8: configs[0].id"),
        ("name = \"collector\"", "11: configs[0].agents[0].name"),
    ] {
        let (name, _) = place.split_once(' ').unwrap();
        let error = error_of(place, &format!("{name} = \"{long}\""));
        let words = "a name has 1 to 100 characters, and this one has 101";
        assert_eq!(error, format!("p.toml:{key}: {words}"));
    }
    // 10^12 configurations.
    let values: Vec<i32> = (10..110).collect();
    let axes = "num_ctx top_k num_gpu num_batch num_keep seed".split(' ');
    let axes: Vec<_> = axes.map(|name| format!("{name} = {values:?}")).collect();
    let error = error_of("num_ctx = [512, 1024]", &axes.join(", "));
    let expected = "1000000 is out of range; 1 to 10000 configurations";
    assert!(error.ends_with(expected), "{error}");
    let mut plan = tr113();
    plan.protocol.repetitions = NonZeroU32::new(limits::REPETITIONS.most).unwrap();
    plan.topologies = vec![Topology::Shared, Topology::PerAgent];
    assert_eq!(plan.check_arms("x"), Ok(()));
    plan.configs.extend(plan.configs.clone());
    let error = plan.check_arms("x").unwrap_err().to_string();
    let expected = "x: protocol.repetitions: 1520000 is out of range; 1 to 1000000 arms in all";
    assert_eq!(error, expected);
    let most = limits::AGENTS.parse("100000");
    assert_eq!(most.map(NonZeroU32::get), Ok(100_000));
    let refused = Err("give 1 to 100000 agents".to_owned());
    for text in ["0", "100001", "-1", "4294967296", "many"] {
        assert_eq!(limits::AGENTS.parse(text), refused);
    }
    assert_eq!(limits::wait("7days"), Ok(limits::LONGEST_WAIT));
    assert_eq!(limits::wait("8days"), Err("give 7days at most".to_owned()));
}

#[test]
fn too_few_endpoints_are_refused_unless_the_plan_says_how_agents_share_them() {
    let three = "agents = [{ name = \"a\" }, { name = \"b\" }, { name = \"c\" }]";
    let two = "topologies = [\"shared\", \"per_agent\"]\nname";
    let text = plan_with("agents = [{ name = \"collector\", varies = true }]", three);
    let alone = parse("p.toml", &text).unwrap();
    assert_eq!((alone.servers(), alone.check_endpoints(1)), (1, Ok(())));
    let each = parse("p.toml", &text.replacen("name", two, 1)).unwrap();
    assert_eq!((each.servers(), each.check_endpoints(3)), (3, Ok(())));
    for given in [1, 2] {
        let refused = each.check_endpoints(given).unwrap_err().to_string();
        let says = format!(
            "--endpoint: names {given} of the 3 servers that the plan's topology `per_agent` needs"
        );
        assert!(refused.starts_with(&says), "{refused}");
        // One server for all agents is the other topology.
        let offers_two = refused.contains("`per_agent_servers = 2`");
        assert_eq!(offers_two, given == 2, "{refused}");
        assert!(!refused.contains("`per_agent_servers = 1`"), "{refused}");
    }
    let shared = text.replacen("name", &format!("per_agent_servers = 2\n{two}"), 1);
    let shared = parse("p.toml", &shared).unwrap();
    assert_eq!((shared.servers(), shared.check_endpoints(2)), (2, Ok(())));
    let one = text.replacen("name", &format!("per_agent_servers = 1\n{two}"), 1);
    let refused = parse("p.toml", &one).unwrap_err().to_string();
    assert!(refused.contains("per_agent_servers: 1 "), "{refused}");
    let dealt = [0, 1, 2].map(|agent| Topology::PerAgent.endpoint_of(agent, shared.servers()));
    assert_eq!(dealt, [0, 1, 0]);
}

#[test]
fn only_keeps_what_matches_and_says_what_there_is() {
    let mut plan = tr113();
    plan.keep_only(&["homo_*".into(), "het_g60*".into()])
        .unwrap();
    assert_eq!(plan.configs.len(), 5);
    let error = plan.keep_only(&["bvc_*".into()]).unwrap_err().to_string();
    let expected = "--only: no configuration matches bvc_*; the plan has: het_g60_g120";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn recorded_folders_map_to_the_same_ids() {
    for (folder, id) in [
        ("bvc_gpu60_ctx512_temp0p6", "bvc_g60_c512_t0.6"),
        ("baseline_gpu80_ctx512_temp0p8", "baseline_g80_c512_t0.8"),
        ("homo_gpu80_ctx1024_temp0p8", "homo_g80_c1024_t0.8"),
        ("hetero_het_g60c512t06__g120c1024t08", "het_g60_g120"),
        ("hetero_het_g80c512t08__g120c1024t06", "het_g80_g120"),
        ("something_else", "something_else"),
    ] {
        assert_eq!(ConfigId::from_folder(folder).unwrap().as_str(), id);
    }
}

#[test]
fn expansion_is_seeded_and_pairs_arms_within_a_repetition() {
    let mut plan = tr113();
    let arms = plan.expand(3);
    assert_eq!(arms.len(), 19 * 3 * 2);
    assert_eq!(arms, plan.expand(3), "the same seed gives the same order");
    for pair in arms.chunks(2) {
        assert_eq!(pair[0].run, pair[1].run, "the arms of a run are adjacent");
        assert_ne!(pair[0].arm, pair[1].arm);
    }
    let first = arms.chunks(2).filter(|pair| pair[0].arm == Arm::Sequential);
    let first = first.count();
    assert!((10..47).contains(&first), "{first} of 57 sequential first");
    plan.seed += 1;
    assert_ne!(arms, plan.expand(3), "another seed gives another order");
}

#[test]
fn tr113_protocol_runs_once_in_order_together_only() {
    let mut plan = tr113();
    plan.protocol = Protocol::tr113();
    let arms = plan.expand(1);
    assert_eq!(arms.len(), 19);
    assert!(arms.iter().all(|a| a.arm == Arm::Together));
    let ids = plan.configs.iter().map(|config| &config.id);
    assert!(arms.iter().map(|arm| &arm.run.config).eq(ids));
}

#[test]
fn call_seeds_are_equal_in_both_arms_and_differ_otherwise() {
    let plan = tr113();
    let id = &plan.configs[0].id;
    let seed = plan.call_seed(id, 1, 0, 0);
    assert!((0..=i64::from(i32::MAX)).contains(&seed));
    assert_eq!(seed, plan.call_seed(id, 1, 0, 0));
    for [repetition, agent, call] in [[2, 0, 0], [1, 1, 0], [1, 0, 1]] {
        assert_ne!(seed, plan.call_seed(id, repetition, agent, call));
    }
}

proptest::proptest! {
    #[test]
    fn any_slash_in_an_id_becomes_an_underscore(name in "[a-z0-9_/-][a-z0-9._/-]{0,19}") {
        assert_eq!(ConfigId::new(".."), None);
        let id = ConfigId::new(&name).unwrap();
        proptest::prop_assert!(!id.as_str().contains('/'));
    }
}
