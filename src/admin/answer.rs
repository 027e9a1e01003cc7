//! From a request to an answer.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use super::{Admin, Answer, Content, Question, Readiness, State};
use crate::telemetry::rules::Scrape;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// An answer's body: pieces that are made when the client takes them.
pub(super) enum Pieces {
    /// One piece, or none left.
    Whole(Option<Bytes>),
    /// A scrape.
    Scrape(Scrape),
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.get_mut() {
            Self::Whole(whole) => whole.take(),
            Self::Scrape(scrape) => scrape.next().map(Bytes::from),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Scrape(_) => SizeHint::default(),
        }
    }
}

/// Answers one request.
pub(super) async fn answer(admin: Arc<Admin>, request: Parts) -> Response<Pieces> {
    let method = &request.method;
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri.path() {
        "/" => text(StatusCode::OK, index(&admin)),
        "/livez" => text(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => ready(&admin.readiness),
        "/metrics" => respond(StatusCode::OK, METRICS, Pieces::Scrape(admin.metrics.scrape())),
        path => page(admin, path.to_owned(), question(&request)).await,
    }
}

fn ready(readiness: &Readiness) -> Response<Pieces> {
    let ready = readiness.get() == State::Ready;
    text(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, readiness.text())
}

fn question(request: &Parts) -> Question {
    let query = request.uri.query().unwrap_or_default().to_owned();
    let accepted = request.headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    Question { json: accepted || query.split('&').any(|parameter| parameter == "output=json"), query }
}

async fn page(admin: Arc<Admin>, path: String, question: Question) -> Response<Pieces> {
    let render = move || {
        let page = admin.pages.iter().find(|page| page.path == path)?;
        Some((page.render)(&question).and_then(written))
    };
    match tokio::task::spawn_blocking(render).await {
        Ok(Some(Some(response))) => response,
        Ok(Some(None)) => text(StatusCode::SERVICE_UNAVAILABLE, "nothing to show yet; /readyz says why\n".to_owned()),
        Ok(None) => text(StatusCode::NOT_FOUND, "no such page; / lists them all\n".to_owned()),
        Err(error) => {
            tracing::error!(%error, "a page of the admin server could not be made");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n".to_owned())
        }
    }
}

fn written(answer: Answer) -> Option<Response<Pieces>> {
    Some(match answer.content {
        Content::Text(words) => text(answer.status, words),
        Content::Json(value) => {
            let mut json = serde_json::to_vec_pretty(&value).ok()?;
            json.push(b'\n');
            respond(answer.status, JSON, Pieces::Whole(Some(json.into())))
        }
    })
}

fn index(admin: &Admin) -> String {
    let own = [
        ("/livez", "whether the process runs"),
        ("/readyz", "whether it is ready, and if not, why"),
        ("/metrics", "metrics in Prometheus' text format"),
    ];
    let mut out = format!("Paifang {}\n\n", env!("CARGO_PKG_VERSION"));
    for (path, title) in own.into_iter().chain(admin.pages.iter().map(|page| (page.path, page.title))) {
        let _ = writeln!(out, "{path:<14} {title}");
    }
    out
}

fn text(status: StatusCode, text: String) -> Response<Pieces> {
    respond(status, TEXT, Pieces::Whole(Some(text.into())))
}

fn respond(status: StatusCode, content: HeaderValue, body: Pieces) -> Response<Pieces> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
