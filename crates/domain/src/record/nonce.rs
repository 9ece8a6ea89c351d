//! The root of the nonces that prompts begin with.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::hash::derive;

/// Root of the nonces that prompts begin with; 16 hexadecimal digits on disk. A prompt cache outlives a command, so every
/// run and every resume has a new root. With the same root and seed a run repeats its prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr, SerializeDisplay, JsonSchema)]
#[schemars(try_from = "String")]
pub struct NonceRoot(u64);

impl NonceRoot {
    /// A root from a random number; on the embedded simulator, which has an empty cache, from the run's seed, so that
    /// the run can be repeated byte for byte.
    pub const fn new(drawn: u64) -> Self {
        Self(drawn)
    }

    /// The nonce of a prompt: 16 hexadecimal digits that depend on the root and on every word.
    pub fn nonce(self, prompt: &[&str]) -> String {
        let root = self.0.to_string();
        let nonce = derive(&[&["nonce", &root], prompt].concat());
        Self(nonce).to_string()
    }

    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NonceRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce root has 16 hexadecimal digits, such as 9f86d081884c7d65")]
pub struct NonceRootError;

impl FromStr for NonceRoot {
    type Err = NonceRootError;

    fn from_str(text: &str) -> Result<Self, NonceRootError> {
        let is_hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = u64::from_str_radix(text, 16).ok().filter(|_| is_hex);
        value.map(Self).ok_or(NonceRootError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_read_as_it_is_written_and_its_nonces_differ() {
        let root = NonceRoot::new(0xf);
        assert_eq!(root.to_string(), "000000000000000f");
        assert_eq!(root.to_string().parse(), Ok(root));
        for wrong in ["", "f", "+00000000000000f", "000000000000000g"] {
            assert_eq!(wrong.parse::<NonceRoot>(), Err(NonceRootError), "{wrong}");
        }
        assert_eq!(root.nonce(&["a", "b"]), root.nonce(&["a", "b"]));
        assert_ne!(root.nonce(&["a", "b"]), root.nonce(&["ab"]));
        assert_ne!(root.nonce(&["a"]), NonceRoot::new(1).nonce(&["a"]));
    }
}
