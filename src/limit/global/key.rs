//! Names of counters in the store.

use std::fmt::Write;

use ring::digest::{Context, SHA256};

/// The key of a counter: from the names of its limit and of where it lives, and from what tells clients apart.
///
/// The same in all replicas, and always 40 bytes: the store learns no addresses or tokens, and nobody fills it with
/// long ones. Different parts have different keys, also where they are the same one after the other.
#[must_use]
pub fn key(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut key = String::with_capacity(40);
    key.push_str("paifang:");
    for byte in hash.finish().as_ref().iter().take(16) {
        let _ = write!(key, "{byte:02x}");
    }
    key.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_parts_apart() {
        let one = key(&[b"team/api", b"per-client", b"10.0.0.1"]);
        assert_eq!((one.len(), one.starts_with(b"paifang:")), (40, true));
        assert_eq!(one, key(&[b"team/api", b"per-client", b"10.0.0.1"]));
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_ne!(key(&[b"a"]), key(&[b"a", b""]));
    }
}
