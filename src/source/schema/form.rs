//! Forms of text: the patterns of the schemas, written as small readers.

use std::net::IpAddr;

use crate::api::duration;

/// A form that text must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Form {
    /// Any text.
    Any,
    /// RFC 1123 label: lower-case letters, digits, `-`.
    Label,
    /// RFC 1123 subdomain: labels joined by dots.
    Subdomain,
    /// A subdomain, or empty for the core group.
    Group,
    /// A kind: letters, digits, `-`.
    Kind,
    /// A subdomain, with or without `*.` before it.
    Hostname,
    /// RFC 9110 token.
    HeaderName,
    /// Visible ASCII with single blanks inside.
    HeaderValue,
    /// GEP-2257 duration.
    Duration,
    /// `*`, or an origin with an optional wildcard.
    Origin,
    /// `domain/path`.
    DomainPath,
    /// A protocol word, or `domain/Word`.
    Protocol,
    /// `System`, or `domain/name`.
    WellKnown,
    /// An URI with a scheme.
    Uri,
    /// A path as requests have it after normalisation.
    Path,
    /// A duration in hours, minutes and seconds.
    Period,
    /// An IP network with the length of its prefix.
    Network,
    /// A media type, with or without parameters.
    MediaType,
    /// Key of a label.
    LabelKey,
    /// Value of a label.
    LabelValue,
    /// RFC 3339 date and time.
    Time,
}

impl Form {
    /// Whether the text has this form.
    pub(in crate::source) fn holds(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Label => is_label(text),
            Self::Subdomain => is_subdomain(text),
            Self::Group => text.is_empty() || is_subdomain(text),
            Self::Kind => text.starts_with(|c: char| c.is_ascii_alphabetic()) && is_word(text),
            Self::Hostname => is_subdomain(text.strip_prefix("*.").unwrap_or(text)),
            Self::HeaderName => !text.is_empty() && text.bytes().all(is_token_byte),
            Self::HeaderValue => is_header_value(text),
            Self::Duration => duration::parse(text).is_ok(),
            Self::Origin => is_origin(text),
            Self::DomainPath => {
                text.split_once('/').is_some_and(|(domain, path)| is_subdomain(domain) && is_path(path))
            }
            Self::Protocol => match text.split_once('/') {
                Some((domain, word)) => {
                    is_subdomain(domain) && !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric())
                }
                None => is_word(text),
            },
            Self::WellKnown => text == "System" || text.split_once('/').is_some_and(|(domain, _)| is_subdomain(domain)),
            Self::Uri => {
                text.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(['/', '?', '#']))
            }
            Self::Path => is_clean_path(text),
            Self::Period => duration::parse(text).is_ok() && !text.contains("ms") && parts(text) <= 3,
            Self::Network => is_network(text),
            Self::MediaType => is_media_type(text),
            Self::LabelKey => match text.split_once('/') {
                Some((domain, name)) => is_subdomain(domain) && is_label_name(name),
                None => is_label_name(text),
            },
            Self::LabelValue => text.is_empty() || is_label_name(text),
            Self::Time => text.parse::<jiff::Timestamp>().is_ok() && text.contains(['T', 't']),
        }
    }

    /// The form in words, to follow "must be".
    pub(in crate::source) const fn words(self) -> &'static str {
        match self {
            Self::Any => "text",
            Self::Label => "lower-case letters, digits and '-', such as 'shop-1'",
            Self::Subdomain => "lower-case letters, digits, '-' and '.', such as 'shop.v1'",
            Self::Group => "an API group such as 'gateway.networking.k8s.io', or '' for the core group",
            Self::Kind => "a kind such as 'Service'",
            Self::Hostname => "a lower-case hostname such as 'shop.example.com' or '*.example.com', without port",
            Self::HeaderName => "a header name: letters, digits and any of !#$%&'*+-.^_`|~",
            Self::HeaderValue => "visible ASCII characters, with single blanks between them",
            Self::Duration => "a duration such as '10s' or '1m30s'",
            Self::Origin => "'*' or an origin such as 'https://shop.example.com' or 'https://*.example.com'",
            Self::DomainPath => "a domain and a path, such as 'paifang.dev/gateway-controller'",
            Self::Protocol => "a protocol such as 'HTTPS' or 'example.com/Custom'",
            Self::WellKnown => "'System' or a domain and a name",
            Self::Uri => "a URI such as 'spiffe://example.com/shop'",
            Self::Path => {
                "a path such as '/checkout': begun with '/', without '//', '.' or '..' segments, '%2F', '%2E', '?' and '#'"
            }
            Self::Period => "a duration in whole seconds, such as '1s', '1m' or '1h30m'",
            Self::Network => "a network such as '10.0.0.0/8' or '2001:db8::/32'",
            Self::MediaType => "a media type such as 'text/plain; charset=utf-8'",
            Self::LabelKey => "a label's key such as 'team' or 'example.com/team'",
            Self::LabelValue => "a label's value: letters, digits, '-', '_' and '.'",
            Self::Time => "a time such as '2027-01-31T18:00:00Z'",
        }
    }
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_word(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_header_value(text: &str) -> bool {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| first.is_ascii_graphic() && last.is_ascii_graphic())
        && bytes.iter().all(|byte| byte.is_ascii_graphic() || blank(*byte))
        && !bytes.windows(2).any(|pair| pair.iter().all(|byte| blank(*byte)))
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte))
}

