use domain::Stamp;
use domain::record::capacity::*;
use metrics::Estimate;
use metrics::capacity::*;
use metrics::stats::Law;
use serde_json::json;

use super::{Answer, answer};

/// A level with this throughput and no requests.
fn level(agents: u32, throughput: f64) -> LevelFigures {
    let window = Window {
        from: Stamp(0),
        to: Stamp(1_000_000_000),
    };
    let mut level = LevelFigures::of(&[], agents, window, &"ttft_p95 < 1s".parse().unwrap());
    level.block_tokens_per_s = (0..10)
        .map(|i| throughput * (1.0 + 0.002 * (f64::from(i) - 4.5)))
        .collect();
    level.tokens_per_s = Estimate::of(&level.block_tokens_per_s).unwrap();
    level
}

fn record(probes: &[(u32, Verdict, f64)], end: Option<RunEnd>) -> CapacityRecord {
    let search = Search {
        start: 1,
        max_agents: 512,
        precision: 0.1,
        beyond: 2,
    };
    let mut record: CapacityRecord = serde_json::from_value(json!({
        "schema": 2,
        "header": { "name": "c", "provenance": "measured", "tool": "t", "command": "c",
                    "started_at": "" },
        "asked": { "slo": "ttft_p95 < 2s", "model": "m", "num_predict": 5, "prompt": "p",
                   "same_prompt": false, "think_s": 0.0, "warmup": 1, "budget": {},
                   "search": search, "error": 0.05, "max_failed": 0.1, "seed": 1 },
        "probes": []
    }))
    .unwrap();
    for (place, (agents, verdict, seen)) in probes.iter().enumerate() {
        record.probes.push(LevelRecord {
            folder: level_folder(place + 1, *agents),
            agents: *agents,
            phase: Phase::Doubling,
            end: LevelEnd::Decided,
            window: None,
            looks: Vec::new(),
            decision: Decision {
                verdict: *verdict,
                look: 1,
                requests: 100,
                judged: vec![Judged {
                    limit: "ttft_p95 < 2s".to_owned(),
                    verdict: *verdict,
                    seen: Some(*seen),
                    seen_lo: Some(seen * 0.9),
                    seen_hi: Some(seen * 1.2),
                    statistic: None,
                    lo: None,
                    hi: None,
                    target: 0.95,
                    n: 100,
                    design_effect: 1.0,
                    needs: None,
                }],
                needs: (*verdict == Verdict::Unresolved).then_some(70),
            },
            failing: false,
            saturation: None,
            tokens_per_s: None,
        });
    }
    record.end = end;
    record
}

fn said(record: &CapacityRecord, levels: &[LevelFigures]) -> Answer {
    let objective: Objective = record.asked.slo.parse().unwrap();
    let scaling = Scaling::of(levels);
    answer(record, &objective, levels, scaling.as_ref())
}

const FINISHED: Option<RunEnd> = Some(RunEnd::Finished(SearchEnd::Bracketed));

#[test]
fn sentences_follow_from_the_levels() {
    use Verdict::{Fail, Pass, Unresolved};
    let law = Law {
        lambda: 60.0,
        sigma: 0.05,
        kappa: 0.003,
        batch: None,
    };
    let of = |law: Law, agents: &[u32]| -> Vec<LevelFigures> {
        let levels = agents.iter();
        levels.map(|n| level(*n, law.at(f64::from(*n)))).collect()
    };
    let all = [1, 2, 4, 8, 16, 32];
    let levels = of(law, &all);
    let mut full = record(
        &[(8, Pass, 1.0), (12, Pass, 1.8), (16, Fail, 2.9)],
        FINISHED,
    );
    full.probes[2].saturation = Some(Saturation {
        from: 8,
        agents: 16,
        throughput: 1.0,
        throughput_hi: 1.04,
        e2e: 2.0,
        e2e_lo: 1.9,
    });
    let amdahl = Law { kappa: 0.0, ..law };
    let growing = of(amdahl, &[1, 2, 4, 8]);
    // Over so few levels the law only begins to bend.
    let bending = of(law, &[1, 2, 4, 8]);
    let slots = Law {
        sigma: 0.0,
        batch: Some(8.0),
        ..amdahl
    };
    let mut bent = of(slots, &all);
    bent[1].tokens_per_s = bent[0].tokens_per_s;
    let mut noisy = of(slots, &all);
    for level in &mut noisy {
        let x = &mut level.tokens_per_s;
        [x.lo, x.hi] = [Some(0.93 * x.mean), Some(1.07 * x.mean)];
    }
    let open = [(8, Pass, 1.0), (12, Unresolved, 1.9), (16, Fail, 2.9)];
    let ended = |how| Some(RunEnd::Finished(how));
    let passing = [
        (1, Pass, 0.1),
        (2, Pass, 0.2),
        (4, Pass, 0.3),
        (8, Pass, 0.4),
    ];
    let mut flat = full.clone();
    flat.end = ended(SearchEnd::Saturated);
    flat.probes[2].decision.verdict = Pass;
    let mut close = record(&open, FINISHED);
    close.probes[1].decision.needs = None;
    close.probes[1].decision.judged[0].lo = Some(0.94);
    let mut few = close.clone();
    few.probes[1].decision.judged[0].lo = None;
    let mut never = close.clone();
    never.probes[1].decision.judged.clear();
    let mut failing = record(&[(1, Pass, 0.1), (2, Unresolved, 0.2)], FINISHED);
    failing.probes[1].failing = true;
    let cases = [
        ("a measured decline is a peak", said(&full, &levels)),
        (
            "slots, then a queue: no peak",
            said(&full, &of(slots, &all)),
        ),
        ("levels that follow no law", said(&full, &bent)),
        ("growth within the noise is not said", said(&full, &noisy)),
        ("open level", said(&record(&open, FINISHED), &[])),
        ("too close", said(&close, &levels)),
        ("too few", said(&few, &levels)),
        ("never steady", said(&never, &levels)),
        (
            "not even one",
            said(
                &record(&[(1, Fail, 3.0)], ended(SearchEnd::NoneCarried)),
                &levels[..1],
            ),
        ),
        (
            "interrupted",
            said(&record(&passing[..2], None), &levels[..2]),
        ),
        (
            "never reached, the law bends",
            said(&record(&passing, ended(SearchEnd::MostAgents)), &bending),
        ),
        (
            "never reached, growing",
            said(&record(&passing, ended(SearchEnd::MostAgents)), &growing),
        ),
        ("never reached, falling", said(&flat, &levels)),
        (
            "one level, unresolved",
            said(&record(&[(1, Unresolved, 1.9)], FINISHED), &levels[..1]),
        ),
        ("failing", said(&failing, &levels[..2])),
        (
            "out of order",
            said(
                &record(&[(1, Pass, 0.1), (2, Fail, 2.5), (4, Pass, 0.5)], FINISHED),
                &[],
            ),
        ),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(case, a)| {
            let notes: Vec<String> = a.notes.iter().map(|n| format!("\n  note: {n}")).collect();
            format!("{case} ({:?}):\n  {}{}", a.kind, a.sentence, notes.concat())
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
