//! A first look at the raw head of an HTTP/1 request, before Pingora parses it.
//!
//! Strict where parsers differ (RFC 9112 §2–7): what two parsers could read differently is refused
//! here, so that neither Pingora nor a backend ever has to guess. It also finds where the request
//! ends, so that the next one on the connection is not handed out with it.

use memchr::{memchr, memchr_iter, memchr2};

use crate::config::Downstream;
use crate::telemetry::Reason;

/// What the first look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// More bytes are needed.
    Partial,
    /// An acceptable head of this many bytes.
    Complete {
        /// Length of the head, including the empty line.
        length: usize,
        /// How the body is framed.
        body: Body,
    },
    /// Not acceptable; nothing after it can be trusted.
    Refused(Refusal),
}

/// How a request body is framed (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes, perhaps none.
    Length(u64),
    /// Chunked, or the connection changes its protocol.
    Open,
}

/// Why a head is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Status to answer.
    pub(crate) status: u16,
    /// For metrics and logs.
    pub(crate) reason: Reason,
    /// For the client.
    pub(crate) message: &'static str,
}

const fn bad(message: &'static str) -> Refusal {
    Refusal { status: 400, reason: Reason::BadRequest, message }
}

/// Looks at the bytes read so far. `searched` is how many of them were looked at before, so that a
/// slow client does not make the search quadratic.
pub(crate) fn inspect(bytes: &[u8], searched: usize, limits: &Downstream) -> Head {
    let most = limits.max_header_bytes;
    match end_of_head(bytes, searched) {
        Some(length) if length > most => Head::Refused(too_large(bytes, limits)),
        Some(length) => match check(bytes.get(..length).unwrap_or_default(), limits) {
            Ok(body) => Head::Complete { length, body },
            Err(refusal) => Head::Refused(refusal),
        },
        None if bytes.len() > most => Head::Refused(too_large(bytes, limits)),
        None => Head::Partial,
    }
}

/// Position after the empty line. A bare LF ends the head too, so that it is refused at once
/// instead of waiting for more.
fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    if bytes.starts_with(b"\n") || bytes.starts_with(b"\r\n") {
        return Some(1);
    }
    let start = searched.saturating_sub(3);
    let tail = bytes.get(start..)?;
    memchr_iter(b'\n', tail).find_map(|newline| match tail.get(newline + 1..)? {
        [b'\n', ..] => Some(start + newline + 2),
        [b'\r', b'\n', ..] => Some(start + newline + 3),
        _ => None,
    })
}

fn too_large(bytes: &[u8], limits: &Downstream) -> Refusal {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    if line > limits.max_uri_bytes {
        Refusal { status: 414, reason: Reason::UriTooLong, message: "the request target is too long" }
    } else {
        Refusal { status: 431, reason: Reason::HeaderTooLarge, message: "the request header is too large" }
    }
}

fn check(head: &[u8], limits: &Downstream) -> Result<Body, Refusal> {
    let mut lines = Lines(head);
    let line = lines.next().and_then(|line| line.strip_suffix(b"\r")).ok_or(bad("lines must end in CR LF"))?;
    let version = request_line(line, limits)?;
    let mut fields = Fields::default();
    let mut count = 0;
    for line in lines {
        // the empty line ends the loop before the empty rest behind it
        let line = line.strip_suffix(b"\r").ok_or(bad("lines must end in CR LF"))?;
        if line.is_empty() {
            break;
        }
        count += 1;
        if count > limits.max_headers {
            let message = "the request has too many header fields";
            return Err(Refusal { status: 431, reason: Reason::HeaderTooLarge, message });
        }
        fields.read(line)?;
    }
    fields.framing(version)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3).
fn request_line(line: &[u8], limits: &Downstream) -> Result<Version, Refusal> {
    let malformed = bad("the request line is malformed");
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed);
    };
    check_method(method)?;
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(malformed),
    };
    // origin or absolute form (RFC 9112 §3.2); anything else would be matched as one thing and sent as another
    let form = target.starts_with(b"/") || target.starts_with(b"http://") || target.starts_with(b"https://");
    if !form || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(malformed);
    }
    if target.len() > limits.max_uri_bytes {
        let message = "the request target is too long";
        return Err(Refusal { status: 414, reason: Reason::UriTooLong, message });
    }
    Ok(version)
}

/// Methods are case-sensitive (RFC 9110 §9.1): whatever is not upper case is nothing a backend
/// implements. `CONNECT` and `TRACE` have no place at a reverse proxy.
pub(crate) fn check_method(method: &[u8]) -> Result<(), Refusal> {
    let refuse = |status, message| Err(Refusal { status, reason: Reason::MethodNotAllowed, message });
    if method == b"CONNECT" || method == b"TRACE" {
        return refuse(405, "the method is not allowed");
    }
    let fits = (1..=32).contains(&method.len()) && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    if fits { Ok(()) } else { refuse(501, "the method is not implemented") }
}

/// Lines without their LF; what follows the last one is not a line.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.0.split_at_checked(memchr(b'\n', self.0)?)?;
        self.0 = rest.get(1..)?;
        Some(line)
    }
}

