//! Rules that select requests: by number, path, model, agent, time, and by rate.

use domain::Nanos;
use domain::plan::Refused;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FaultKind;

/// A list of rules; the first that selects a request is played.
///
/// ```
/// let rules = simulator::faults::FaultRules::parse("faults.toml", r#"
///     [[fault]]
///     kind = "reset_mid_token"
///     path = "/api/generate"
///     requests = [3]
///     after_tokens = 5
///
///     [[fault]]
///     kind = "busy"
///     from = "10s"
///     for = "2s"
/// "#)?;
/// assert_eq!(rules.rules.len(), 2);
/// # Ok::<(), simulator::faults::FaultRulesError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRules {
    #[serde(default, rename = "fault")]
    pub rules: Vec<FaultRule>,
}

/// One rule. Every given condition must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    pub kind: FaultKind,
    /// Only requests to this path; if absent, generations and embeddings on any path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only requests for this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only requests whose `x-tandem-agent` or `user-agent` header contains this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only requests to this server, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<usize>,
    /// Only these, counted from 1 among the requests that meet the conditions above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<u64>,
    /// Only every n-th of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Only this share of them, 0 to 1, drawn from the simulator's seed and the request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Only from this simulated time on.
    #[serde(
        default,
        with = "opt_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<Nanos>,
    /// Only for this long after that.
    #[serde(
        default,
        rename = "for",
        with = "opt_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasts: Option<Nanos>,
    /// Played after this many objects with text were sent; 0 is before the response head.
    #[serde(default = "three")]
    pub after_tokens: u64,
    /// Length of a stall, endless when absent; pause between the bytes of a slow drip, 20 ms when
    /// absent.
    #[serde(
        default,
        with = "opt_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub pause: Option<Nanos>,
    /// Bytes of a huge line.
    #[serde(default = "sixteen_mib")]
    pub bytes: usize,
    /// Seconds added to the durations by a clock jump; negative for a step back.
    #[serde(default = "one_hour")]
    pub jump_s: f64,
}

fn three() -> u64 {
    3
}

fn sixteen_mib() -> usize {
    16 * 1024 * 1024
}

fn one_hour() -> f64 {
    3600.0
}

impl FaultRule {
    /// A rule that selects every request.
    pub fn always(kind: FaultKind) -> Self {
        let rule = serde_json::from_value(serde_json::json!({"kind": kind}));
        rule.expect("every other key has a default")
    }
}

/// Rules were refused.
pub type FaultRulesError = Refused<String>;

impl FaultRules {
    /// Reads rules from TOML. `origin` is the file's name for messages. Fails with the line of what is invalid.
    pub fn parse(origin: &str, text: &str) -> Result<Self, FaultRulesError> {
        let rules: Self =
            toml::from_str(text).map_err(|error| Refused::toml(origin, text, &error))?;
        rules.check(origin)?;
        Ok(rules)
    }

    /// Checks rules built in code. Fails with the first rule that contradicts itself.
    pub fn check(&self, origin: &str) -> Result<(), FaultRulesError> {
        for (index, rule) in self.rules.iter().enumerate() {
            let counts = !rule.requests.is_empty()
                || rule.every.is_some()
                || rule.rate.is_some()
                || rule.path.is_some()
                || rule.model.is_some()
                || rule.agent.is_some();
            let problems = [
                (
                    rule.kind == FaultKind::Refuse && counts,
                    "a refused connection carries no request to count; give `server`, `from` and `for`",
                ),
                (
                    rule.rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)),
                    "`rate` is a share from 0 to 1",
                ),
                (
                    rule.every == Some(0) || rule.requests.contains(&0),
                    "requests are counted from 1",
                ),
                (
                    rule.lasts.is_some() && rule.from.is_none(),
                    "`for` needs `from`; use from = \"0s\" for the start",
                ),
                (!rule.jump_s.is_finite(), "`jump_s` must be finite"),
            ];
            let Some((_, problem)) = problems.into_iter().find(|(found, _)| *found) else {
                continue;
            };
            let key = format!("fault {} ({:?})", index + 1, rule.kind);
            return Err(Refused::key(origin, key, problem.to_owned()));
        }
        Ok(())
    }
}

mod opt_duration {
    use super::{Deserialize, Deserializer, Nanos, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(d: &Option<Nanos>, to: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => to.serialize_str(&humantime::format_duration(d.as_duration()).to_string()),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Nanos>, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text)
            .map(|d| Some(d.into()))
            .map_err(|e| serde::de::Error::custom(format!("{text:?} is no duration: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_their_own_text() {
        let text = "[[fault]]\nkind = \"stall\"\nrate = 0.25\npause = \"2s\"\nagent = \"py\"\n";
        let rules = FaultRules::parse("f.toml", text).expect("valid");
        assert_eq!(rules.rules[0].pause, Some(Nanos::from_secs(2)));
        let again = toml::to_string(&rules).expect("TOML");
        assert_eq!(FaultRules::parse("again", &again), Ok(rules));
    }

    #[test]
    fn senseless_rules_are_refused_with_the_fix() {
        for (text, words) in [
            ("kind = \"refuse\"\nrate = 0.5", "give `server`"),
            ("kind = \"busy\"\nrate = 1.5", "from 0 to 1"),
            ("kind = \"busy\"\nevery = 0", "counted from 1"),
            ("kind = \"busy\"\nfor = \"1s\"", "needs `from`"),
            ("kind = \"busy\"\ncolour = 1", "unknown field"),
            ("kind = \"bussy\"", "unknown variant"),
            ("kind = \"stall\"\npause = \"soon\"", "no duration"),
        ] {
            let error = FaultRules::parse("f.toml", &format!("[[fault]]\n{text}\n"))
                .expect_err("must not pass")
                .to_string();
            assert!(
                error.starts_with("f.toml:") && error.contains(words),
                "{error}"
            );
        }
    }
}
