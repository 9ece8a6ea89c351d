//! Profiles: the hardware, models and speed of a simulated machine. TOML in, checked types out.

mod check;
mod outputs;

use domain::Nanos;
use domain::backend::KeepAlive;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

pub use check::ProfileError;
pub use outputs::{Distribution, OutputClass};

/// The built-in profiles, by name: TR113's machine, and one that takes almost no time.
const SHIPPED: [(&str, &str); 2] = [
    (
        "rtx4080-laptop",
        include_str!("../../../fixtures/profiles/rtx4080-laptop.toml"),
    ),
    (
        "instant",
        include_str!("../../../fixtures/profiles/instant.toml"),
    ),
];

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the profile's format; 1.
    pub schema: u32,
    pub name: String,
    pub description: String,
    /// Seed of every draw.
    pub seed: u64,
    pub server: ServerSettings,
    pub network: Network,
    /// Devices, in index order; empty for a machine without a GPU.
    #[serde(default)]
    pub devices: Vec<DeviceSpec>,
    pub models: Vec<ModelSpec>,
}

/// Ollama's settings, as in its environment variables.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The release it behaves like, `x.y.z`.
    pub version: String,
    /// Slots per runner (`OLLAMA_NUM_PARALLEL`), at least 1.
    pub num_parallel: usize,
    /// Models at a time (`OLLAMA_MAX_LOADED_MODELS`); 0 is three per device, three on CPU.
    pub max_loaded_models: usize,
    /// Entries of the pending queue (`OLLAMA_MAX_QUEUE`).
    pub max_queue: usize,
    /// Seconds a model stays after its last request (`OLLAMA_KEEP_ALIVE`); negative is for ever.
    pub keep_alive_s: f64,
    /// Default context length (`OLLAMA_CONTEXT_LENGTH`); 0 for the release's own rule.
    pub context_length: u32,
    #[serde(default)]
    pub scheduling: Scheduling,
    #[serde(default, skip_serializing_if = "is_default")]
    pub prompt_cache: PromptCache,
    /// Seconds between polls of a starting runner's readiness.
    pub ready_poll_s: f64,
    /// Seconds between polls of the memory that a dead runner frees.
    pub recovery_poll_s: f64,
    /// Longest wait for that memory, seconds.
    pub recovery_cap_s: f64,
}

/// How requests that match a loaded runner are handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduling {
    /// As the release does: `fastpath` from 0.11.5, `fifo` before.
    #[default]
    Auto,
    /// Every request passes the pending queue.
    Fifo,
    /// A request that matches a loaded runner bypasses the queue.
    Fastpath,
}

/// How a runner finds the start of a prompt in earlier contexts. The keys are options of llama.cpp's server, on which
/// Ollama runs models since 0.30.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptCache {
    /// A request takes the free slot whose context shares the longest beginning with its prompt, if that is more than
    /// this share of the prompt (`--slot-prompt-similarity`); otherwise the slot that has been free for longest. From 0,
    /// where any beginning counts, to 1, where none does. Absent: as the release does, 0.1 from 0.30.0, 0 before.
    pub slot_similarity: Option<f64>,
    /// Host memory of each runner for contexts that lose their slot, MiB (`--cache-ram`). A token takes
    /// [`Memory::kv_bytes_per_token`]. 0 is off, and the default here; llama.cpp's is 8192.
    pub cache_ram_mib: u64,
}

/// Latency from a client to the server, drawn uniformly per request from its content.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub latency_min_ms: f64,
    pub latency_max_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    pub name: String,
    pub memory_bytes: u64,
    /// Memory used by other programs (desktop, driver), bytes.
    #[serde(default)]
    pub reserved_bytes: u64,
    /// `k` busy runners each get `1 / (k * (1 + sharing_loss * (k - 1)))` of the device.
    #[serde(rename = "sharing_loss")]
    pub sharing_loss_factor: f64,
    /// Board power when idle, watts.
    pub idle_w: f64,
    /// Board power when busy, watts.
    pub busy_w: f64,
    /// SM clock when busy, MHz.
    pub sm_clock_mhz: u32,
    pub idle_sm_clock_mhz: u32,
    pub memory_clock_mhz: u32,
    /// Thermal model; without it the device never throttles and reports no temperature.
    pub thermal: Option<Thermal>,
}

/// A first-order thermal model: the core approaches `ambient_c + c_per_w * power`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Thermal {
    /// Temperature without power, degrees Celsius.
    pub ambient_c: f64,
    /// Degrees Celsius per watt in the long run.
    pub c_per_w: f64,
    pub time_constant_s: f64,
    pub throttle_at_c: f64,
    pub resume_below_c: f64,
    /// Speed and clock while throttled, as a share of the full ones.
    #[serde(rename = "throttled_speed")]
    pub throttled_speed_share: f64,
    /// Board power while throttled and busy, watts.
    pub throttled_w: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Full name with tag: `gemma3:latest`.
    pub name: String,
    /// Manifest digest, 64 hex digits.
    pub digest: String,
    /// Weights blob, when several tags share one; the runner's key. The digest when absent.
    pub blob: Option<String>,
    /// Size on disk, bytes.
    pub size_bytes: u64,
    /// For example `4.3B`.
    pub parameter_size: String,
    /// For example `Q4_K_M`.
    pub quantization: String,
    /// Architecture family: `gemma3`.
    pub family: String,
    /// Transformer blocks.
    pub layers: u32,
    /// Context the model was trained for, tokens.
    pub train_ctx: u32,
    pub embedding_length: u32,
    pub heads: u32,
    pub kv_heads: u32,
    /// `completion`, `tools`, `vision`, `embedding`, `thinking`, `insert`.
    pub capabilities: Vec<String>,
    /// Runner options of its Modelfile.
    #[serde(default)]
    pub parameters: crate::core::RunnerOptions,
    pub memory: Memory,
    pub rates: Rates,
    pub load: LoadTimes,
    /// Output lengths by kind of prompt; the first match applies, the last matches every prompt.
    pub outputs: Vec<OutputClass>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub weights_bytes: u64,
    /// KV cache, bytes per token of context and slot, and of a context in host memory.
    pub kv_bytes_per_token: u64,
    /// Compute buffers, bytes per token of prompt batch.
    pub compute_bytes_per_batch_token: u64,
    /// Other memory of every runner, bytes.
    pub fixed_bytes: u64,
}