/// The fields that decide where a request goes and where it ends.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Fields {
    fn read(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(bad("folded header fields are not allowed"));
        }
        if memchr2(b'\r', 0, line).is_some() {
            return Err(bad("a header field holds a forbidden character"));
        }
        let colon = memchr(b':', line).ok_or(bad("a header field has no colon"))?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(bad("a header field name is malformed"));
        }
        // the first letter tells most fields apart before anything is compared
        match name.first() {
            Some(b'h' | b'H') if name.eq_ignore_ascii_case(b"host") => self.host(value),
            Some(b'c' | b'C') if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            Some(b't' | b'T') if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            Some(b'u' | b'U') if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.hosts += 1;
        if self.hosts > 1 || value.is_empty() {
            return Err(bad("there must be exactly one Host"));
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let malformed = bad("Content-Length is malformed");
        let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        if self.length.is_some() || !digits {
            return Err(malformed);
        }
        let text = std::str::from_utf8(value).map_err(|_| malformed)?;
        self.length = Some(text.parse().map_err(|_| malformed)?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(bad("there must be one Transfer-Encoding"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            let message = "only the chunked transfer coding is implemented";
            return Err(Refusal { status: 501, reason: Reason::BadRequest, message });
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Body, Refusal> {
        if self.hosts == 0 && version == Version::Http11 {
            return Err(bad("there must be exactly one Host"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(bad("Content-Length and Transfer-Encoding exclude each other")),
            (true, None) if version == Version::Http10 => Err(bad("HTTP/1.0 has no Transfer-Encoding")),
            (true, None) => Ok(Body::Open),
            (false, _) if self.upgrade => Ok(Body::Open),
            (false, length) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

/// `tchar` of RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(text: &str) -> Head {
        inspect(text.as_bytes(), 0, &Downstream::default())
    }

    fn status(text: &str) -> u16 {
        match look(text) {
            Head::Refused(refusal) => refusal.status,
            Head::Complete { .. } => 200,
            Head::Partial => 0,
        }
    }

    #[test]
    fn a_plain_request_is_complete_with_its_body_length() {
        let text = "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(look(text), Head::Complete { length: text.len() - 3, body: Body::Length(3) });
        assert_eq!(look("GET / HTTP/1.0\r\n\r\n"), Head::Complete { length: 18, body: Body::Length(0) });
        assert_eq!(look("GET / HTTP/1.1\r\nHost: t\r\n"), Head::Partial);
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: t\r\n{fields}\r\n");
        for (fields, expected) in [
            ("Content-Length: 3\r\nContent-Length: 3\r\n", 400),
            ("Content-Length: 3, 3\r\n", 400),
            ("Content-Length: +3\r\n", 400),
            ("Content-Length:\r\n", 400),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: xchunked\r\n", 501),
            ("Transfer-Encoding: gzip, chunked\r\n", 501),
            ("Transfer-Encoding: chunked, identity\r\n", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding : chunked\r\n", 400),
            ("Host: u\r\n", 400),
            ("X: a\r\n b\r\n", 400),
            ("X: a\nY: b\r\n", 400),
            ("X: a\rb\r\n", 400),
            ("X: a\0b\r\n", 400),
            ("X\r\n", 400),
            (": a\r\n", 400),
            ("Transfer-Encoding: Chunked\r\n", 200),
        ] {
            assert_eq!(status(&head(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn request_lines_are_strict() {
        for (line, expected) in [
            ("GET / HTTP/1.1", 200),
            ("GET  / HTTP/1.1", 400),
            ("GET /a b HTTP/1.1", 400),
            ("GET / HTTP/1.2", 400),
            ("GET / HTTP/2.0", 400),
            ("GET /", 400),
            (" GET / HTTP/1.1", 400),
            ("GET\t/ HTTP/1.1", 400),
            ("GET admin HTTP/1.1", 400),
            ("OPTIONS * HTTP/1.1", 400),
            ("GET http://t/ HTTP/1.1", 200),
            ("TRACE / HTTP/1.1", 405),
            ("CONNECT t:443 HTTP/1.1", 405),
            ("get / HTTP/1.1", 501),
            ("PROPFIND / HTTP/1.1", 200),
        ] {
            assert_eq!(status(&format!("{line}\r\nHost: t\r\n\r\n")), expected, "{line:?}");
        }
    }

    #[test]
    fn an_http_1_1_request_needs_exactly_one_host() {
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
    }

    #[test]
    fn a_bare_line_feed_is_refused_at_once() {
        assert_eq!(status("GET / HTTP/1.1\nHost: t\n\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: t\r\n\n"), 400);
        assert_eq!(status("\r\n"), 400);
        assert_eq!(status("\n"), 400);
    }

    #[test]
    fn limits_are_kept() {
        let long = "a".repeat(20_000);
        assert_eq!(status(&format!("GET /{long} HTTP/1.1\r\nHost: t\r\n\r\n")), 414);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "a".repeat(70_000))), 431);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: t\r\nX: {}", "a".repeat(70_000))), 431);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: t\r\n{}\r\n", "X: y\r\n".repeat(100))), 431);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_looking_in_parts_sees_the_same(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), any::<u8>()], 0..400), cut in 0_usize..400) {
            let limits = Downstream::default();
            let cut = cut.min(bytes.len());
            let whole = inspect(&bytes, 0, &limits);
            match inspect(&bytes[..cut], 0, &limits) {
                Head::Partial => prop_assert_eq!(inspect(&bytes, cut, &limits), whole),
                early => prop_assert_eq!(inspect(&bytes[..cut], 0, &limits), early),
            }
        }
    }
}
