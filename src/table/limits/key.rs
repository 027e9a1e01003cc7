//! What tells the requests of a limit apart: values of the request, in one piece.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use smallvec::SmallVec;

use super::compiled::Asked;
use super::token::{Tokens, Verifier, Verifiers};
use crate::ir::limit::KeyPart;
use crate::limit::Clock;
use crate::table::{Query, query};

/// The values of a request, for which nothing is allocated unless they are long.
pub(super) type Values = SmallVec<[u8; 512]>;

/// A part that each request has its own value of.
#[derive(Debug)]
pub(super) enum Part {
    ClientIp,
    Header(HeaderName),
    Cookie(Arc<str>),
    Query(Arc<str>),
    Claim { name: Arc<str>, verifier: Arc<Verifier> },
    Method,
    Path,
}

impl Part {
    /// `None` for what a rule decides.
    pub(super) fn new(part: &KeyPart, verifiers: &Verifiers, clock: &Clock) -> Option<Self> {
        Some(match part {
            KeyPart::ClientIp => Self::ClientIp,
            KeyPart::Header(name) => Self::Header(name.clone()),
            KeyPart::Cookie(name) => Self::Cookie(Arc::clone(name)),
            KeyPart::Query(name) => Self::Query(Arc::clone(name)),
            KeyPart::JwtClaim { name, tokens } => {
                Self::Claim { name: Arc::clone(name), verifier: verifiers.of(tokens, clock) }
            }
            KeyPart::Method => Self::Method,
            KeyPart::Path => Self::Path,
            KeyPart::Tenant | KeyPart::Namespace | KeyPart::Route => return None,
        })
    }

    /// Who verifies the token that it is a claim of.
    pub(super) fn verifier(&self) -> Option<&Arc<Verifier>> {
        match self {
            Self::Claim { verifier, .. } => Some(verifier),
            _ => None,
        }
    }

    /// Appends the value; says whether there is one.
    fn write(&self, asked: &Asked<'_>, out: &mut Values) -> bool {
        match self {
            Self::ClientIp => client(asked.client, out),
            Self::Header(name) => return header(asked.query.headers, name, out),
            Self::Cookie(name) => match cookie(asked.query.headers, name.as_bytes()) {
                Some(value) => out.extend_from_slice(value),
                None => return false,
            },
            Self::Query(name) => match query::find(asked.query.query.unwrap_or_default(), name) {
                Some(value) => out.extend(query::Decoded(value.as_bytes())),
                None => return false,
            },
            Self::Claim { name, verifier } => {
                let claims = asked.tokens.claims(verifier, asked.query.headers);
                match claims.and_then(|claims| claims.value(name)) {
                    Some(value) => out.extend_from_slice(value),
                    None => return false,
                }
            }
            Self::Method => out.extend_from_slice(asked.query.method.as_bytes()),
            Self::Path => out.extend_from_slice(asked.query.path.as_bytes()),
        }
        true
    }
}

/// The values of a request. None is another than one that is empty, and neighbours do not run into each other.
pub(super) fn values(parts: &[Part], asked: &Asked<'_>) -> Values {
    let mut out = Values::new();
    for part in parts {
        let before = out.len();
        let present = part.write(asked, &mut out);
        let length = (out.len() - before) as u64;
        // behind the value, where its length is known
        out.extend_from_slice(&length.to_be_bytes());
        out.push(u8::from(present));
    }
    out
}

/// An IPv6 client has at least a /64 to choose addresses from.
fn client(address: IpAddr, out: &mut Values) {
    match address.to_canonical() {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            out.extend_from_slice(&[a, b, c, d, e, f, g, h]);
        }
    }
}

/// Whom a client counts with: itself alone, or its /64.
#[must_use]
pub fn network(client: IpAddr) -> IpNet {
    match client.to_canonical() {
        address @ IpAddr::V6(_) => IpNet::new(address, 64).map_or_else(|_| address.into(), |net| net.trunc()),
        address => address.into(),
    }
}

/// What a request has of a part, besides its client; `None` if that is nothing.
#[must_use]
pub fn value(part: &KeyPart, query: Query<'_>) -> Option<Vec<u8>> {
    let part = Part::new(part, &Verifiers::default(), &Clock::start());
    let part = part.filter(|part| !matches!(part, Part::ClientIp))?;
    let mut out = Values::new();
    // nobody's: no part that is left looks at it
    let client = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let verifiers: SmallVec<[Arc<Verifier>; 1]> = part.verifier().cloned().into_iter().collect();
    let tokens = Tokens::of(&verifiers);
    part.write(&Asked { client, query, tokens: &tokens }, &mut out).then(|| out.into_vec())
}

/// Several fields of one name count as one, joined by commas (RFC 9110 §5.3).
fn header(headers: &HeaderMap, name: &HeaderName, out: &mut Values) -> bool {
    let mut found = false;
    for value in headers.get_all(name) {
        if found {
            out.push(b',');
        }
        out.extend_from_slice(value.as_bytes());
        found = true;
    }
    found
}

/// The first cookie of a name, as it is written.
fn cookie<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    let fields = headers.get_all(COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(part: Part, client: &str, target: &str, headers: &[(&'static str, &'static str)]) -> Values {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let query = Query { host: "a", path, query, method: "GET", headers: &headers };
        let tokens = Tokens::default();
        values(&[part], &Asked { client: client.parse().unwrap(), query, tokens: &tokens })
    }

    #[test]
    fn clients_are_told_apart_by_address_or_network() {
        let of = |client| of(Part::ClientIp, client, "/", &[]);
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        let shown = |client: &str| network(client.parse().unwrap()).to_string();
        assert_eq!((shown("::ffff:10.0.0.1"), shown("2001:db8::1:2")), ("10.0.0.1/32".into(), "2001:db8::/64".into()));
    }

    #[test]
    fn no_value_is_a_value_of_its_own() {
        let header = |fields| of(Part::Header(HeaderName::from_static("x-key")), "::1", "/", fields);
        assert_ne!(header(&[]), header(&[("x-key", "")]));
        assert_eq!(header(&[("x-key", "a"), ("x-key", "b")]), header(&[("x-key", "a,b")]));
        let query = |target| of(Part::Query("k".into()), "::1", target, &[]);
        assert_ne!(query("/"), query("/?k"));
        assert_eq!(query("/?k=%61+b&k=c"), query("/a?x=1&%6b=a%20b"));
        let headers = HeaderMap::new();
        let asked = |query| Query { host: "a", path: "/p", query, method: "GET", headers: &headers };
        let value = |part, query| value(&part, asked(query));
        assert_eq!(value(KeyPart::Query("k".into()), Some("k=%61+b")), Some(b"a b".to_vec()));
        assert_eq!((value(KeyPart::Query("k".into()), None), value(KeyPart::Path, None)), (None, Some(b"/p".to_vec())));
        assert_eq!(value(KeyPart::ClientIp, None), None);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let cookie = |text| of(Part::Cookie("id".into()), "::1", "/", &[("cookie", text)]);
        assert_eq!(cookie("id=7"), cookie("xid=1;  id=7 ;id=8"));
        assert_ne!(cookie("id=7"), cookie("idx=7"));
    }
}