/// Speed of one stream alone, with all layers on an unthrottled device or (`cpu_`) on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    pub decode_tps: f64,
    pub prefill_tps: f64,
    pub cpu_decode_tps: f64,
    pub cpu_prefill_tps: f64,
    /// A step that decodes `n` streams takes `1 + batch_cost * (n - 1)` times a step of one.
    #[serde(rename = "batch_cost")]
    pub batch_cost_factor: f64,
    /// Added to every batch that holds prompt tokens, seconds.
    pub prefill_overhead_s: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LoadTimes {
    /// Starting a runner until it is ready, seconds, before rounding up to the readiness poll.
    pub load_s: f64,
    /// Added the first time a server loads the weights, seconds (they are not in the page cache).
    pub first_load_s: f64,
    /// Added to the first batch of a fresh runner, seconds.
    pub warm_up_s: f64,
    /// From killing a runner until its process is gone, seconds.
    pub unload_s: f64,
    /// From then until the driver shows its memory as free, seconds, before rounding up to the poll.
    pub recovery_s: f64,
    /// Resolving a request before it is scheduled, seconds: a warm request's whole `load_duration`.
    pub resolve_s: f64,
    /// Templating and tokenising after the runner is ready, seconds. Only the total counts it.
    pub prepare_s: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ServerSpec {
    pub settings: ServerSettings,
    /// Indices into [`Profile::devices`]; empty for CPU only.
    pub devices: Vec<usize>,
}

impl Profile {
    pub fn builtin(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.into_iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text).expect("profiles that ship are checked by a test"))
    }

    /// A built-in profile by name, otherwise one from a file. Fails when the file cannot be read or is invalid.
    pub fn load(name_or_path: &str) -> Result<Self, ProfileError> {
        if let Some(profile) = Self::builtin(name_or_path) {
            return Ok(profile);
        }
        let text = std::fs::read_to_string(name_or_path).map_err(|error| {
            let shipped = SHIPPED.map(|(name, _)| name).join(", ");
            let problem = format!("cannot be read ({error}); give a file or one of {shipped}");
            ProfileError::whole(name_or_path, problem)
        })?;
        Self::parse(name_or_path, &text)
    }

    /// The profile as TOML, without comments.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a checked profile holds nothing that TOML lacks")
    }

    pub fn device_names(&self) -> Vec<String> {
        self.devices.iter().map(|d| d.name.clone()).collect()
    }

    /// A server on every device of the profile.
    pub fn server(&self) -> ServerSpec {
        ServerSpec {
            settings: self.server.clone(),
            devices: (0..self.devices.len()).collect(),
        }
    }

    /// A model by name; `gemma3` means `gemma3:latest`.
    pub fn find_model(&self, name: &str) -> Option<&ModelSpec> {
        let full = with_tag(name);
        self.models.iter().find(|m| m.name == full)
    }
}

/// A model's name with its tag, `latest` if it has none.
pub(crate) fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = if last.contains(':') { "" } else { ":latest" };
    format!("{name}{tag}")
}

/// What so many seconds of `keep_alive` mean; negative is for ever.
pub(crate) fn keep_alive(seconds: f64) -> KeepAlive {
    // More nanoseconds than an i64 holds (292 years) overflow in Go.
    if !(0.0..9.2e9).contains(&seconds) {
        KeepAlive::Forever
    } else if seconds * 1e9 < 1.0 {
        KeepAlive::Unload
    } else {
        KeepAlive::For(Nanos((seconds * 1e9) as u64))
    }
}

/// True for settings that a written profile does not state.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ModelSpec {
    /// The runner's key: at most one runner per key and server.
    pub fn key(&self) -> &str {
        self.blob.as_deref().unwrap_or(&self.digest)
    }

    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }
}

impl ServerSettings {
    /// The release as numbers; a missing part is 0. Anything after a `-` is ignored.
    pub fn release(&self) -> (u32, u32, u32) {
        let plain = self.version.split('-').next().unwrap_or_default();
        let mut parts = plain.split('.').map(|p| p.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (next(), next(), next())
    }

    /// The share of a prompt above which a slot's context decides that a request takes the slot.
    pub fn slot_similarity(&self) -> f64 {
        let by_release = if self.release() >= (0, 30, 0) {
            0.1
        } else {
            0.0
        };
        self.prompt_cache.slot_similarity.unwrap_or(by_release)
    }

    /// Whether a request that matches a loaded runner bypasses the queue.
    pub fn fastpath(&self) -> bool {
        match self.scheduling {
            Scheduling::Auto => self.release() >= (0, 11, 5),
            Scheduling::Fifo => false,
            Scheduling::Fastpath => true,
        }
    }
}

#[cfg(test)]
mod tests;
