use domain::backend::ServerIdentity;
use metrics::{Decoding, Gain, Verdict};

use super::*;

/// Evidence from its figures and values: `lost_s 7.0, slot_queue 4.1`.
fn evidence(pieces: &'static str) -> Vec<EvidenceRef> {
    let piece = |piece: &'static str| {
        let (figure, value) = piece.split_once(' ').unwrap();
        EvidenceRef {
            config: None,
            topology: None,
            figure,
            value: value.parse().unwrap(),
            interval: None,
            n: 3,
        }
    };
    pieces.split(", ").map(piece).collect()
}

/// A finding of each kind; `more` is added to its times.
fn every_kind(config: &str, more: f64) -> Vec<Finding> {
    let differing = Differing {
        option: "num_ctx",
        values: [Some("512".to_owned()), None],
    };
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
    let no_difference = Verdict {
        gain: Gain::None,
        decoding: Decoding::InTurn,
    };
    let kinds = [
        (
            FindingKind::NeverOverlapped,
            "overlap.zero 3, speedup_est 1.5",
        ),
        (FindingKind::Verdict(no_difference), "speedup 1.02"),
        (
            FindingKind::OtherOptions(vec![differing]),
            "overlap.below_5_percent 3, cause.waits.wait_other_config 4.1, cause.waits.load_after_wait 3",
        ),
        (
            FindingKind::Admission,
            "overlap.below_5_percent 3, cause.waits.admission 4.1",
        ),
        (
            FindingKind::SlotQueue,
            "overlap.below_5_percent 3, cause.waits.slot_queue 4.1",
        ),
        (
            FindingKind::EqualOptions,
            "cause.avoidable_reloads.count 1, cause.avoidable_reloads.time 2.9",
        ),
        (FindingKind::Costliest, "lost_s 7, wait_other_config 4.1"),
        (
            FindingKind::Offload,
            "cause.offload.on_cpu_share 0.51, cause.offload.on_cpu_share_in_turn 0, lost_s.offload 6.2",
        ),
        (FindingKind::Throttled, "lost_s.thermal_or_power 0.4"),
        (FindingKind::LeftOut, "runs_excluded 1"),
        (
            FindingKind::TwoServers { changes },
            "topologies.wall_s.ratio 1.16, topologies.throughput_tokens_per_s.ratio 0.85, topologies.ttft_s.ratio 1.02, \
             topologies.decode_tokens_per_s.ratio 0.484, decode_overlap 0.789",
        ),
    ];
    let finding = |(kind, pieces): (FindingKind, &'static str)| {
        let mut evidence = evidence(pieces);
        for piece in &mut evidence {
            piece.value += match piece.figure {
                "cause.waits.wait_other_config"
                | "cause.waits.admission"
                | "cause.waits.slot_queue"
                | "cause.avoidable_reloads.time"
                | "lost_s" => more,
                "cause.offload.on_cpu_share" => more / 10.0,
                _ => 0.0,
            };
        }
        if let FindingKind::Verdict(_) = kind {
            evidence[0].interval = Some((0.98, 1.04));
        }
        Finding {
            kind,
            config: Some(domain::plan::ConfigId::new(config).unwrap()),
            topology: None,
            runs: 3,
            evidence,
        }
    };
    kinds.map(finding).into_iter().collect()
}

#[test]
fn each_finding_in_a_sentence() {
    let line = |f: &Finding| format!("{}\n  {}", id(f), sentence(f));
    insta::assert_snapshot!(every_kind("a", 0.0).iter().map(line).join("\n"));
}

#[test]
fn findings_of_a_kind_are_one_sentence_and_a_table() {
    let findings = [every_kind("a", 0.0), every_kind("b", 1.0)].concat();
    let mut text = String::new();
    for group in together(&findings, Origin::Measured) {
        let table = group.table.map(|table| table.to_markdown() + "\n");
        text.extend([&*group.sentence, "\n\n", &*table.unwrap_or_default()]);
    }
    let server = |kind: &str| ServerIdentity {
        kind: kind.to_owned(),
        version: "1".to_owned(),
    };
    text.push_str(&what_to_try(&findings, 2, Some(&server("ollama"))).join("\n"));
    insta::assert_snapshot!(text);
    assert!(what_to_try(&findings[..2], 2, None).is_empty());
    let queued = findings.into_iter();
    let queued: Vec<Finding> = queued
        .filter(|f| f.kind == FindingKind::SlotQueue)
        .collect();
    for (kind, start) in [
        (
            Some("llama.cpp"),
            "Start the server with `--parallel 3`, a slot",
        ),
        (
            Some("vllm"),
            "Start the server with `--max-num-seqs 3`, a slot",
        ),
        (
            Some("lmstudio"),
            "Let the server serve 3 requests at once, a slot",
        ),
        (
            None,
            "Let the server serve 3 requests at once (Ollama: `OLLAMA_NUM_PARALLEL=3`), a slot",
        ),
    ] {
        let next = what_to_try(&queued, 3, kind.map(server).as_ref()).concat();
        assert!(next.starts_with(start), "{next}");
    }
}
