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
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

/// SHA-256 of a text as lowercase hexadecimal.
///
/// ```
/// use domain::hash::sha256_hex;
/// assert!(sha256_hex(b"abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
/// ```
pub fn sha256_hex(text: &[u8]) -> String {
    let digits =
        |byte: u8| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    let digest = Sha256::digest(text);
    digest
        .iter()
        .flat_map(|&byte| digits(byte))
        .map(char::from)
        .collect()
}
