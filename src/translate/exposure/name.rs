//! Names of what is made for a Gateway. A Gateway's name may have 253 characters and dots, a Service's
//! and a label's only 63.

use super::stable_hash;

const MAX: usize = 63;
/// `-` and sixteen hexadecimal digits.
const SUFFIX: usize = 17;

/// The name of a Gateway's Service: `NAME-CLASS` (GEP-1762) where that is a DNS label, else a name made
/// from it. `address` tells the Services of a Gateway with several addresses apart.
pub(super) fn service(gateway: &str, class: &str, address: Option<&str>) -> String {
    let plain = format!("{gateway}-{class}");
    if address.is_none() && is_label(&plain) {
        return plain;
    }
    let hash = stable_hash(&[gateway, class, address.unwrap_or_default()]);
    let readable: String = plain.chars().map(|c| if is_label_char(c) { c } else { '-' }).collect();
    let readable =
        if plain.starts_with(|c: char| c.is_ascii_lowercase()) { readable } else { format!("gw-{readable}") };
    format!("{}-{hash:016x}", cut(&readable))
}

/// A name as the value of a label.
pub(super) fn label(name: &str) -> String {
    if name.len() <= MAX { name.to_owned() } else { format!("{}-{:016x}", cut(name), stable_hash(&[name])) }
}

/// The front of a name, with room for a suffix, and no end that a label may not have.
fn cut(name: &str) -> &str {
    let end = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX - SUFFIX).last().unwrap_or(0);
    let front = if name.len() <= MAX - SUFFIX { name } else { name.get(..end).unwrap_or_default() };
    front.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// RFC 1035: what every Service's name must be.
fn is_label(name: &str) -> bool {
    name.len() <= MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(is_label_char)
}

const fn is_label_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_is_kept_and_others_are_told_apart() {
        assert_eq!(service("edge", "paifang", None), "edge-paifang");
        for (one, other) in [("a.b", "a-b"), ("1a", "a"), (&*"x".repeat(253), &*"x".repeat(252))] {
            assert_ne!(service(one, "paifang", None), service(other, "paifang", None));
        }
        assert_ne!(service("edge", "paifang", None), service("edge", "paifang", Some("10.0.0.1")));
        assert_eq!(label("edge"), "edge");
    }

    proptest! {
        #[test]
        fn every_gateway_gets_a_valid_name(name in "[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", address in proptest::option::of("[0-9.]{7}")) {
            let made = service(&name, "paifang", address.as_deref());
            prop_assert!(is_label(&made), "{made}");
            let made = label(&name);
            prop_assert!(made.len() <= MAX && made.ends_with(|c: char| c.is_ascii_alphanumeric()), "{made}");
        }
    }
}
