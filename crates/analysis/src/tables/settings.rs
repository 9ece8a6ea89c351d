//! The options that TR113 varies, as its tables group by them.

use domain::ModelOptions;
use domain::plan::ConfigId;

/// The value of one option for two agents. Where the first sets none, as TR113's baseline agent does, the
/// second's stands for both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting(pub(super) [Option<f64>; 2]);

impl Setting {
    fn of(options: &[ModelOptions; 2], get: fn(&ModelOptions) -> Option<f64>) -> Self {
        let [a, b] = options.each_ref().map(get);
        Self([a.or(b), b])
    }

    /// The same value for both agents.
    pub(crate) fn both(value: f64) -> Self {
        Self([Some(value); 2])
    }

    /// The value, where it is the same for both agents.
    pub(crate) fn shared(self) -> Option<f64> {
        self.0[0].filter(|a| self.0[1] == Some(*a))
    }

    /// `80`, or `60/120` where the agents differ; none where nothing is set.
    pub(crate) fn words(self) -> Option<String> {
        match self.0 {
            [Some(a), Some(b)] if self.shared().is_none() => Some(format!("{a}/{b}")),
            [Some(value), _] | [None, Some(value)] => Some(value.to_string()),
            [None, None] => None,
        }
    }
}

/// What configurations of TR113 differ in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings<'a> {
    /// The part of the id before its first underscore. TR113 leaves its repeated `baseline_…` run out of
    /// the tables by option; the family keeps it apart.
    pub(crate) family: &'a str,
    pub(crate) num_gpu: Setting,
    pub(crate) num_ctx: Setting,
    pub(crate) temperature: Setting,
}

impl<'a> Settings<'a> {
    pub(super) fn of(config: &'a ConfigId, options: &[ModelOptions; 2]) -> Self {
        Self {
            family: config.as_str().split('_').next().unwrap_or_default(),
            num_gpu: Setting::of(options, |o| o.num_gpu.map(|layers| layers as f64)),
            num_ctx: Setting::of(options, |o| o.num_ctx.map(|tokens| tokens as f64)),
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
