//! Checks of a profile, and their errors.

use domain::plan::Refused;
use serde::Serialize;

use super::{Distribution, Profile, ServerSettings};

const SCHEMA: u32 = 1;
const FIRST_SCHEDULER: (u32, u32, u32) = (0, 1, 33);

pub type ProfileError = Refused<String>;

pub(super) fn unreadable(origin: &str, error: &std::io::Error) -> ProfileError {
    let shipped = super::SHIPPED.map(|(name, _)| name).join(", ");
    let problem = format!("cannot be read ({error}); give a file or one of {shipped}");
    Refused::whole(origin, problem)
}

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
         recovery_s resolve_s prepare_s",
    ),
    (
        1,
        false,
        "num_parallel max_queue memory_bytes layers heads kv_heads embedding_length min",
    ),
    (4, false, "train_ctx"),
];

struct Checker<'a> {
    origin: &'a str,
}

impl Checker<'_> {
    fn fail(&self, key: &str, problem: impl Into<String>) -> ProfileError {
        Refused::key(self.origin, key, problem.into())
    }

    /// Checks every number of this name in the value at this path.
    fn numbers(&self, at: &str, name: &str, value: &toml::Value) -> Result<(), ProfileError> {
        let number = match value {
            toml::Value::Table(members) => {
                return members.iter().try_for_each(|(name, value)| {
                    let dot = if at.is_empty() { "" } else { "." };
                    self.numbers(&format!("{at}{dot}{name}"), name, value)
                });
            }
            toml::Value::Array(items) => {
                let mut items = items.iter().enumerate();
                return items
                    .try_for_each(|(i, item)| self.numbers(&format!("{at}[{i}]"), "", item));
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
        if fits && number.is_finite() {
            return Ok(());
        }
        let right = if more {
            format!("a number above {least}")
        } else {
            format!("{least} or more")
        };
        Err(self.fail(at, format!("{number} is out of range; give {right}")))
    }
}

fn table(part: &impl Serialize) -> toml::Value {
    toml::Value::try_from(part).expect("a profile holds nothing that TOML lacks")
}

pub(super) fn parse(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let profile = toml::from_str(text).map_err(|e| Refused::toml(origin, text, &e))?;
    check(&Checker { origin }, &profile)?;
    Ok(profile)
}

pub(super) fn settings(origin: &str, server: &ServerSettings) -> Result<(), ProfileError> {
    check_server(&Checker { origin }, server)
}

fn check(c: &Checker<'_>, profile: &Profile) -> Result<(), ProfileError> {
    if profile.schema != SCHEMA {
        return Err(c.fail(
            "schema",
            format!(
                "{} is not understood here; this program reads {SCHEMA}",
                profile.schema
            ),
        ));
    }
    c.numbers("", "", &table(profile))?;
    check_server(c, &profile.server)?;
    let net = &profile.network;
    if !(net.latency_max_ms.is_finite() && net.latency_max_ms >= net.latency_min_ms) {
        return Err(c.fail("network.latency_max_ms", "must not be below latency_min_ms"));
    }
    for (i, device) in profile.devices.iter().enumerate() {
        let key = |name: &str| format!("devices[{i}].{name}");
        if device.reserved_bytes >= device.memory_bytes {
            return Err(c.fail(&key("reserved_bytes"), "must be below memory_bytes"));
        }
        if let Some(thermal) = &device.thermal {
            let key = |name: &str| key(&format!("thermal.{name}"));
            if thermal.throttled_speed > 1.0 {
                return Err(c.fail(&key("throttled_speed"), "is a share; give 1 or less"));
            }
            if !(thermal.ambient_c.is_finite() && thermal.throttle_at_c > thermal.resume_below_c) {
                return Err(c.fail(&key("resume_below_c"), "must be below throttle_at_c"));
            }
        }
    }
    if profile.models.is_empty() {
        return Err(c.fail("models", "the profile has no model; add a [[models]] entry"));
    }
    for (i, model) in profile.models.iter().enumerate() {
        let key = |name: &str| format!("models[{i}].{name}");
        if !model.name.contains(':') {
            let problem = format!("`{}` has no tag; write name:tag", model.name);
            return Err(c.fail(&key("name"), problem));
        }
        if profile.models[..i].iter().any(|m| m.name == model.name) {
            return Err(c.fail(&key("name"), format!("`{}` is there twice", model.name)));
        }
        if model.digest.len() != 64 || !model.digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(c.fail(&key("digest"), "must be 64 hexadecimal digits"));
        }
        let last = model.outputs.last();
        if last.is_none_or(|class| !class.contains.is_empty()) {
            return Err(c.fail(
                &key("outputs"),
                "end with a class whose `contains` is empty, so that every prompt has a length",
            ));
        }
        for (j, class) in model.outputs.iter().enumerate() {
            let key = |name: &str| key(&format!("outputs[{j}].{name}"));
            if class.max < class.min {
                return Err(c.fail(&key("max"), "must not be below min"));
            }
            let spreads = class.distribution != Distribution::Fixed;
            if spreads && !(class.sd.is_finite() && class.sd > 0.0) {
                let problem = format!("{} is out of range; give a number above 0", class.sd);
                return Err(c.fail(&key("sd"), problem));
            }
        }
    }
    Ok(())
}

fn check_server(c: &Checker<'_>, server: &ServerSettings) -> Result<(), ProfileError> {
    c.numbers("server", "server", &table(server))?;
    // 0 leaves the context to the release.
    if (1..4).contains(&server.context_length) {
        let problem = format!("{} is out of range; give 4 or more", server.context_length);
        return Err(c.fail("server.context_length", problem));
    }
    if !server.keep_alive_s.is_finite() {
        return Err(c.fail("server.keep_alive_s", "give seconds, or -1 for ever"));
    }
    let version = &server.version;
    let problem = match server.release() {
        (0, 0, 0) => format!("`{version}` is not a release; write x.y.z"),
        release if release < FIRST_SCHEDULER => {
            format!("{version} had no scheduler yet and is not simulated; give 0.1.33 or later")
        }
        _ => return Ok(()),
    };
    Err(c.fail("server.version", problem))
}
