//! Stories: requests at given times on the round machine, and their outcomes.
//!
//! | step | what |
//! | --- | --- |
//! | `== TITLE` | begins a story on a machine of its own |
//! | `set PATH = VALUE` | changes the profile; `*` stands for every element of a list |
//! | `servers 0 0,1` | one server for each word, with these devices |
//! | `AT NAME REQUEST` | submits a request; see [`Job::parse`] |
//! | `AT NAME REQUEST, N times every T` | so many of them |
//! | `AT cancel NAME` | its client goes away |
//! | `AT crash` | every runner of the first server dies |
//! | `fail MESSAGE` | the next load fails |
//! | `run [UNTIL]` | lets time pass and shows what happened |
//! | `ps`, `gpu` | shows the loaded models, the devices |
//!
//! The outcome of each request ends a story.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::rig::{Job, Rig, s};
use super::*;
use domain::{Nanos, Stamp};
use serde_json::Value;

pub(super) fn play(script: &str) -> String {
    let mut stories = script.split("\n== ");
    let mut seen = stories.next().unwrap_or_default().to_owned();
    for text in stories {
        let _ = writeln!(seen, "\n== {}", text.lines().next().expect("a title"));
        Story::play(text, &mut seen);
    }
    seen
}

struct Story {
    rig: Rig,
    names: BTreeMap<RequestId, String>,
    now_s: f64,
    /// Log lines already shown.
    shown: usize,
}

impl Story {
    fn play(text: &str, seen: &mut String) {
        let mut profile = toml::Value::Table(toml::from_str(ROUND).unwrap());
        let mut servers = None;
        let steps: Vec<&str> = text.lines().skip(1).collect();
        for step in &steps {
            if let Some(change) = step.strip_prefix("set ") {
                let (path, value) = change.split_once(" = ").expect("PATH = VALUE");
                let value: toml::Table = toml::from_str(&format!("value = {value}")).unwrap();
                let path: Vec<&str> = path.split('.').collect();
                set(&mut profile, &path, &value["value"]);
            } else if let Some(list) = step.strip_prefix("servers ") {
                servers = Some(list);
            }
        }
        let profile: Profile = profile.try_into().expect("a profile");
        let mut specs = vec![profile.server()];
        if let Some(list) = servers {
            specs = list
                .split(' ')
                .map(|devices| ServerSpec {
                    devices: devices.split(',').map(|d| d.parse().unwrap()).collect(),
                    ..profile.server()
                })
                .collect();
        }
        let mut story = Self {
            rig: Rig::new(profile, specs),
            names: BTreeMap::new(),
            now_s: 0.0,
            shown: 0,
        };
        for step in steps {
            let _ = writeln!(seen, "{step}");
            story.step(step, seen);
        }
        story.show_log(seen);
        for (id, name) in &story.names {
            let _ = writeln!(seen, "  {name}: {}", story.outcome(*id));
        }
    }

