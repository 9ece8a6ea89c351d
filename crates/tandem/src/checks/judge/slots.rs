//! Requests at the same time.

use document::words::plural;

use super::Findings;
use crate::checks::facts::{PlanFacts, There};
use crate::checks::slots::Slots;

pub(super) fn slots(findings: &mut Findings, there: &There, plan: &PlanFacts) {
    let told = there.slots_told;
    let Some(probe) = &there.probe else {
        if let Some(n) = told {
            findings.note("slots", format!("says that it has {}", plural(n, "slot")));
        }
        return;
    };
    if probe.key_refused {
        return;
    }
    for failure in &probe.failures {
        findings
            .problem("generates", format!("a short request failed: {failure}"))
            .todo("a sweep's requests would fail alike; look into the server's log");
    }
    if probe.failures.is_empty()
        && let Some(rate) = probe.solo_rate
    {
        findings.ok(
            "generates",
            format!("decodes {rate:.0} tokens/s for one request alone"),
        );
    }
    let together = probe.together;
    let says = told.map_or_else(String::new, |n| format!(", and says {n}"));
    match &probe.slots {
        Slots::Exactly { n: 1 } => {
            findings
                .note("slots",
                    format!(
                        "serial: {together} requests sent together were decoded one after another (1 slot{says})"
                    ),
                )
                .todo(more_slots(there, plan));
        }
        Slots::Exactly { n } => {
            findings.ok("slots",
                format!("{n} slots: of {together} requests sent together, {n} decoded side by side{says}"),
            );
        }
        Slots::AtLeast { n } => {
            findings.ok(
                "slots",
                format!(
                    "at least {n} slots: all {n} requests sent together decoded side by side{says}"
                ),
            );
        }
        Slots::Unknown { why } => {
            let told =
                told.map_or_else(String::new, |n| format!("; it says {}", plural(n, "slot")));
            findings.note(
                "slots",
                format!("how many requests it decodes at once cannot be told: {why}{told}"),
            );
        }
    }
    if let Some(told) = told {
        let fewer = matches!(&probe.slots, Slots::Exactly { n } if (*n as u64) < told);
        let more = match &probe.slots {
            Slots::Exactly { n } | Slots::AtLeast { n } => *n as u64 > told,
            Slots::Unknown { .. } => false,
        };
        if fewer && (probe.together as u64) > told || more {
            findings
                .warning(
                    "slots",
                    format!("it says {} and showed otherwise", plural(told, "slot")),
                )
                .todo("is somebody else using it? Let nobody, and ask again");
        }
    }
}

fn more_slots(there: &There, plan: &PlanFacts) -> String {
    let agents = plan.agents.max(2);
    let kind = there.server.kind.as_str();
    let start = if kind.starts_with("llama.cpp") {
        format!("start it with --parallel {agents}")
    } else if kind == "vllm" {
        format!("start it with --max-num-seqs {agents} or more")
    } else if kind == "sglang" {
        format!("start it with --max-running-requests {agents} or more")
    } else if there.simulated {
        format!("use --num-parallel {agents}")
    } else if there.loads_on_demand || kind == "ollama /v1" {
        format!("start it with OLLAMA_NUM_PARALLEL={agents}")
    } else {
        format!("let it serve {agents} requests at once")
    };
    format!("agents will wait for each other; to let {agents} decode side by side, {start}")
}
