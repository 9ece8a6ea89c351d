//! What makes a profile usable, and what is said when it is not.

use domain::exit::{Exit, Fails};
use std::fmt;

use super::{Distribution, Profile, ServerSettings};

/// Version of the profile's format.
const SCHEMA: u32 = 1;
/// The first release with a scheduler.
const FIRST_SCHEDULER: (u32, u32, u32) = (0, 1, 33);

/// A profile was refused: the file, the line or the key, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ProfileError {
    /// The file, or the name, it came from.
    pub origin: String,
    /// The line, when known.
    pub line: Option<usize>,
    /// The key, as a path: `models[0].rates.decode_tps`.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Fails for ProfileError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl ProfileError {
    pub(super) fn unreadable(origin: &str, error: &std::io::Error) -> Self {
        Self {
            origin: origin.to_owned(),
            line: None,
            key: None,
            problem: format!(
                "cannot be read ({error}); give a file or one of {}",
                super::BUILTIN.join(", ")
            ),
        }
    }
}

/// Collects the first problem found.
struct Checker<'a> {
    origin: &'a str,
}

impl Checker<'_> {
    fn fail(&self, key: &str, problem: impl Into<String>) -> ProfileError {
        ProfileError {
            origin: self.origin.to_owned(),
            line: None,
            key: Some(key.to_owned()),
            problem: problem.into(),
        }
    }

    fn above_zero(&self, key: &str, value: f64) -> Result<(), ProfileError> {
        if value.is_finite() && value > 0.0 {
            return Ok(());
        }
        Err(self.fail(
            key,
            format!("{value} is out of range; give a number above 0"),
        ))
    }

    fn not_negative(&self, key: &str, value: f64) -> Result<(), ProfileError> {
        if value.is_finite() && value >= 0.0 {
            return Ok(());
        }
        Err(self.fail(key, format!("{value} is out of range; give 0 or more")))
    }

    fn at_least(&self, key: &str, value: u64, least: u64) -> Result<(), ProfileError> {
        if value >= least {
            return Ok(());
        }
        Err(self.fail(
            key,
            format!("{value} is out of range; give {least} or more"),
        ))
    }
}

pub(super) fn parse(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let profile: Profile = toml::from_str(text).map_err(|e| ProfileError {
        origin: origin.to_owned(),
        line: e.span().map(|span| line_of(span.start)),
        key: None,
        problem: e.message().to_owned(),
    })?;
    check(&Checker { origin }, &profile)?;
    Ok(profile)
}