    fn step(&mut self, step: &str, seen: &mut String) {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "" | "#" | "set" | "servers" => return,
            "fail" => return self.rig.core.fail_next_load(0, rest),
            "run" => {
                match rest.parse() {
                    Ok(until) => {
                        self.now_s = until;
                        self.rig.advance(until);
                    }
                    Err(_) => self.rig.drain(),
                }
                return self.show_log(seen);
            }
            "ps" => return self.show_loaded(seen),
            "gpu" => return self.show_devices(seen),
            _ => {}
        }
        let at: f64 = word.parse().expect("a moment");
        let (name, request) = rest.split_once(' ').unwrap_or((rest, ""));
        match name {
            "crash" => self.rig.crash(at),
            "cancel" => {
                let named = self.names.iter().find(|(_, name)| *name == request);
                self.rig
                    .cancel(at, *named.expect("a request of that name").0);
            }
            _ => {
                let (request, times) = request
                    .split_once(", ")
                    .unwrap_or((request, "1 times every 0"));
                let (times, every) = times.split_once(" times every ").expect("N times every T");
                let times: u32 = times.parse().unwrap();
                for i in 0..times {
                    let at = at + f64::from(i) * every.parse::<f64>().unwrap();
                    let id = self.rig.submit(at, &Job::parse(request));
                    let number = (times > 1).then(|| (i + 1).to_string());
                    let name = format!("{name}{}", number.unwrap_or_default());
                    self.names.insert(id, name);
                }
            }
        }
    }

    /// Shows what happened since it was last shown: the members of each event of the log, with
    /// names in place of ids, and seconds.
    fn show_log(&mut self, seen: &mut String) {
        for event in &self.rig.log[self.shown..] {
            let Value::Object(members) = serde_json::to_value(event).unwrap() else {
                panic!("an event is an object");
            };
            let seconds = |value: &Value| Nanos(value.as_u64().unwrap()).as_secs_f64();
            let _ = write!(seen, "  {}", seconds(&members["at"]));
            if let Some(id) = members.get("id").and_then(Value::as_u64) {
                let _ = write!(seen, " {}", self.names[&RequestId(id)]);
            }
            let _ = write!(seen, " {}", members["event"].as_str().unwrap());
            for (key, value) in members {
                let _ = match key.as_str() {
                    "at" | "event" | "id" | "tag" => Ok(()),
                    "server" if value == 0 => Ok(()),
                    "load" | "took" | "waited" => write!(seen, " {key} {}", seconds(&value)),
                    _ => write!(seen, " {key} {value}"),
                };
            }
            seen.push('\n');
        }
        self.shown = self.rig.log.len();
    }

    /// A request's end, its counters and the gaps between its tokens.
    fn outcome(&self, id: RequestId) -> String {
        let notices: Vec<&Notice> = self.rig.notices.iter().filter(|n| n.id == id).collect();
        let Some(last) = notices.last().filter(|n| n.what.is_final()) else {
            return "still waiting".to_owned();
        };
        let mut outcome = format!("at {} ", last.at.as_secs_f64());
        let NoticeKind::Done { timings: t, reason } = &last.what else {
            let _ = match &last.what {
                NoticeKind::LoadFailed { message } => write!(outcome, "load failed: {message}"),
                NoticeKind::Failed { .. } => write!(outcome, "failed"),
                other => write!(outcome, "{other:?}"),
            };
            return outcome;
        };
        let _ = write!(
            outcome,
            "{reason:?}, load {}, prompt of {} ({} cached) {}, {} tokens {}, total {}",
            t.load.as_secs_f64(),
            t.prompt_eval_count,
            t.cached,
            t.prompt_eval.as_secs_f64(),
            t.eval_count,
            t.eval.as_secs_f64(),
            t.total.as_secs_f64()
        );
        let tokens = notices
            .iter()
            .filter(|n| matches!(n.what, NoticeKind::Token { .. }));
        let tokens: Vec<Stamp> = tokens.map(|n| n.at).collect();
        if let Some(first) = tokens.first() {
            let _ = write!(outcome, ", first token at {}", first.as_secs_f64());
        }
        let gaps: Vec<Nanos> = tokens
            .windows(2)
            .map(|pair| pair[1].since(pair[0]))
            .collect();
        for equal in gaps.chunk_by(|a, b| a == b) {
            let (count, gap) = (equal.len(), equal[0].as_secs_f64());
            let _ = write!(outcome, ", then {count} x {gap}");
        }
        outcome
    }

    fn show_loaded(&self, seen: &mut String) {
        for view in self.rig.core.loaded(0, s(self.now_s)) {
            let expires = view
                .expires_at
                .map_or("never".to_owned(), |at| at.as_secs_f64().to_string());
            let _ = writeln!(
                seen,
                "  {}: {} bytes, {} of them on devices, ctx {}, expires {expires}",
                view.model, view.size, view.size_vram, view.context_length
            );
        }
    }

    fn show_devices(&self, seen: &mut String) {
        fn known<T: std::fmt::Display>(value: Option<T>) -> String {
            value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3}"))
        }
        for gpu in self.rig.core.readings(s(self.now_s)) {
            let _ = writeln!(
                seen,
                "  {}: {} % busy, {} bytes, {} W, {} J, {} MHz, {} degrees, {:?}, {} processes",
                gpu.index,
                known(gpu.utilisation_percent),
                known(gpu.memory_used_bytes),
                known(gpu.power_w),
                known(gpu.energy_j),
                known(gpu.sm_clock_mhz),
                known(gpu.temperature_c),
                gpu.throttle_reasons,
                gpu.processes.len()
            );
        }
    }
}

fn set(value: &mut toml::Value, path: &[&str], to: &toml::Value) {
    match (path, value) {
        ([], value) => *value = to.clone(),
        (["*", rest @ ..], toml::Value::Array(items)) => {
            for item in items {
                set(item, rest, to);
            }
        }
        ([index, rest @ ..], toml::Value::Array(items)) => {
            set(&mut items[index.parse::<usize>().unwrap()], rest, to);
        }
        ([key, rest @ ..], toml::Value::Table(table)) => {
            let entry = table.entry(*key).or_insert(toml::Value::Boolean(false));
            set(entry, rest, to);
        }
        (path, _) => panic!("nothing at {path:?}"),
    }
}
