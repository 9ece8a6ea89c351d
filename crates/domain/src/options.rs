//! Ollama's model options. An absent option means the server's default, which differs from every value: an explicit
//! `num_ctx` equal to the default can still force a reload.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::limits::TOKENS;
use OnV1::{Everywhere, LlamaCpp, No, Unsigned};

type Integer = i64;
type Float = f64;
type Boolean = bool;
type Strings = Vec<String>;

#[derive(Debug, Clone, PartialEq, Serialize, strum::EnumDiscriminants)]
#[strum_discriminants(name(OptionKind))]
#[serde(untagged)]
pub enum OptionValue {
    Integer(Integer),
    Float(Float),
    Boolean(Boolean),
    Strings(Strings),
}

impl OptionValue {
    /// The value as a number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(n) => Some(*n as f64),
            Self::Float(n) => Some(*n),
            Self::Boolean(_) | Self::Strings(_) => None,
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => n.fmt(f),
            Self::Float(n) => n.fmt(f),
            Self::Boolean(is) => is.fmt(f),
            Self::Strings(texts) => write!(f, "{texts:?}"),
        }
    }
}

/// How an option is sent in a chat completion (`/v1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnV1 {
    /// The protocol has no such option.
    No,
    /// Under this name, on every server.
    Everywhere(&'static str),
    /// Likewise, but a negative value, which means the server's own choice, is left out.
    Unsigned(&'static str),
    /// Under this name, on llama.cpp alone.
    LlamaCpp(&'static str),
}

/// The sensible values of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionRange {
    /// Least and greatest, inclusive.
    pub bounds: (f64, f64),
    pub words: &'static str,
}

const fn within(least: f64, greatest: f64, words: &'static str) -> OptionRange {
    let bounds = (least, greatest);
    OptionRange { bounds, words }
}

/// What is known about an option. Every option is sent to Ollama's native API under its name.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Its name in Ollama's API, in plans and in records.
    pub name: &'static str,
    pub kind: OptionKind,
    /// Whether it decides how the model is loaded: a runner option.
    pub reloads: bool,
    pub on_v1: OnV1,
    /// The values that a plan may have; `None` if every value makes sense.
    pub range: Option<OptionRange>,
    get: fn(&ModelOptions) -> Option<OptionValue>,
    set: fn(&mut ModelOptions, OptionValue),
}

impl OptionSpec {
    pub fn named(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name == name)
    }

    pub fn get(&self, options: &ModelOptions) -> Option<OptionValue> {
        (self.get)(options)
    }

    /// A value of another kind changes nothing.
    pub fn set(&self, options: &mut ModelOptions, value: OptionValue) {
        (self.set)(options, value);
    }
}

/// Declares [`ModelOptions`] and [`OPTIONS`] from one list:
/// description, name, kind, whether a difference reloads the model, on `/v1`, range.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident, $kind:ident, $loading:ident, $on_v1:expr, $range:expr;)*) => {
        /// The `options` object of a native request.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct ModelOptions {
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$kind>,
            )*
        }

        impl ModelOptions {
            /// Takes each option from `self`, or from `base` if `self` does not set it.
            #[must_use]
            pub fn over(&self, base: &Self) -> Self {
                Self { $($name: self.$name.clone().or_else(|| base.$name.clone())),* }
            }
        }

        /// Every option, in the order of [`ModelOptions`].
        pub const OPTIONS: &[OptionSpec] = &[$(OptionSpec {
            name: stringify!($name),
            kind: OptionKind::$kind,
            reloads: $loading,
            on_v1: $on_v1,
            range: $range,
            get: |options| options.$name.clone().map(OptionValue::$kind),
            set: |options, value| {
                if let OptionValue::$kind(value) = value {
                    options.$name = Some(value);
                }
            },
        }),*];
    };
}

/// The model must be loaded again when the option differs.
const RELOADS: bool = true;
/// The option holds for one request.
const STAYS: bool = false;
const MAX: f64 = f64::INFINITY;
const MOST_TOKENS: f64 = TOKENS.most as f64;

