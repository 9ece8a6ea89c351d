//! The options that TR113 varies, as its tables group by them.

use std::fmt::Display;

use domain::ModelOptions;
use domain::plan::ConfigId;

/// The value of one option for two agents. Where the first sets none, as TR113's baseline agent does, the
/// second's stands for both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting<T>(pub(super) [Option<T>; 2]);

impl<T: Copy + PartialEq + Display> Setting<T> {
    fn of(options: &[ModelOptions; 2], get: fn(&ModelOptions) -> Option<T>) -> Self {
        let [a, b] = options.each_ref().map(get);
        Self([a.or(b), b])
    }

    /// The value, where it is the same for both agents.
    pub(crate) fn shared(self) -> Option<T> {
        self.0[0].filter(|a| self.0[1] == Some(*a))
    }

    /// `80`, or `60/120` where the agents differ; none where nothing is set.
    pub(crate) fn words(self) -> Option<String> {
        match self.0 {
            [Some(a), Some(b)] if a != b => Some(format!("{a}/{b}")),
            [Some(value), _] | [None, Some(value)] => Some(value.to_string()),
            [None, None] => None,
        }
    }
}

impl<T: Copy> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Self([Some(value); 2])
    }
}

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self([None, None])
    }
}

/// What configurations of TR113 differ in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings<'a> {
    /// The part of the id before its first underscore. TR113 leaves its repeated `baseline_…` run out of
    /// the tables by option; the family keeps it apart.
    pub(crate) family: &'a str,
    pub(crate) num_gpu: Setting<i64>,
    pub(crate) num_ctx: Setting<i64>,
    pub(crate) temperature: Setting<f64>,
}

impl<'a> Settings<'a> {
    pub(super) fn of(config: &'a ConfigId, options: &[ModelOptions; 2]) -> Self {
        Self {
            family: config.as_str().split('_').next().unwrap_or_default(),
            num_gpu: Setting::of(options, |o| o.num_gpu),
            num_ctx: Setting::of(options, |o| o.num_ctx),
            temperature: Setting::of(options, |o| o.temperature),
        }
    }
}

/// One agent's options in TR113's words: `GPU=80, CTX=512, TEMP=0.8`; `defaults` when none is set.
pub(super) fn in_words(options: &ModelOptions) -> String {
    let parts = [
        options.num_gpu.map(|v| format!("GPU={v}")),
        options.num_ctx.map(|v| format!("CTX={v}")),
        options.temperature.map(|v| format!("TEMP={v}")),
    ];
    let set: Vec<String> = parts.into_iter().flatten().collect();
    if set.is_empty() {
        "defaults".to_owned()
    } else {
        set.join(", ")
    }
}
