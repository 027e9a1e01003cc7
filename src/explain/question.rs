//! A request as the query of a URL: `method=GET&url=https%3A%2F%2Fhost%2Fpath&header=name%3Avalue&client-ip=192.0.2.7`.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::Request;
use crate::table::Decoded;

/// Why a question is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unclear {
    /// No method of HTTP.
    #[error("'{0}' is no method of HTTP")]
    Method(String),
    /// No URL.
    #[error("'{0}' is no URL of HTTP: write http://host/path or https://host/path")]
    Url(String),
    /// None is named.
    #[error("name a URL: url=https://host/path, percent-encoded")]
    NoUrl,
    /// Not a name and a value.
    #[error("'{0}' is no header field: write 'name: value'")]
    Header(String),
    /// No address.
    #[error("'{0}' is no IP address: write one like 192.0.2.7 or 2001:db8::7")]
    Client(String),
    /// Most likely a part of a URL that is not encoded.
    #[error("unknown parameter '{0}': known are method, url, header, client-ip and output; write & in a URL as %26")]
    Unknown(String),
}

impl Request {
    /// Reads a request as people write it.
    ///
    /// # Errors
    /// When a part is not what HTTP allows.
    pub fn parse<'a>(method: &str, url: &str, headers: impl Iterator<Item = &'a str>) -> Result<Self, Unclear> {
        let mut fields = HeaderMap::new();
        for text in headers {
            let (name, value) = field(text).ok_or_else(|| Unclear::Header(text.to_owned()))?;
            fields.append(name, value);
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| Unclear::Method(method.to_owned()))?;
        let url: Uri = url.parse().map_err(|_| Unclear::Url(url.to_owned()))?;
        Ok(Self { method, url, headers: fields, client: None })
    }

    /// The same of a client, by its address behind trusted proxies.
    #[must_use]
    pub fn from_client(self, client: Option<IpAddr>) -> Self {
        Self { client, ..self }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// When it holds no request.
    pub fn from_query(query: &str) -> Result<Self, Unclear> {
        let (mut method, mut url, mut headers, mut client) = ("GET".to_owned(), None, Vec::new(), None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match name {
                "method" => method = value,
                "url" => url = Some(value),
                "header" => headers.push(value),
                "client-ip" => client = Some(value.parse().map_err(|_| Unclear::Client(value))?),
                "output" => {}
                _ => return Err(Unclear::Unknown(name.to_owned())),
            }
        }
        let request = Self::parse(&method, &url.ok_or(Unclear::NoUrl)?, headers.iter().map(String::as_str))?;
        Ok(request.from_client(client))
    }

    /// Writes a query, which [`Request::from_query`] reads.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = format!(
            "method={}&url={}",
            encode(self.method.as_str().as_bytes()),
            encode(self.url.to_string().as_bytes())
        );
        for (name, value) in &self.headers {
            let _ = write!(query, "&header={}%3A{}", encode(name.as_str().as_bytes()), encode(value.as_bytes()));
        }
        if let Some(client) = self.client {
            let _ = write!(query, "&client-ip={}", encode(client.to_string().as_bytes()));
        }
        query
    }
}

fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}

fn decode(text: &str) -> String {
    String::from_utf8_lossy(&Decoded(text.as_bytes()).collect::<Vec<u8>>()).into_owned()
}

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(*byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_was_written() {
        let headers = ["x-a: 1 + 1 = %32 & more", "x-b:", "x-a: again: ä"];
        let url = "https://app.example.com:8443/a%2Fb+c?x=1&y=%26";
        let request = Request::parse("PROPFIND", url, headers.into_iter()).unwrap();
        let request = request.from_client(Some("2001:db8::7".parse().unwrap()));
        let read = Request::from_query(&(request.to_query() + "&output=json")).unwrap();
        assert_eq!((read.method, read.url, read.headers), (request.method, request.url, request.headers));
        assert_eq!(read.client, request.client);
    }

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_wrong_is_named() {
        let request = Request::from_query("url=http://a.example.com/b&").unwrap();
        assert_eq!((request.method, request.url.path(), request.headers.len()), (Method::GET, "/b", 0));
        assert_eq!(request.client, None);
        for (query, error) in [
            ("", Unclear::NoUrl),
            ("url=http://a/b%20c", Unclear::Url("http://a/b c".to_owned())),
            ("url=http://a/b?x=1&y=2", Unclear::Unknown("y".to_owned())),
            ("url=http://a/&method=", Unclear::Method(String::new())),
            ("url=http://a/&client-ip=localhost", Unclear::Client("localhost".to_owned())),
            ("url=http://a/&header=x", Unclear::Header("x".to_owned())),
        ] {
            assert_eq!(Request::from_query(query).unwrap_err(), error, "{query}");
        }
    }
}
