//! Which host a request is for.

use http::{Version, header};
use pingora::http::RequestHeader;

use super::fail::Fail;

/// Room for a host in lower case: a DNS name or an address in brackets.
pub(crate) type HostBuffer = [u8; 256];

const MALFORMED: Fail = Fail::bad_request("the host is malformed");

/// The host of a request, in lower case, without port and trailing dot; empty only for HTTP/1.0
/// requests that name none.
///
/// HTTP/2 has it in `:authority` and must not contradict itself in `Host` (RFC 9113 §8.3.1);
/// HTTP/1 in `Host`, which Pingora has compared with an absolute-form target already.
///
/// # Errors
/// When there is none, several, or it is no host.
pub(crate) fn host<'a>(request: &'a RequestHeader, buffer: &'a mut HostBuffer) -> Result<&'a str, Fail> {
    let mut fields = request.headers.get_all(header::HOST).iter();
    let field = fields.next().map(http::HeaderValue::as_bytes);
    if fields.next().is_some() {
        return Err(Fail::bad_request("there must be exactly one host"));
    }
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let raw = match (authority, field) {
        (Some(authority), Some(field)) if !authority.eq_ignore_ascii_case(field) => {
            return Err(Fail::bad_request("the host contradicts itself"));
        }
        (Some(authority), _) => authority,
        (None, Some(field)) => field,
        (None, None) if request.version == Version::HTTP_10 => return Ok(""),
        (None, None) => return Err(Fail::bad_request("there must be exactly one host")),
    };
    let name = without_port(raw).ok_or(MALFORMED)?;
    normalise(name, buffer).ok_or(MALFORMED)
}

/// Cuts `:port` off; a port must be digits (it may be empty, RFC 3986 §3.2.3).
fn without_port(raw: &[u8]) -> Option<&[u8]> {
    let end = match raw.first()? {
        b'[' => raw.iter().position(|byte| *byte == b']')? + 1,
        _ => raw.iter().position(|byte| *byte == b':').unwrap_or(raw.len()),
    };
    let (name, port) = raw.split_at(end);
    let port_fits = match port.strip_prefix(b":") {
        Some(digits) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        None => port.is_empty(),
    };
    port_fits.then_some(name)
}

fn normalise<'a>(name: &'a [u8], buffer: &'a mut HostBuffer) -> Option<&'a str> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let in_brackets = name.first() == Some(&b'[');
    let allowed = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => true,
        b'[' | b']' | b':' => in_brackets,
        _ => false,
    };
    let has_empty_label = name.split(|byte| *byte == b'.').any(<[u8]>::is_empty);
    if has_empty_label || name.len() > 253 || !name.iter().all(|byte| allowed(*byte)) {
        return None;
    }
    if !name.iter().any(u8::is_ascii_uppercase) {
        return std::str::from_utf8(name).ok();
    }
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(host: &[u8]) -> Option<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.insert_header(header::HOST, http::HeaderValue::from_bytes(host).ok()?).ok()?;
        let mut buffer = [0; 256];
        super::host(&request, &mut buffer).ok().map(str::to_owned)
    }

    #[test]
    fn case_port_and_trailing_dot_do_not_matter() {
        for host in [
            "www.example.com",
            "WWW.Example.com",
            "www.example.com:8080",
            "www.example.com.",
            "www.example.com.:80",
            "www.example.com:",
        ] {
            assert_eq!(look(host.as_bytes()).as_deref(), Some("www.example.com"), "{host}");
        }
        assert_eq!(look(b"[::1]:80").as_deref(), Some("[::1]"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "a b",
            "user@host",
            "a:b",
            "a:80:80",
            "a/b",
            "a,b",
            ":80",
            ".",
            "a..",
            "a..b",
            ".a",
            "[::1",
            "[::1]x",
            "a\u{e4}.com",
            "a:123456",
        ] {
            assert_eq!(look(host.as_bytes()), None, "{host}");
        }
    }

    #[test]
    fn an_authority_that_contradicts_the_host_is_refused() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_uri("http://a.example.com/".parse().unwrap());
        request.insert_header(header::HOST, "b.example.com").unwrap();
        assert!(super::host(&request, &mut [0; 256]).is_err());
    }

    proptest! {
        #[test]
        fn no_host_panics_and_what_is_accepted_is_lower_case(host in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(host) = look(&host) {
                prop_assert!(!host.is_empty() && !host.bytes().any(|byte| byte.is_ascii_uppercase()));
            }
        }
    }
}
