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

/// Fails with the key and what is wrong with it unless the condition holds.
fn ensure(
    holds: bool,
    origin: &str,
    key: impl Into<String>,
    problem: impl Into<String>,
) -> Result<(), ProfileError> {
    if holds {
        return Ok(());
    }
    Err(Refused::key(origin, key.into(), problem.into()))
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
    let problem = format!("{number} is out of range; give {right}");
    ensure(fits && number.is_finite(), origin, at, problem)
}

fn table(part: &impl Serialize) -> toml::Value {
    toml::Value::try_from(part).expect("a profile holds nothing that TOML lacks")
}

pub(super) fn parse(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let profile = toml::from_str(text).map_err(|e| Refused::toml(origin, text, &e))?;
    check(origin, &profile)?;
    Ok(profile)
}

fn check(origin: &str, profile: &Profile) -> Result<(), ProfileError> {
    let schema = profile.schema;
    let problem = format!("{schema} is not understood here; this program reads {SCHEMA}");
    ensure(schema == SCHEMA, origin, "schema", problem)?;
    check_numbers(origin, "", "", &table(profile))?;
    settings(origin, &profile.server)?;
    let net = &profile.network;
    let grows = net.latency_max_ms.is_finite() && net.latency_max_ms >= net.latency_min_ms;
    let key = "network.latency_max_ms";
    ensure(grows, origin, key, "must not be below latency_min_ms")?;
    for (i, device) in profile.devices.iter().enumerate() {
        let key = |name: &str| format!("devices[{i}].{name}");
        let has_room = device.reserved_bytes < device.memory_bytes;
        ensure(
            has_room,
            origin,
            key("reserved_bytes"),
            "must be below memory_bytes",
        )?;
        if let Some(thermal) = &device.thermal {
            let is_share = thermal.throttled_speed <= 1.0;
            let speed = key("thermal.throttled_speed");
            ensure(is_share, origin, speed, "is a share; give 1 or less")?;
            let falls = thermal.throttle_at_c > thermal.resume_below_c;
            let resume = key("thermal.resume_below_c");
            let falls = falls && thermal.ambient_c.is_finite();
            ensure(falls, origin, resume, "must be below throttle_at_c")?;
        }
    }
    let problem = "the profile has no model; add a [[models]] entry";
    ensure(!profile.models.is_empty(), origin, "models", problem)?;
    for (i, model) in profile.models.iter().enumerate() {
        let key = |name: &str| format!("models[{i}].{name}");
        let name = &model.name;
        let problem = format!("`{name}` has no tag; write name:tag");
        ensure(name.contains(':'), origin, key("name"), problem)?;
        let is_new = profile.models[..i].iter().all(|m| m.name != *name);
        ensure(
            is_new,
            origin,
            key("name"),
            format!("`{name}` is there twice"),
        )?;
        let is_hash =
            model.digest.len() == 64 && model.digest.bytes().all(|b| b.is_ascii_hexdigit());
        ensure(
            is_hash,
            origin,
            key("digest"),
            "must be 64 hexadecimal digits",
        )?;
        let last = model.outputs.last();
        let matches_all = last.is_some_and(|class| class.contains.is_empty());
        let problem =
            "end with a class whose `contains` is empty, so that every prompt has a length";
        ensure(matches_all, origin, key("outputs"), problem)?;
        for (j, class) in model.outputs.iter().enumerate() {
            let key = |name: &str| key(&format!("outputs[{j}].{name}"));
            ensure(
                class.max >= class.min,
                origin,
                key("max"),
                "must not be below min",
            )?;
            let is_fixed = class.distribution == Distribution::Fixed;
            let problem = format!("{} is out of range; give a number above 0", class.sd);
            let spreads = class.sd.is_finite() && class.sd > 0.0;
            ensure(is_fixed || spreads, origin, key("sd"), problem)?;
        }
    }
    Ok(())
}

pub(super) fn settings(origin: &str, server: &ServerSettings) -> Result<(), ProfileError> {
    check_numbers(origin, "server", "server", &table(server))?;
    let context = server.context_length;
    let problem = format!("{context} is out of range; give 4 or more");
    // 0 leaves the context to the release.
    ensure(
        !(1..4).contains(&context),
        origin,
        "server.context_length",
        problem,
    )?;
    let is_time = server.keep_alive_s.is_finite();
    ensure(
        is_time,
        origin,
        "server.keep_alive_s",
        "give seconds, or -1 for ever",
    )?;
    let (key, version, release) = ("server.version", &server.version, server.release());
    let problem = format!("`{version}` is not a release; write x.y.z");
    ensure(release != (0, 0, 0), origin, key, problem)?;
    let problem =
        format!("{version} had no scheduler yet and is not simulated; give 0.1.33 or later");
    ensure(release >= FIRST_SCHEDULER, origin, key, problem)
}
