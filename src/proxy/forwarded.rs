//! What an edge says about the client: `X-Forwarded-*`, `X-Real-IP`, `X-Request-ID`, `Via`.
//!
//! What a client says about itself is not believed: the fields are replaced, unless the peer is a
//! proxy that the settings trust.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use ipnet::IpNet;
use memchr::memchr;
use pingora::http::RequestHeader;

use super::context::Context;
use crate::config::Forwarded;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// The client's address: the peer, or what trusted proxies say, read from the right up to the first
/// address that is not trusted.
pub(super) fn client(request: &RequestHeader, peer: Option<SocketAddr>, rules: &Forwarded) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    if !trusts(&rules.trusted_proxies, peer) {
        return peer;
    }
    let mut client = peer;
    let fields = request.headers.get_all(X_FORWARDED_FOR).iter().rev();
    for entry in fields.filter_map(|field| field.to_str().ok()).flat_map(|field| field.rsplit(',')) {
        let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !trusts(&rules.trusted_proxies, client) {
            break;
        }
    }
    client
}

fn trusts(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// The request's identity: the client's own if it is believed, else a new one.
#[derive(Debug, Clone)]
pub(crate) enum RequestId {
    /// The client's.
    Own(HeaderValue),
    /// Ours: 128 bits in hexadecimal.
    New([u8; 32]),
}

impl RequestId {
    pub(super) fn of(request: &RequestHeader, rules: &Forwarded) -> Self {
        let own = request.headers.get(X_REQUEST_ID).filter(|_| rules.request_id.trust_client);
        let usable =
            |id: &&HeaderValue| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
        own.filter(usable).cloned().map_or_else(|| Self::New(new_id()), Self::Own)
    }

    /// As a header value.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        match self {
            Self::Own(value) => Some(value.clone()),
            Self::New(text) => HeaderValue::from_bytes(text).ok(),
        }
    }
}

/// Unique among threads and processes: two streams of SplitMix64, begun at random on each thread.
fn new_id() -> [u8; 32] {
    thread_local! {
        static STATE: Cell<[u64; 2]> = Cell::new([0, 1].map(|n: u64| RandomState::new().hash_one(n)));
    }
    let next = STATE.get().map(|state| state.wrapping_add(0x9E37_79B9_7F4A_7C15));
    STATE.set(next);
    let [high, low] = next.map(|state| {
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    });
    let value = u128::from(high) << 64 | u128::from(low);
    std::array::from_fn(|place| match (value >> (4 * place)) as u8 & 15 {
        digit @ 0..=9 => b'0' + digit,
        digit => b'a' + digit - 10,
    })
}

/// Writes the fields on the way to a backend.
pub(super) fn write(
    headers: &mut HeaderMap,
    received: &RequestHeader,
    ctx: &Context,
    peer: Option<SocketAddr>,
    rules: &Forwarded,
) {
    remove_imitations(headers);
    headers.reserve(8);
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let trusted = trusts(&rules.trusted_proxies, peer);
    if trusted {
        headers.append(X_FORWARDED_FOR, address(peer));
    } else {
        headers.insert(X_FORWARDED_FOR, address(peer));
        headers.remove(FORWARDED);
    }
    let mut keep_or_set = |name: HeaderName, value: Option<HeaderValue>| {
        if trusted && headers.contains_key(&name) {
            return;
        }
        match value {
            Some(value) => headers.insert(name, value),
            None => headers.remove(name),
        };
    };
    keep_or_set(X_FORWARDED_PROTO, Some(HeaderValue::from_static(if ctx.tls { "https" } else { "http" })));
    let host = match received.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => received.headers.get(header::HOST).cloned(),
    };
    keep_or_set(X_FORWARDED_HOST, host);
    keep_or_set(X_FORWARDED_PORT, ctx.listener.as_ref().map(|listener| listener.port_text.clone()));
    headers.insert(X_REAL_IP, address(ctx.client));
    if let Some(id) = ctx.request_id.as_ref().and_then(RequestId::value) {
        headers.insert(X_REQUEST_ID, id);
    }
    // RFC 9110 §7.6.3: a gateway must add itself on the way in
    headers.append(header::VIA, via(received.version));
}

