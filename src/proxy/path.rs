//! Paths in one normal form, so that what is matched is what the backend sees.
//!
//! RFC 3986 §6.2.2: percent-encoded unreserved characters are decoded, hexadecimal digits are upper
//! case, dot segments are removed (also when they were encoded). Doubled slashes are merged
//! unless told otherwise. An encoded slash stays encoded (it is data, not a separator) or is refused.

use crate::config::{EncodedSlashes, PathRules};

use super::fail::Fail;

const MALFORMED: Fail = Fail::bad_request("the path is malformed");

/// The normal form of a path, `None` when it is in that form already (the usual case, which
/// allocates nothing).
///
/// # Errors
/// When the path does not begin with a slash, holds a broken or forbidden escape, or climbs above
/// the root.
pub(crate) fn normalise(path: &str, rules: &PathRules) -> Result<Option<Box<str>>, Fail> {
    if !path.starts_with('/') {
        return Err(MALFORMED);
    }
    if is_normal(path.as_bytes(), rules) {
        return Ok(None);
    }
    let decoded = decode(path.as_bytes(), rules)?;
    let clean = remove_dots(&decoded, rules.merge_slashes)?;
    let text = String::from_utf8(clean).map_err(|_| MALFORMED)?;
    Ok((text != path).then(|| text.into_boxed_str()))
}

/// Whether there is nothing to do: no escape, no doubled slash, no segment that begins with a dot.
fn is_normal(path: &[u8], rules: &PathRules) -> bool {
    let mut previous = 0;
    for byte in path {
        match byte {
            b'%' | b'\\' => return false,
            b'/' if previous == b'/' && rules.merge_slashes => return false,
            b'.' if previous == b'/' => return false,
            _ => {}
        }
        previous = *byte;
    }
    true
}

fn decode(path: &[u8], rules: &PathRules) -> Result<Vec<u8>, Fail> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let [high, low, ..] = tail else { return Err(MALFORMED) };
                let value = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low).ok_or(MALFORMED)?;
                push_escape(&mut out, value, rules)?;
                rest = tail.get(2..).unwrap_or_default();
            }
            // some servers read a backslash as a slash: it must not hide a segment from the routes
            b'\\' => out.extend_from_slice(b"%5C"),
            byte => out.push(*byte),
        }
    }
    Ok(out)
}

fn push_escape(out: &mut Vec<u8>, value: u8, rules: &PathRules) -> Result<(), Fail> {
    match value {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(value),
        0 => return Err(MALFORMED),
        b'/' | b'\\' if rules.encoded_slashes == EncodedSlashes::Reject => {
            return Err(Fail::bad_request("encoded slashes are not allowed"));
        }
        value => {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push(b'%');
            out.extend([value >> 4, value & 15].iter().filter_map(|nibble| DIGITS.get(usize::from(*nibble))));
        }
    }
    Ok(())
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 §5.2.4, except that climbing above the root is refused: nobody means it.
fn remove_dots(path: &[u8], merge: bool) -> Result<Vec<u8>, Fail> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" if merge && !last => {}
            b"." if !last => {}
            b"." => out.push(b'/'),
            b".." => {
                let parent = out.iter().rposition(|byte| *byte == b'/').ok_or(MALFORMED)?;
                out.truncate(parent);
                if last {
                    out.push(b'/');
                }
            }
            segment => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(path: &str) -> String {
        let rules = PathRules::default();
        normalise(path, &rules).unwrap().map_or_else(|| path.to_owned(), |path| path.into_string())
    }

    #[test]
    fn paths_come_out_in_one_form() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a//", "/a/"),
            ("/%61%7e", "/a~"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2F..%2Fb", "/a%2F..%2Fb"),
            ("/a\\..\\b", "/a%5C..%5Cb"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/%c3%a4", "/%C3%A4"),
            ("/a;b=c/d", "/a;b=c/d"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    /// Claims and routes are read before any request is.
    #[test]
    fn routes_and_claims_are_spelled_as_requests_are() {
        for path in ["/caf%c3%a9", "/%63heckout", "/a%20b%7e", "/a;b=%3b", "/%25%41"] {
            assert_eq!(crate::ir::one_spelling(path), clean(path), "{path}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for path in ["", "a", "*", "/%", "/%4", "/%zz", "/%00", "/..", "/a/../..", "/a/../../b"] {
            assert!(normalise(path, &PathRules::default()).is_err(), "{path}");
        }
    }

    #[test]
    fn slashes_can_be_kept_or_refused() {
        let keep = PathRules { merge_slashes: false, ..PathRules::default() };
        assert_eq!(normalise("//a//b", &keep).unwrap(), None);
        assert_eq!(normalise("/a//./b", &keep).unwrap().as_deref(), Some("/a//b"));
        let reject = PathRules { encoded_slashes: EncodedSlashes::Reject, ..PathRules::default() };
        assert!(normalise("/a%2Fb", &reject).is_err() && normalise("/a%5cb", &reject).is_err());
    }

    proptest! {
        #[test]
        fn the_normal_form_is_stable_and_has_no_dot_segments(path in "/[a./%2eEfF\\\\]{0,24}") {
            if let Ok(first) = normalise(&path, &PathRules::default()) {
                let first = first.map_or(path, |path| path.into_string());
                prop_assert!(first.split('/').all(|segment| segment != "." && segment != ".."), "{}", first);
                prop_assert!(!first.contains("//"));
                prop_assert_eq!(clean(&first), first);
            }
        }

        #[test]
        fn no_path_panics(path in "\\PC*") {
            let _ = normalise(&path, &PathRules::default());
        }
    }
}
