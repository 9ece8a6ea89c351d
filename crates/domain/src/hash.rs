//! Seeds and orders derived from names, so that nothing random depends on the order of events.

use sha2::{Digest, Sha256};

/// A 64-bit value that depends on every part and on their boundaries, and on nothing else.
///
/// ```
/// use domain::hash::derive;
/// assert_eq!(derive(&["plan", "7"]), derive(&["plan", "7"]));
/// assert_ne!(derive(&["plan", "7"]), derive(&["plan7", ""]));
/// ```
pub fn derive(parts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let first = digest.first_chunk().expect("a digest has 32 bytes");
    u64::from_le_bytes(*first)
}

/// SHA-256 of a text as lowercase hexadecimal.
///
/// ```
/// use domain::hash::sha256_hex;
/// assert!(sha256_hex(b"abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
/// ```
pub fn sha256_hex(text: &[u8]) -> String {
    format!("{:x}", Sha256::digest(text))
}