options! {
    /// Layers offloaded to the GPU; negative leaves it to the server.
    num_gpu, Integer, RELOADS, No, Some(within(-1.0, MAX, "layers, 0 or more, or -1 for auto"));
    /// Context length per slot, in tokens.
    num_ctx, Integer, RELOADS, No, Some(within(4.0, MOST_TOKENS, "4 to 10000000 tokens"));
    /// Prompt batch size.
    num_batch, Integer, RELOADS, No, None;
    /// CPU threads.
    num_thread, Integer, RELOADS, No, None;
    /// Main GPU index.
    main_gpu, Integer, RELOADS, No, None;
    /// Memory-map the weights.
    use_mmap, Boolean, RELOADS, No, None;
    /// Speculative draft length.
    draft_num_predict, Integer, RELOADS, No, None;
    /// Sampling temperature.
    temperature, Float, STAYS, Everywhere("temperature"), Some(within(0.0, 5.0, "0 to 5"));
    /// Nucleus sampling threshold.
    top_p, Float, STAYS, Everywhere("top_p"), Some(within(0.0, 1.0, "0 to 1"));
    /// Candidates kept before sampling.
    top_k, Integer, STAYS, LlamaCpp("top_k"), None;
    /// Minimum probability relative to the best candidate.
    min_p, Float, STAYS, LlamaCpp("min_p"), None;
    /// Locally typical sampling threshold.
    typical_p, Float, STAYS, LlamaCpp("typical_p"), None;
    /// Penalty for repeated tokens.
    repeat_penalty, Float, STAYS, LlamaCpp("repeat_penalty"), None;
    /// Window of the repeat penalty, in tokens.
    repeat_last_n, Integer, STAYS, LlamaCpp("repeat_last_n"), None;
    /// Presence penalty.
    presence_penalty, Float, STAYS, Everywhere("presence_penalty"), None;
    /// Frequency penalty.
    frequency_penalty, Float, STAYS, Everywhere("frequency_penalty"), None;
    /// Tokens kept when the context shifts.
    num_keep, Integer, STAYS, LlamaCpp("n_keep"), None;
    /// Most tokens to generate; -1 is the server's own limit.
    num_predict, Integer, STAYS, Unsigned("max_tokens"), Some(within(-2.0, MOST_TOKENS, "up to 10000000 tokens, or -1 for the server's limit"));
    /// Sampling seed; -1 is random.
    seed, Integer, STAYS, Unsigned("seed"), None;
    /// Stop strings.
    stop, Strings, STAYS, Everywhere("stop"), None;
}

impl ModelOptions {
    /// True when nothing is set, so that no `options` object is sent at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The options that are set, in the order of [`OPTIONS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static OptionSpec, OptionValue)> {
        let options = OPTIONS.iter();
        options.filter_map(|option| Some((option, option.get(self)?)))
    }

    /// The runner options in which the two differ. The context comes first, because it differs most often.
    pub fn runner_differences(&self, other: &Self) -> Vec<&'static OptionSpec> {
        let differs =
            |option: &&OptionSpec| option.reloads && option.get(self) != option.get(other);
        let mut differing: Vec<_> = OPTIONS.iter().filter(differs).collect();
        differing.sort_by_key(|option| option.name != "num_ctx");
        differing
    }

    /// True when a server must reload the model to go from `self` to `other`: any difference in a
    /// runner option, except that an absent or negative `num_gpu` in `other` accepts what is loaded.
    pub fn reloads_for(&self, other: &Self) -> bool {
        let accepts_layers = other.num_gpu.is_none_or(|layers| layers < 0);
        let mut differing = self.runner_differences(other).into_iter();
        differing.any(|option| !(accepts_layers && option.name == "num_gpu"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_type_agree() {
        let mut all = ModelOptions::default();
        for option in OPTIONS {
            assert_eq!(option.get(&all), None, "{}", option.name);
            let value = match option.kind {
                OptionKind::Integer => OptionValue::Integer(7),
                OptionKind::Float => OptionValue::Float(0.5),
                OptionKind::Boolean => OptionValue::Boolean(true),
                OptionKind::Strings => OptionValue::Strings(vec!["x".to_owned()]),
            };
            option.set(&mut all, value.clone());
            assert_eq!(option.get(&all), Some(value), "{}", option.name);
        }
        let written = serde_json::to_value(&all).unwrap();
        let read = OPTIONS.iter().map(|option| &written[option.name]);
        let values = all.iter().map(|(_, value)| serde_json::json!(value));
        assert!(read.eq(&values.collect::<Vec<_>>()));
    }

    #[test]
    fn only_runner_options_reload_and_a_server_may_choose_the_layers() {
        let of = |num_gpu, num_ctx, seed| ModelOptions {
            num_gpu,
            num_ctx,
            seed,
            ..ModelOptions::default()
        };
        let names = |a: &ModelOptions, b: &ModelOptions| -> Vec<&str> {
            a.runner_differences(b).iter().map(|o| o.name).collect()
        };
        let loaded = of(Some(60), Some(512), Some(1));
        let (auto, none) = (of(None, Some(512), Some(2)), of(None, None, None));
        assert!(!loaded.reloads_for(&auto) && !loaded.reloads_for(&of(Some(-1), Some(512), None)));
        assert!(auto.reloads_for(&loaded));
        assert_eq!(names(&loaded, &auto), ["num_gpu"]);
        assert!(auto.reloads_for(&none));
        assert_eq!(names(&loaded, &none), ["num_ctx", "num_gpu"]);
    }
}
