//! What spoiled a benchmark, in words.

use domain::telemetry::GpuProcess;
use metrics::conditions::{CPU_FULL, Condition};
use serde_json::{Value, json};

/// Processes named one by one; the others are counted.
const MOST_NAMED: usize = 3;

pub fn sentence(condition: &Condition) -> String {
    match condition {
        Condition::Machine(warning) => warning.clone(),
        Condition::Throttled {
            throttled_s,
            measured_s,
            reasons,
        } => format!(
            "GPU throttled: heat or power held its clocks down for {throttled_s:.1} s of {measured_s:.1} s \
             measured ({:.0} %): {}",
            100.0 * throttled_s / measured_s,
            reasons.join(", ")
        ),
        Condition::GpuShared(others) => gpu_shared(others),
        Condition::CpuFull {
            share,
            shared_cores,
        } => {
            let what = if *shared_cores {
                "the server's CPU shares cores with the client, and they were"
            } else {
                "this machine's CPU was"
            };
            format!(
                "{what} full (at {CPU_FULL:.0} % or more) in {:.0} % of the samples while arms ran: \
                 the client's stamps may be late",
                100.0 * share
            )
        }
        Condition::Swapping(grown) => format!(
            "swap in use grew by {:.1} GB while this ran: memory was short",
            *grown as f64 / 1e9
        ),
    }
}

fn gpu_shared(others: &[GpuProcess]) -> String {
    let named = others.iter().take(MOST_NAMED).map(|process| {
        let name = process.name.as_deref().unwrap_or("name not visible here");
        let memory = process.memory_bytes.map_or_else(
            || "memory unknown".to_owned(),
            |bytes| format!("up to {} MiB", bytes >> 20),
        );
        format!("pid {} ({name}), {memory}", process.pid)
    });
    let more = others.len().saturating_sub(MOST_NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    let named: Vec<String> = named.chain(more).collect();
    let who = if others.len() == 1 {
        "another process uses the GPU"
    } else {
        "other processes use the GPU"
    };
    format!("{who}: {}", named.join("; "))
}

pub fn json(conditions: &[Condition]) -> Value {
    let one = |condition: &Condition| json!({ "kind": condition.into_str(), "sentence": sentence(condition) });
    conditions.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, mib: Option<u64>, name: Option<&str>) -> GpuProcess {
        GpuProcess {
            pid,
            memory_bytes: mib.map(|mib| mib << 20),
            name: name.map(str::to_owned),
            server: None,
        }
    }

    #[test]
    fn every_condition_in_words() {
        let game = process(20, Some(2048), Some("game"));
        let more = vec![
            game.clone(),
            process(40, Some(50), Some("Xorg")),
            process(41, None, None),
            process(42, None, None),
        ];
        let full = |shared_cores| Condition::CpuFull {
            share: 0.5,
            shared_cores,
        };
        let conditions = [
            Condition::Machine("governor is powersave".to_owned()),
            Condition::Throttled {
                throttled_s: 0.5,
                measured_s: 2.0,
                reasons: vec!["sw_power_cap".to_owned(), "vrhot".to_owned()],
            },
            Condition::GpuShared(vec![game]),
            Condition::GpuShared(more),
            full(false),
            full(true),
            Condition::Swapping(500_000_000),
        ];
        let words = conditions.each_ref().map(sentence);
        insta::assert_snapshot!(words.join("\n"), @r"
        governor is powersave
        GPU throttled: heat or power held its clocks down for 0.5 s of 2.0 s measured (25 %): sw_power_cap, vrhot
        another process uses the GPU: pid 20 (game), up to 2048 MiB
        other processes use the GPU: pid 20 (game), up to 2048 MiB; pid 40 (Xorg), up to 50 MiB; pid 41 (name not visible here), memory unknown; and 1 more
        this machine's CPU was full (at 90 % or more) in 50 % of the samples while arms ran: the client's stamps may be late
        the server's CPU shares cores with the client, and they were full (at 90 % or more) in 50 % of the samples while arms ran: the client's stamps may be late
        swap in use grew by 0.5 GB while this ran: memory was short
        ");
    }
}