/// CGI-like backends read `X_Real_IP` as `X-Real-IP`: what only underscores tell apart from a field
/// written here must not reach them. And they take `Proxy` for a setting (httpoxy).
fn remove_imitations(headers: &mut HeaderMap) {
    const OWN: [HeaderName; 6] =
        [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT, X_REAL_IP, X_REQUEST_ID];
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let imitates = |name: &&HeaderName| {
        let name = name.as_str().as_bytes();
        let like = |own: &HeaderName| own.as_str().bytes().eq(name.iter().map(|byte| plain(*byte)));
        name == b"proxy" || memchr(b'_', name).is_some() && OWN.iter().any(like)
    };
    while let Some(name) = headers.keys().find(imitates).cloned() {
        headers.remove(name);
    }
}

const fn via(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_2 => "2.0 paifang",
        Version::HTTP_10 => "1.0 paifang",
        _ => "1.1 paifang",
    })
}

/// An address as a field value. The standard formatting costs more than the rest of a field.
fn address(address: IpAddr) -> HeaderValue {
    let mut text = [0_u8; 46];
    let length = match address {
        IpAddr::V4(address) => write_v4(address.octets(), &mut text),
        IpAddr::V6(address) => {
            use std::io::Write as _;
            let mut rest = text.as_mut_slice();
            let _ = write!(rest, "{address}");
            46 - rest.len()
        }
    };
    let text = text.get(..length).unwrap_or_default();
    // digits, dots and colons: always a value
    HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static(""))
}

fn write_v4(octets: [u8; 4], text: &mut [u8; 46]) -> usize {
    let mut length = 0;
    let mut push = |byte| {
        if let Some(place) = text.get_mut(length) {
            *place = byte;
            length += 1;
        }
    };
    for (n, octet) in octets.into_iter().enumerate() {
        if n > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(trusted: &[&str]) -> Forwarded {
        Forwarded { trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(), ..Forwarded::default() }
    }

    fn with_forwarded_for(values: &[&str]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for value in values {
            request.append_header(X_FORWARDED_FOR, *value).unwrap();
        }
        request
    }

    #[test]
    fn a_client_is_not_believed_what_it_says_about_itself() {
        let peer: SocketAddr = "192.0.2.1:5".parse().unwrap();
        let request = with_forwarded_for(&["10.9.9.9"]);
        assert_eq!(client(&request, Some(peer), &rules(&[])), peer.ip());
        assert_eq!(client(&request, Some(peer), &rules(&["10.0.0.0/8"])), peer.ip());
    }

    #[test]
    fn behind_trusted_proxies_the_last_untrusted_address_is_the_client() {
        let peer = Some("10.0.0.1:5".parse().unwrap());
        let trusted = rules(&["10.0.0.0/8"]);
        let seen = |values: &[&str]| client(&with_forwarded_for(values), peer, &trusted).to_string();
        assert_eq!(seen(&["6.6.6.6, 192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(seen(&["6.6.6.6", "192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(seen(&["10.0.0.3"]), "10.0.0.3");
        assert_eq!(seen(&["nonsense"]), "10.0.0.1");
        assert_eq!(seen(&[]), "10.0.0.1");
    }

    #[test]
    fn request_ids_differ_and_a_clients_own_is_kept_only_if_trusted() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.insert_header(X_REQUEST_ID, "mine").unwrap();
        let id = |rules: &Forwarded| RequestId::of(&request, rules).value().unwrap();
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| id(&rules(&[])).as_bytes().to_vec()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
        let mut trusting = rules(&[]);
        trusting.request_id.trust_client = true;
        assert_eq!(id(&trusting), "mine");
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for text in ["0.0.0.0", "127.0.0.1", "10.20.30.40", "255.255.255.255", "192.168.100.9", "::1", "2001:db8::1"] {
            assert_eq!(address(text.parse().unwrap()), text);
        }
    }
}