/// Checks settings that were changed after their profile was read.
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
    check_server(c, &profile.server)?;
    let net = &profile.network;
    c.not_negative("network.latency_min_ms", net.latency_min_ms)?;
    if !(net.latency_max_ms.is_finite() && net.latency_max_ms >= net.latency_min_ms) {
        return Err(c.fail("network.latency_max_ms", "must not be below latency_min_ms"));
    }
    for (i, device) in profile.devices.iter().enumerate() {
        let key = |name: &str| format!("devices[{i}].{name}");
        c.at_least(&key("memory_bytes"), device.memory_bytes, 1)?;
        if device.reserved_bytes >= device.memory_bytes {
            return Err(c.fail(&key("reserved_bytes"), "must be below memory_bytes"));
        }
        c.not_negative(&key("sharing_loss"), device.sharing_loss)?;
        c.not_negative(&key("idle_w"), device.idle_w)?;
        c.not_negative(&key("busy_w"), device.busy_w)?;
        if let Some(thermal) = &device.thermal {
            let key = |name: &str| format!("devices[{i}].thermal.{name}");
            c.above_zero(&key("c_per_w"), thermal.c_per_w)?;
            c.above_zero(&key("time_constant_s"), thermal.time_constant_s)?;
            c.above_zero(&key("throttled_speed"), thermal.throttled_speed)?;
            c.not_negative(&key("throttled_w"), thermal.throttled_w)?;
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
            return Err(c.fail(
                &key("name"),
                format!("`{}` has no tag; write name:tag", model.name),
            ));
        }
        if profile.models[..i].iter().any(|m| m.name == model.name) {
            return Err(c.fail(&key("name"), format!("`{}` is there twice", model.name)));
        }
        if model.digest.len() != 64 || !model.digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(c.fail(&key("digest"), "must be 64 hexadecimal digits"));
        }
        c.at_least(&key("layers"), u64::from(model.layers), 1)?;
        c.at_least(&key("train_ctx"), u64::from(model.train_ctx), 4)?;
        c.at_least(&key("heads"), u64::from(model.heads), 1)?;
        c.at_least(&key("kv_heads"), u64::from(model.kv_heads), 1)?;
        c.at_least(
            &key("embedding_length"),
            u64::from(model.embedding_length),
            1,
        )?;
        c.above_zero(&key("rates.decode_tps"), model.rates.decode_tps)?;
        c.above_zero(&key("rates.prefill_tps"), model.rates.prefill_tps)?;
        c.above_zero(&key("rates.cpu_decode_tps"), model.rates.cpu_decode_tps)?;
        c.above_zero(&key("rates.cpu_prefill_tps"), model.rates.cpu_prefill_tps)?;
        c.not_negative(&key("rates.batch_cost"), model.rates.batch_cost)?;
        c.not_negative(
            &key("rates.prefill_overhead_s"),
            model.rates.prefill_overhead_s,
        )?;
        let load = &model.load;
        c.not_negative(&key("load.load_s"), load.load_s)?;
        c.not_negative(&key("load.first_load_s"), load.first_load_s)?;
        c.not_negative(&key("load.warm_up_s"), load.warm_up_s)?;
        c.not_negative(&key("load.unload_s"), load.unload_s)?;
        c.not_negative(&key("load.recovery_s"), load.recovery_s)?;
        c.not_negative(&key("load.resolve_s"), load.resolve_s)?;
        c.not_negative(&key("load.prepare_s"), load.prepare_s)?;
        check_outputs(c, i, model)?;
    }
    Ok(())
}

fn check_server(c: &Checker<'_>, server: &ServerSettings) -> Result<(), ProfileError> {
    c.at_least("server.num_parallel", server.num_parallel as u64, 1)?;
    c.at_least("server.max_queue", server.max_queue as u64, 1)?;
    if server.context_length != 0 {
        c.at_least("server.context_length", u64::from(server.context_length), 4)?;
    }
    if !server.keep_alive_s.is_finite() {
        return Err(c.fail("server.keep_alive_s", "give seconds, or -1 for ever"));
    }
    if server.release() == (0, 0, 0) {
        return Err(c.fail(
            "server.version",
            format!("`{}` is not a release; write x.y.z", server.version),
        ));
    }
    if server.release() < FIRST_SCHEDULER {
        return Err(c.fail(
            "server.version",
            format!(
                "{} had no scheduler yet and is not simulated; give 0.1.33 or later",
                server.version
            ),
        ));
    }
    c.not_negative("server.ready_poll_s", server.ready_poll_s)?;
    c.not_negative("server.recovery_poll_s", server.recovery_poll_s)?;
    c.not_negative("server.recovery_cap_s", server.recovery_cap_s)?;
    Ok(())
}

fn check_outputs(c: &Checker<'_>, i: usize, model: &super::ModelSpec) -> Result<(), ProfileError> {
    if model
        .outputs
        .last()
        .is_none_or(|class| !class.contains.is_empty())
    {
        return Err(c.fail(
            &format!("models[{i}].outputs"),
            "end with a class whose `contains` is empty, so that every prompt has a length",
        ));
    }
    for (j, class) in model.outputs.iter().enumerate() {
        let key = |name: &str| format!("models[{i}].outputs[{j}].{name}");
        c.at_least(&key("min"), u64::from(class.min), 1)?;
        if class.max < class.min {
            return Err(c.fail(&key("max"), "must not be below min"));
        }
        c.above_zero(&key("mean"), class.mean)?;
        match class.distribution {
            Distribution::Fixed => {}
            Distribution::Normal | Distribution::LogNormal => {
                c.above_zero(&key("sd"), class.sd)?;
            }
        }
    }
    Ok(())
}
