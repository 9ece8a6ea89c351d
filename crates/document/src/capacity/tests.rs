use domain::Stamp;
use domain::record::capacity::*;
use metrics::Estimate;
use metrics::capacity::*;
use metrics::stats::Law;
use serde_json::{Value, json};

use super::answer;

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

/// A run of these levels, each with its agents, its verdict and its TTFT, s: `8 pass 1.0, 16 fail 2.9`.
fn record(levels: &str, end: Option<RunEnd>) -> CapacityRecord {
    let probe = |level: &str| -> Value {
        let words: Vec<&str> = level.split(' ').collect();
        let (agents, verdict): (u32, _) = (words[0].parse().unwrap(), words[1]);
        let seen: f64 = words[2].parse().unwrap();
        json!({
            "folder": level_folder(1, agents), "agents": agents, "phase": "doubling", "end": "decided",
            "window": null, "looks": [], "failing": false,
            "decision": {
                "verdict": verdict, "look": 1, "requests": 100,
                "needs": (verdict == "unresolved").then_some(70),
                "judged": [{
                    "limit": "ttft_p95 < 2s", "verdict": verdict, "seen": seen, "seen_lo": seen * 0.9,
                    "seen_hi": seen * 1.2, "target": 0.95, "n": 100, "design_effect": 1.0,
                }],
            },
        })
    };
    let probes: Vec<Value> = levels.split(", ").map(probe).collect();
    let mut record: CapacityRecord = serde_json::from_value(json!({
        "schema": 2,
        "header": { "name": "c", "provenance": "measured", "tool": "t", "command": "c",
                    "started_at": "" },
        "asked": { "slo": "ttft_p95 < 2s", "model": "m", "num_predict": 5, "prompt": "p",
                   "same_prompt": false, "think_s": 0.0, "warmup": 1, "budget": {},
                   "search": { "start": 1, "max_agents": 512, "precision": 0.1, "beyond": 2 },
                   "error": 0.05, "max_failed": 0.1, "seed": 1 },
        "probes": probes
    }))
    .unwrap();
    record.end = end;
    record
}

#[test]
fn sentences_follow_from_the_levels() {
    let ended = |how| Some(RunEnd::Finished(how));
    let finished = ended(SearchEnd::Bracketed);
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
    let full = record("8 pass 1.0, 12 pass 1.8, 16 fail 2.9", finished);
    let amdahl = Law { kappa: 0.0, ..law };
    let growing = of(amdahl, &all[..4]);
    // Over so few levels the law only begins to bend.
    let bending = of(law, &all[..4]);
    let slots = Law {
        sigma: 0.0,
        batch: Some(8.0),
        ..amdahl
    };
    let queued = of(slots, &all);
    let mut bent = queued.clone();
    bent[1].tokens_per_s = bent[0].tokens_per_s;
    let mut noisy = queued.clone();
    for level in &mut noisy {
        let x = &mut level.tokens_per_s;
        [x.lo, x.hi] = [Some(0.93 * x.mean), Some(1.07 * x.mean)];
    }
    let mut flat = full.clone();
    flat.end = ended(SearchEnd::Saturated);
    flat.probes[2].decision.verdict = Verdict::Pass;
    let open = record("8 pass 1.0, 12 unresolved 1.9, 16 fail 2.9", finished);
    let mut close = open.clone();
    close.probes[1].decision.needs = None;
    close.probes[1].decision.judged[0].lo = Some(0.94);
    let mut few = close.clone();
    few.probes[1].decision.judged[0].lo = None;
    let mut never = close.clone();
    never.probes[1].decision.judged.clear();
    let mut failing = record("1 pass 0.1, 2 unresolved 0.2", finished);
    failing.probes[1].failing = true;
    let one = record("1 fail 3.0", ended(SearchEnd::NoneCarried));
    let interrupted = record("1 pass 0.1, 2 pass 0.2", None);
    let most = ended(SearchEnd::MostAgents);
    let passing = record("1 pass 0.1, 2 pass 0.2, 4 pass 0.3, 8 pass 0.4", most);
    let unresolved = record("1 unresolved 1.9", finished);
    let unordered = record("1 pass 0.1, 2 fail 2.5, 4 pass 0.5", finished);
    let cases: [(&str, &CapacityRecord, &[LevelFigures]); 16] = [
        ("a measured decline is a peak", &full, &levels),
        ("slots, then a queue: no peak", &full, &queued),
        ("levels that follow no law", &full, &bent),
        ("growth within the noise is not said", &full, &noisy),
        ("open level", &open, &[]),
        ("too close", &close, &levels),
        ("too few", &few, &levels),
        ("never steady", &never, &levels),
        ("not even one", &one, &levels[..1]),
        ("interrupted", &interrupted, &levels[..2]),
        ("never reached, the law bends", &passing, &bending),
        ("never reached, growing", &passing, &growing),
        ("never reached, falling", &flat, &levels),
        ("one level, unresolved", &unresolved, &levels[..1]),
        ("failing", &failing, &levels[..2]),
        ("out of order", &unordered, &[]),
    ];
    let lines = cases.map(|(case, record, levels)| {
        let objective: Objective = record.asked.slo.parse().unwrap();
        let a = answer(record, &objective, levels, Scaling::of(levels).as_ref());
        let notes: Vec<String> = a.notes.iter().map(|n| format!("\n  note: {n}")).collect();
        format!("{case} ({:?}):\n  {}{}", a.kind, a.sentence, notes.concat())
    });
    insta::assert_snapshot!(lines.join("\n"));
}
