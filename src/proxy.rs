//! The data plane: Pingora's `ProxyHttp`, one file per phase, on sockets of our own.
//!
//! A request takes one rule from one generation of the table and holds on to it; nothing it
//! touches is locked by a reload.

mod app;
mod authority;
mod connection;
pub mod context;
mod cors;
mod denied;
mod fail;
mod forwarded;
mod head;
mod headers;
mod idle;
mod limits;
mod leisure;
mod linger;
mod listener;
mod logging;
mod mirror;
mod path;
mod patience;
pub(crate) mod redirect;
mod request_filter;
mod respond;
mod response_filter;
mod retry;
pub(crate) mod rewrite;
pub mod server;
mod stream;
mod tls;
mod turns;
mod upstream_peer;
mod upstream_request_filter;
mod workers;
mod writes;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

pub use app::{Generation, Routes};
pub use server::Server;

use crate::config::{Config, PathRules};
use crate::telemetry::label::UpstreamConnect;
use crate::telemetry::{AccessLog, Metrics};
use context::Context;
use limits::Gate;
use mirror::Mirrors;

/// A path as routes see it.
///
/// # Errors
/// With status and message, when it is refused whatever the routes are.
pub fn normal_path(path: &str, rules: &PathRules) -> std::result::Result<String, (u16, &'static str)> {
    let normal = path::normalise(path, rules).map_err(|fail| (fail.status.as_u16(), fail.message))?;
    Ok(normal.map_or_else(|| path.to_owned(), String::from))
}

/// Directives for the log about what is no error: a kept connection to a backend that two want at the same time, of whom one
/// makes a new one.
pub const QUIET: &str = "pingora_core::connectors=off";

/// What every request can reach.
pub struct Proxy {
    pub(crate) config: Arc<Config>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access_log: AccessLog,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) gate: Gate,
    /// Set when the process is about to end.
    pub(crate) draining: Arc<AtomicBool>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new()
    }

    /// No modules: what is not used must not cost anything.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        request_filter::run(self, session, ctx).await
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        mirror::feed(self, ctx, body.as_ref(), end);
        if let Some(patience) = &ctx.patience {
            patience.received(body, end);
        }
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        upstream_peer::run(self, session, ctx).await
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        _: &mut Context,
    ) -> Result<()> {
        self.metrics.upstream_connects.inc(if reused { UpstreamConnect::Reused } else { UpstreamConnect::Opened });
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if let Some(patience) = &ctx.patience {
            patience.begin(ctx.rule.as_ref());
        }
        upstream_request_filter::run(self, session, request, ctx)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        response_filter::run(self, session, response, ctx)
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        if let Some(patience) = &ctx.patience {
            patience.answered(None);
        }
        response_filter::check_deadline(ctx)?;
        Ok(self.gate.wait(ctx, body.as_ref().map_or(0, Bytes::len)))
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, ctx: &mut Context, error: Box<Error>) -> Box<Error> {
        self.metrics.upstream_connects.inc(UpstreamConnect::Failed);
        retry::after_failed_connect(ctx, error)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        if let Some(patience) = &ctx.patience {
            patience.pause();
        }
        retry::after_failed_try(session, ctx, error, reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        fail::answer(session, error, ctx).await
    }

    /// The access log and the metrics say it, once and with the route's name.
    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Context,
        _: &Error,
        _: pingora::proxy::ProxyWarnLogContext,
    ) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        logging::run(self, session, error, ctx);
    }
}
