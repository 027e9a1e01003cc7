//! Paths as requests are matched by.

/// A path in the spelling that requests have when they are matched: escapes of unreserved characters are
/// undone, all others are in upper case (RFC 3986 §6.2.2). What is no escape stays: no request has it.
#[must_use]
pub fn one_spelling(path: &str) -> String {
    let mut parts = path.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((byte, rest)) = escape(part) else {
            out.push('%');
            out.push_str(part);
            continue;
        };
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
        out.push_str(rest);
    }
    out
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escape(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use super::one_spelling;

    #[test]
    fn paths_have_one_spelling() {
        for (written, expected) in [
            ("/checkout", "/checkout"),
            ("/%63heckout", "/checkout"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b%7e", "/a%20b~"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%+f%zz", "/%+f%zz"),
            ("", ""),
        ] {
            assert_eq!(one_spelling(written), expected, "{written}");
        }
    }
}
