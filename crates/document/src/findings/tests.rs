use domain::backend::ServerIdentity;
use metrics::{Decoding, Gain, Verdict};

use super::*;

fn evidence(figure: &'static str, value: f64, n: u32) -> EvidenceRef {
    EvidenceRef {
        config: None,
        topology: None,
        figure,
        value,
        interval: None,
        n,
    }
}

fn finding(config: &str, kind: FindingKind, evidence: Vec<EvidenceRef>) -> Finding {
    Finding {
        kind,
        config: Some(domain::plan::ConfigId::new(config).unwrap()),
        topology: None,
        runs: 3,
        evidence,
    }
}

fn every_kind(config: &str, more: f64) -> Vec<Finding> {
    let speedup = EvidenceRef {
        interval: Some((0.98, 1.04)),
        ..evidence("speedup", 1.02, 3)
    };
    let overlapped = evidence("overlap.below_5_percent", 3.0, 3);
    let wait = |figure| vec![overlapped.clone(), evidence(figure, 4.1 + more, 3)];
    let differing = Differing {
        option: "num_ctx",
        values: [Some("512".to_owned()), None],
    };
    let other = evidence("cause.waits.load_after_wait", 3.0, 3);
    let ratio = |mean: f64| Estimate {
        mean,
        lo: Some(mean - 0.05),
        hi: Some(mean + 0.05),
        sd: None,
        n: 3,
    };
    let changes = vec![
        (Quantity::Wall, ratio(1.16)),
        (Quantity::Throughput, ratio(0.85)),
        (Quantity::Ttft, ratio(1.02)),
    ];
    let compared = vec![
        evidence("topologies.wall_s.ratio", 1.16, 3),
        evidence("topologies.throughput.ratio", 0.85, 3),
        evidence("topologies.ttft_s.ratio", 1.02, 3),
        evidence("topologies.rate.ratio", 0.484, 3),
        evidence("decode_overlap", 0.789, 3),
    ];
    let lost = |cause| vec![evidence("lost_s", 7.0 + more, 3), evidence(cause, 4.1, 3)];
    let avoidable = vec![
        evidence("cause.avoidable_reloads.count", 1.0, 3),
        evidence("cause.avoidable_reloads.time", 2.9 + more, 3),
    ];
    let no_difference = Verdict {
        gain: Gain::None,
        decoding: Decoding::InTurn,
    };
    vec![
        finding(
            config,
            FindingKind::NeverOverlapped,
            vec![
                evidence("overlap.zero", 3.0, 3),
                evidence("speedup_est", 1.5, 3),
            ],
        ),
        finding(config, FindingKind::Verdict(no_difference), vec![speedup]),
        finding(
            config,
            FindingKind::OtherOptions(vec![differing]),
            [wait("cause.waits.wait_other_config"), vec![other]].concat(),
        ),
        finding(
            config,
            FindingKind::Admission,
            wait("cause.waits.admission"),
        ),
        finding(
            config,
            FindingKind::SlotQueue,
            wait("cause.waits.slot_queue"),
        ),
        finding(config, FindingKind::EqualOptions, avoidable),
        finding(config, FindingKind::Costliest, lost("wait_other_config")),
        finding(
            config,
            FindingKind::Offload,
            vec![
                evidence("cause.offload.on_cpu", 0.51 + more / 10.0, 3),
                evidence("cause.offload.on_cpu_in_turn", 0.0, 3),
                evidence("lost_s.offload", 6.2, 3),
            ],
        ),
        finding(
            config,
            FindingKind::Throttled,
            vec![evidence("lost_s.thermal_or_power", 0.4, 3)],
        ),
        finding(
            config,
            FindingKind::LeftOut,
            vec![evidence("runs_excluded", 1.0, 3)],
        ),
        finding(config, FindingKind::TwoServers { changes }, compared),
    ]
}

#[test]
fn each_finding_in_a_sentence() {
    let lines: Vec<String> = every_kind("a", 0.0)
        .iter()
        .map(|f| format!("{}\n  {}", id(f), sentence(f)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn findings_of_a_kind_are_one_sentence_and_a_table() {
    let findings = [every_kind("a", 0.0), every_kind("b", 1.0)].concat();
    let mut text = String::new();
    for group in together(&findings, Origin::Measured) {
        text.push_str(&group.sentence);
        text.push_str("\n\n");
        text.push_str(
            &group
                .table
                .map_or_else(String::new, |t| t.to_markdown() + "\n"),
        );
    }
    let server = |kind: &str| ServerIdentity {
        kind: kind.to_owned(),
        version: "1".to_owned(),
    };
    text.push_str(&what_to_try(&findings, 2, Some(&server("ollama"))).join("\n"));
    insta::assert_snapshot!(text);
    assert!(what_to_try(&findings[..2], 2, None).is_empty());
    let queued: Vec<Finding> = findings
        .into_iter()
        .filter(|f| f.kind == FindingKind::SlotQueue)
        .collect();
    for (server, start) in [
        (
            Some(server("llama.cpp")),
            "Start the server with `--parallel 3`, a slot",
        ),
        (
            Some(server("vllm")),
            "Start the server with `--max-num-seqs 3`, a slot",
        ),
        (
            Some(server("lmstudio")),
            "Let the server serve 3 requests at once, a slot",
        ),
        (
            None,
            "Let the server serve 3 requests at once (Ollama: `OLLAMA_NUM_PARALLEL=3`), a slot",
        ),
    ] {
        let next = what_to_try(&queued, 3, server.as_ref()).concat();
        assert!(next.starts_with(start), "{next}");
    }
}
