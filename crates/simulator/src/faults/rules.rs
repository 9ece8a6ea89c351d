//! The kinds of faults, and the rules that select requests for them: by number, path, model, agent, time,
//! and by rate. `docs/faults.md` has the outcome that a client should report for each kind.

use domain::Nanos;
use domain::plan::Refused;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_with::{DeserializeAs, SerializeAs, serde_as, skip_serializing_none};

/// What happens on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No process listens on the port.
    Refuse,
    /// The connection is reset before a byte of the response.
    ResetBeforeHeaders,
    /// Half an object, then a reset.
    ResetMidToken,
    /// Nothing more is sent; the connection stays open.
    Stall,
    /// One byte of body every 20 ms.
    SlowDrip,
    /// Half of the last object, then the body ends in good order (on /v1, without `[DONE]`).
    TruncatedFinal,
    /// An object that is not JSON.
    MalformedJson,
    /// An object whose text is not UTF-8.
    InvalidUtf8,
    /// An error line ends the stream; whole answers are status 500. /v1 swallows it: an empty chunk
    /// and no `[DONE]`.
    ErrorLine,
    /// The body ends in good order without its last object; whole answers say `done: false`. /v1
    /// leaves `finish_reason` and `[DONE]` out.
    EofWithoutDone,
    /// The model says one word over and over; after 31 of them the server ends the body in good
    /// order, without its last object. Whole answers say `done: false`.
    Repetition,
    /// Status 503.
    Busy,
    /// Status 404, no such model.
    NotFound,
    /// Status 200 and a web page.
    WrongContentType,
    /// An object of 16 MiB.
    HugeLine,
    /// The model does not fit into memory: status 500 when this request has to load it.
    OomOnLoad,
    /// The runner dies: an error line, or status 500 when nothing has been sent. Others on it die
    /// too.
    RunnerCrash,
    /// The last object twice; a client is done with the first, unless it takes the whole body for
    /// one value.
    DuplicateFinal,
    /// Durations off by an hour; the client's own clock is not. /v1 has no durations.
    ClockJump,
}

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
#[serde_as]
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    pub kind: FaultKind,
    /// Only requests to this path; if absent, generations and embeddings on any path.
    pub path: Option<String>,
    /// Only requests for this model.
    pub model: Option<String>,
    /// Only requests whose `x-tandem-agent` or `user-agent` header contains this text.
    pub agent: Option<String>,
    /// Only requests to this server, counted from 0.
    pub server: Option<usize>,
    /// Only these, counted from 1 among the requests that meet the conditions above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<u64>,
    /// Only every n-th of them.
    pub every: Option<u64>,
    /// Only this share of them, 0 to 1, drawn from the simulator's seed and the request's number.
    #[serde(rename = "rate")]
    pub share: Option<f64>,
    /// Only from this simulated time on.
    #[serde_as(as = "Option<DurationText>")]
    pub from: Option<Nanos>,
    /// Only for this long after that.
    #[serde_as(as = "Option<DurationText>")]
    #[serde(rename = "for")]
    pub lasts: Option<Nanos>,
    /// Played after this many objects with text were sent; 0 is before the response head.
    #[serde(default = "three")]
    pub after_tokens: u64,
    /// Length of a stall, endless when absent; pause between the bytes of a slow drip, 20 ms when
    /// absent.
    #[serde_as(as = "Option<DurationText>")]
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
                || rule.share.is_some()
                || rule.path.is_some()
                || rule.model.is_some()
                || rule.agent.is_some();
            let problems = [
                (
                    rule.kind == FaultKind::Refuse && counts,
                    "a refused connection carries no request to count; give `server`, `from` and `for`",
                ),
                (
                    rule.share
                        .is_some_and(|share| !(0.0..=1.0).contains(&share)),
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

/// Writes and reads a duration as text, such as `2s`.
struct DurationText;

impl SerializeAs<Nanos> for DurationText {
    fn serialize_as<S: Serializer>(time: &Nanos, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(time.as_duration()))
    }
}

impl<'de> DeserializeAs<'de, Nanos> for DurationText {
    fn deserialize_as<D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        let text = String::deserialize(from)?;
        let time = humantime::parse_duration(&text);
        let time = time.map_err(|e| D::Error::custom(format!("{text:?} is no duration: {e}")))?;
        Ok(time.into())
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
