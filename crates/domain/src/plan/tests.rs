use super::*;

const TR113: &str = include_str!("../../../../fixtures/plans/tr113.toml");

#[test]
fn tr113_has_its_nineteen_configurations() {
    let plan = parse("tr113.toml", TR113).unwrap();
    assert_eq!(
        plan.scenarios(),
        [
            ("baseline_vs_chimera", 13),
            ("chimera_hetero", 2),
            ("chimera_homo", 4)
        ]
    );
    let ids: Vec<_> = plan.configs.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(
        ids[..3],
        [
            "bvc_g60_c512_t0.6",
            "bvc_g60_c512_t0.8",
            "bvc_g60_c1024_t0.6"
        ]
    );
    for id in [
        "bvc_g60_c512_t0.6",
        "homo_g80_c1024_t0.8",
        "het_g60_g120",
        "baseline_g80_c512_t0.8",
    ] {
        assert!(ids.contains(&id), "{id} in {ids:?}");
    }
}