/// Each segment holds more than dots, but for the last, which may be empty.
fn is_clean_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) || !is_segment(segment) {
            return false;
        }
    }
    true
}

/// RFC 3986 §3.3: `pchar`, without a slash or dot in percent-encoding.
fn is_segment(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let holds = match byte {
            b'%' => match (bytes.next(), bytes.next()) {
                (Some(b'2'), Some(low)) => low.is_ascii_hexdigit() && !b"eEfF".contains(&low),
                (Some(high), Some(low)) => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
                _ => false,
            },
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte),
        };
        if !holds {
            return false;
        }
    }
    true
}

fn parts(duration: &str) -> usize {
    duration.bytes().filter(u8::is_ascii_alphabetic).count()
}

fn is_network(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    is_number && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
}

fn is_media_type(text: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let pair = |text: &str, by: char| text.split_once(by).is_some_and(|(front, back)| word(front) && word(back));
    let mut parts = text.split(';');
    let kind = parts.next().unwrap_or_default();
    let last = text.split(';').count() - 1;
    pair(if last > 0 { kind.trim_end_matches(' ') } else { kind }, '/')
        && parts.enumerate().all(|(index, parameter)| {
            let parameter = parameter.trim_start_matches(' ');
            pair(if index + 1 < last { parameter.trim_end_matches(' ') } else { parameter }, '=')
        })
}

fn is_label_name(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && text.bytes().all(inside)
}

fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let port_holds =
        port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()));
    let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    port_holds && (host == "*" || host.strip_prefix("*.").unwrap_or(host).split('.').all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_what_it_should_and_nothing_else() {
        for (form, good, bad) in [
            (Form::Label, &["a", "a-1"][..], &["", "-a", "a-", "A", "a.b", "ä"][..]),
            (Form::Subdomain, &["a.b", "a"], &["a..b", ".a", "a.", "*.a"]),
            (Form::Group, &["", "example.com"], &["Example"]),
            (Form::Kind, &["Service", "X1"], &["1X", "a.b", ""]),
            (Form::Hostname, &["*.example.com", "example.com"], &["*", "a.*.b", "Example.com", "a:80"]),
            (Form::HeaderName, &["X-Team", "_x"], &["", "a b", "a:"]),
            (Form::HeaderValue, &["a", "a b", "a\tb"], &["", " a", "a ", "a  b", "ä"]),
            (Form::Duration, &["10s", "1m30s"], &["10", "1.5s"]),
            (Form::Origin, &["*", "https://a.b", "http://*.a.b:80", "https://*"], &["a.b", "https://a/", "ftp://a"]),
            (Form::DomainPath, &["paifang.dev/gateway-controller"], &["paifang.dev", "paifang.dev/", "A/b"]),
            (Form::Protocol, &["HTTP", "example.com/Own"], &["", "HTTP/", "a b"]),
            (Form::Uri, &["spiffe://a/b"], &["a/b", ":x"]),
        ] {
            for text in good {
                assert!(form.holds(text), "{form:?} takes '{text}'");
            }
            for text in bad {
                assert!(!form.holds(text), "{form:?} refuses '{text}'");
            }
        }
    }
}
