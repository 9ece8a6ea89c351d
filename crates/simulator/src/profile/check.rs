//! Checks of a profile, and their errors.

use domain::plan::Refused;
use serde::Serialize;

use super::{Distribution, Profile, ServerSettings};

const SCHEMA: u32 = 1;
const FIRST_SCHEDULER: (u32, u32, u32) = (0, 1, 33);

pub type ProfileError = Refused<String>;

/// A lower bound, whether it is exclusive, and the names of the numbers it applies to.
const LEAST: [(u32, bool, &str); 4] = [
    (
        0,
        true,
        "decode_tps prefill_tps cpu_decode_tps cpu_prefill_tps mean c_per_w time_constant_s \
         throttled_speed",
    ),
    (
        0,
        false,
        "ready_poll_s recovery_poll_s recovery_cap_s latency_min_ms sharing_loss idle_w busy_w \
         throttled_w batch_cost prefill_overhead_s load_s first_load_s warm_up_s unload_s \
         recovery_s resolve_s prepare_s slot_similarity",
    ),
    (
        1,
        false,
        "num_parallel max_queue memory_bytes layers heads kv_heads embedding_length min",
    ),
    (4, false, "train_ctx"),
];

/// Fails with what is wrong with the key `at` followed by `key`.
fn refuse(origin: &str, at: &str, key: &str, problem: &str) -> Result<(), ProfileError> {
    Err(Refused::key(
        origin,
        format!("{at}{key}"),
        problem.to_owned(),
    ))
}

/// Checks every number in the value at this path; `name` is the last part of the path.
fn check_numbers(
    origin: &str,
    at: &str,
    name: &str,
    value: &toml::Value,
) -> Result<(), ProfileError> {
    let number = match value {
        toml::Value::Table(members) => {
            return members.iter().try_for_each(|(name, value)| {
                let dot = if at.is_empty() { "" } else { "." };
                check_numbers(origin, &format!("{at}{dot}{name}"), name, value)
            });
        }
        toml::Value::Array(items) => {
            let mut items = items.iter().enumerate();
            return items
                .try_for_each(|(i, item)| check_numbers(origin, &format!("{at}[{i}]"), "", item));
        }
        toml::Value::Integer(number) => *number as f64,
        toml::Value::Float(number) => *number,
        _ => return Ok(()),
    };
    let named = |names: &str| names.split(' ').any(|other| other == name);
    let Some((least, more, _)) = LEAST.into_iter().find(|(_, _, names)| named(names)) else {
        return Ok(());
    };
    let fits = number > f64::from(least) || !more && number >= f64::from(least);
    let right = if more {
        format!("a number above {least}")
    } else {
        format!("{least} or more")
    };
    if !fits || !number.is_finite() {
        let problem = format!("{number} is out of range; give {right}");
        return refuse(origin, at, "", &problem);
    }
    Ok(())
}

fn table(part: &impl Serialize) -> toml::Value {
    toml::Value::try_from(part).expect("a profile holds nothing that TOML lacks")
}

impl Profile {
    /// Reads a profile. `origin` is the file's name for messages. Fails with the line of what is invalid.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|e| Refused::toml(origin, text, &e))?;
        profile.check(origin)?;
        Ok(profile)
    }

    fn check(&self, origin: &str) -> Result<(), ProfileError> {
        let schema = self.schema;
        if schema != SCHEMA {
            let problem = format!("{schema} is not understood here; this program reads {SCHEMA}");
            return refuse(origin, "", "schema", &problem);
        }
        check_numbers(origin, "", "", &table(self))?;
        self.server.check(origin)?;
        let net = &self.network;
        if !net.latency_max_ms.is_finite() || net.latency_max_ms < net.latency_min_ms {
            let problem = "must not be below latency_min_ms";
            return refuse(origin, "network.", "latency_max_ms", problem);
        }
        for (i, device) in self.devices.iter().enumerate() {
            let refuse = |key, problem| refuse(origin, &format!("devices[{i}]."), key, problem);
            if device.reserved_bytes >= device.memory_bytes {
                return refuse("reserved_bytes", "must be below memory_bytes");
            }
            let Some(thermal) = &device.thermal else {
                continue;
            };
            if thermal.throttled_speed_share > 1.0 {
                return refuse("thermal.throttled_speed", "is a share; give 1 or less");
            }
            let falls = thermal.throttle_at_c > thermal.resume_below_c;
            if !falls || !thermal.ambient_c.is_finite() {
                return refuse("thermal.resume_below_c", "must be below throttle_at_c");
            }
        }
        if self.models.is_empty() {
            let problem = "the profile has no model; add a [[models]] entry";
            return refuse(origin, "", "models", problem);
        }
        for (i, model) in self.models.iter().enumerate() {
            let refuse =
                |key: &str, problem: &str| refuse(origin, &format!("models[{i}]."), key, problem);
            let name = &model.name;
            if !name.contains(':') {
                return refuse("name", &format!("`{name}` has no tag; write name:tag"));
            }
            if self.models[..i].iter().any(|other| other.name == *name) {
                return refuse("name", &format!("`{name}` is there twice"));
            }
            let is_hex = model.digest.bytes().all(|b| b.is_ascii_hexdigit());
            if model.digest.len() != 64 || !is_hex {
                return refuse("digest", "must be 64 hexadecimal digits");
            }
            let last = model.outputs.last();
            if last.is_none_or(|class| !class.contains.is_empty()) {
                let problem =
                    "end with a class whose `contains` is empty, so that every prompt has a length";
                return refuse("outputs", problem);
            }
            for (j, class) in model.outputs.iter().enumerate() {
                if class.max < class.min {
                    return refuse(&format!("outputs[{j}].max"), "must not be below min");
                }
                let sd = class.sd_tokens;
                let spreads = sd.is_finite() && sd > 0.0;
                if class.distribution != Distribution::Fixed && !spreads {
                    let problem = format!("{sd} is out of range; give a number above 0");
                    return refuse(&format!("outputs[{j}].sd"), &problem);
                }
            }
        }
        Ok(())
    }
}

impl ServerSettings {
    /// Checks settings that were changed after reading. `origin` is their source, for messages. Fails with the
    /// first setting that is out of range.
    pub fn check(&self, origin: &str) -> Result<(), ProfileError> {
        check_numbers(origin, "server", "server", &table(self))?;
        let refuse = |key: &str, problem: &str| refuse(origin, "server.", key, problem);
        let context = self.context_length;
        // 0 leaves the context to the release.
        if (1..4).contains(&context) {
            let problem = format!("{context} is out of range; give 4 or more");
            return refuse("context_length", &problem);
        }
        if self.slot_similarity() > 1.0 {
            return refuse("prompt_cache.slot_similarity", "is a share; give 1 or less");
        }
        if !self.keep_alive_s.is_finite() {
            return refuse("keep_alive_s", "give seconds, or -1 for ever");
        }
        let (version, release) = (&self.version, self.release());
        if release == (0, 0, 0) {
            return refuse(
                "version",
                &format!("`{version}` is not a release; write x.y.z"),
            );
        }
        if release < FIRST_SCHEDULER {
            let problem = format!(
                "{version} had no scheduler yet and is not simulated; give 0.1.33 or later"
            );
            return refuse("version", &problem);
        }
        Ok(())
    }
}
