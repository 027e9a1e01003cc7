//! What an edge says about the client: `X-Forwarded-*`, `X-Real-IP`, `X-Request-ID`, `Via`.
//!
//! What a client says about itself is not believed: the fields are replaced, unless the peer is a
//! proxy that the settings trust.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderName, HeaderValue, Version, header};
use ipnet::IpNet;
use pingora::Result;
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
const PROXY: HeaderName = HeaderName::from_static("proxy");

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
pub(super) fn request_id(request: &RequestHeader, rules: &Forwarded) -> Option<HeaderValue> {
    let own = request.headers.get(X_REQUEST_ID).filter(|_| rules.request_id.trust_client);
    let usable = |id: &&HeaderValue| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    own.filter(usable).cloned().or_else(new_id)
}

/// 128 bits in hexadecimal, from a counter run through a keyed hash: unique, and not to be guessed
/// from its neighbours.
fn new_id() -> Option<HeaderValue> {
    thread_local! {
        static STATE: RefCell<(RandomState, u64)> = RefCell::new((RandomState::new(), 0));
    }
    let halves = STATE.with_borrow_mut(|(keys, count)| {
        *count += 1;
        [0_u8, 1].map(|half| {
            let mut hasher = keys.build_hasher();
            hasher.write_u64(*count);
            hasher.write_u8(half);
            hasher.finish()
        })
    });
    let mut text = [0_u8; 32];
    for (place, nibble) in text.iter_mut().zip(0..32_u32) {
        let half = halves.get(nibble as usize / 16).copied().unwrap_or_default();
        let value = half >> (4 * (nibble % 16)) & 15;
        *place = b"0123456789abcdef".get(value as usize).copied().unwrap_or(b'0');
    }
    HeaderValue::from_bytes(&text).ok()
}

/// Writes the fields on the way to a backend.
pub(super) fn write(
    request: &mut RequestHeader,
    received: &RequestHeader,
    ctx: &Context,
    peer: Option<SocketAddr>,
    rules: &Forwarded,
) -> Result<()> {
    let trusted = peer.is_some_and(|peer| trusts(&rules.trusted_proxies, peer.ip().to_canonical()));
    let peer_text = address(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical()))?;
    if trusted {
        request.append_header(X_FORWARDED_FOR, peer_text)?;
    } else {
        request.insert_header(X_FORWARDED_FOR, peer_text)?;
        request.remove_header(&FORWARDED);
    }
    let scheme = HeaderValue::from_static(if ctx.tls { "https" } else { "http" });
    keep_or_set(request, X_FORWARDED_PROTO, Some(scheme), trusted)?;
    let host = match received.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => received.headers.get(header::HOST).cloned(),
    };
    keep_or_set(request, X_FORWARDED_HOST, host, trusted)?;
    let port = ctx.listener.as_ref().map(|listener| HeaderValue::from(listener.port));
    keep_or_set(request, X_FORWARDED_PORT, port, trusted)?;
    request.insert_header(X_REAL_IP, address(ctx.client)?)?;
    // CGI-like backends take it for a setting (httpoxy)
    request.remove_header(&PROXY);
    remove_imitations(request);
    if let Some(id) = &ctx.request_id {
        request.insert_header(X_REQUEST_ID, id.clone())?;
    }
    via(request, received.version)
}

/// CGI-like backends read `X_Real_IP` as `X-Real-IP`: what only underscores tell apart from a field
/// written here must not reach them.
fn remove_imitations(request: &mut RequestHeader) {
    const OWN: [HeaderName; 6] =
        [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT, X_REAL_IP, X_REQUEST_ID];
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let imitates = |name: &&HeaderName| {
        let name = name.as_str().as_bytes();
        name.contains(&b'_') && OWN.iter().any(|own| own.as_str().bytes().eq(name.iter().map(|byte| plain(*byte))))
    };
    while let Some(name) = request.headers.keys().find(imitates).cloned() {
        request.remove_header(&name);
    }
}

fn keep_or_set(request: &mut RequestHeader, name: HeaderName, value: Option<HeaderValue>, trusted: bool) -> Result<()> {
    if trusted && request.headers.contains_key(&name) {
        return Ok(());
    }
    match value {
        Some(value) => request.insert_header(name, value),
        None => {
            request.remove_header(&name);
            Ok(())
        }
    }
}

/// RFC 9110 §7.6.3: a gateway must add itself on the way in.
fn via(request: &mut RequestHeader, received: Version) -> Result<()> {
    let own = HeaderValue::from_static(match received {
        Version::HTTP_2 => "2.0 paifang",
        Version::HTTP_10 => "1.0 paifang",
        _ => "1.1 paifang",
    });
    request.append_header(header::VIA, own).map(|_| ())
}

fn address(address: IpAddr) -> Result<HeaderValue> {
    use std::io::Write as _;
    let mut text = [0_u8; 46];
    let mut rest = text.as_mut_slice();
    let _ = write!(rest, "{address}");
    let left = rest.len();
    HeaderValue::from_bytes(text.get(..46 - left).unwrap_or_default())
        .map_err(|error| pingora::Error::because(pingora::ErrorType::InternalError, "address as header", error))
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
        let ids: std::collections::BTreeSet<_> =
            (0..1000).map(|_| request_id(&request, &rules(&[])).unwrap().as_bytes().to_vec()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
        let mut trusting = rules(&[]);
        trusting.request_id.trust_client = true;
        assert_eq!(request_id(&request, &trusting).unwrap(), "mine");
    }
}
