//! From a request to its description.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::Serialize;

use super::control::{Abort, Control};
use super::{Backend, websocket};

/// A request as the backend received it, and who the backend is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Name of the backend.
    pub name: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Its Pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// The address it listens on.
    pub instance: String,
    /// Method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Host.
    pub host: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// Header fields by lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Length of the body.
    pub body_bytes: u64,
    /// SHA-256 of the body in hexadecimal; left out when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body_sha256: String,
}

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn answer(backend: Arc<Backend>, mut request: Request<Incoming>) -> io::Result<Response<Reply>> {
    if let Some(response) = websocket::accept(&mut request) {
        return Ok(response.map(|()| Reply::Whole(None)));
    }
    let control = match Control::parse(request.uri().query().unwrap_or_default()) {
        Ok(control) => control,
        Err(message) => return Ok(refusal(message)),
    };
    let seen = Arc::new(see(&backend, request).await?);
    // nobody may be following
    let _ = backend.requests.send(Arc::clone(&seen));
    if !control.delay.is_zero() {
        tokio::time::sleep(control.delay).await; // even none would take until the timer's next millisecond
    }
    if control.abort == Some(Abort::Head) {
        return Err(io::Error::other("aborted as asked"));
    }
    describe(&seen, control)
}

async fn see(backend: &Backend, request: Request<Incoming>) -> io::Result<Seen> {
    let (head, mut body) = request.into_parts();
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    let mut body_bytes = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            body_bytes += data.len() as u64;
            hash.update(&data);
        }
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &head.headers {
        headers.entry(name.as_str().to_owned()).or_default().push(text(value));
    }
    let authority = head.uri.authority().map(ToString::to_string);
    let identity = &backend.identity;
    Ok(Seen {
        name: identity.name.clone(),
        namespace: identity.namespace.clone(),
        service: identity.service.clone(),
        pod: identity.pod.clone(),
        instance: backend.instance.clone(),
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        host: authority.or_else(|| head.headers.get(HOST).map(text)).unwrap_or_default(),
        protocol: protocol(head.version),
        headers,
        body_bytes,
        body_sha256: if body_bytes == 0 { String::new() } else { hex(hash.finish().as_ref()) },
    })
}

/// Whether the client asked for a line instead of JSON.
fn wants_text(seen: &Seen) -> bool {
    seen.headers.get("accept").is_some_and(|values| values.iter().any(|value| value == "text/plain"))
}

/// The request in a line, for people at a terminal.
fn line(seen: &Seen) -> String {
    format!("{}: {} {}{}\n", seen.name, seen.method, seen.host, seen.path)
}

fn describe(seen: &Seen, control: Control) -> io::Result<Response<Reply>> {
    let (content, body) = match control {
        Control { abort: Some(_), .. } => ("text/plain", Reply::Broken(Break::Send)),
        Control { size: Some(size), .. } => ("text/plain", Reply::Filler(size)),
        Control { .. } if wants_text(seen) => ("text/plain", Reply::Whole(Some(line(seen).into()))),
        _ => {
            let mut json = serde_json::to_vec_pretty(seen).map_err(io::Error::other)?;
            json.push(b'\n');
            ("application/json", Reply::Whole(Some(json.into())))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = control.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content));
    for (name, value) in control.headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn refusal(message: String) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(Some(message.into())));
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

fn protocol(version: Version) -> String {
    format!("{version:?}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The body of an answer.
pub(super) enum Reply {
    /// One piece, or none left.
    Whole(Option<Bytes>),
    /// So many bytes of nothing.
    Filler(u64),
    /// Some bytes, a pause in which they are sent, then an error.
    Broken(Break),
}

/// What a broken body does next.
pub(super) enum Break {
    Send,
    Pause,
    Fail,
}

static FILLER: [u8; 16 << 10] = [b'x'; 16 << 10];

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let data = match self.get_mut() {
            Self::Whole(whole) => whole.take(),
            Self::Filler(0) => None,
            Self::Filler(left) => {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(FILLER.len());
                *left -= piece as u64;
                Some(Bytes::from_static(FILLER.get(..piece).unwrap_or(&FILLER)))
            }
            Self::Broken(next @ Break::Send) => {
                *next = Break::Pause;
                Some(Bytes::from_static(b"half of an ans"))
            }
            Self::Broken(next @ Break::Pause) => {
                *next = Break::Fail;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Self::Broken(Break::Fail) => return Poll::Ready(Some(Err(io::Error::other("aborted as asked")))),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |data| data.len() as u64)),
            Self::Filler(left) => SizeHint::with_exact(*left),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}
