//! Bare Pingora: one upstream, no routes, no metrics, no header edits. What a request costs here is
//! what the framework costs; the rest of a gateway's bill is its own.
//!
//! `bare HTTP_ADDR UPSTREAM_ADDR [HTTPS_ADDR CERT KEY]`, one worker thread.

use std::error::Error;
use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::Result;
use pingora::listeners::ListenerConfig;
use pingora::listeners::tls::TlsSettings;
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::upstreams::peer::HttpPeer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    // The default installs the compression module, which would be paid for and not used.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (http, upstream, tls) = match arguments.as_slice() {
        [http, upstream] => (http, upstream, None),
        [http, upstream, https, cert, key] => (http, upstream, Some((https, cert, key))),
        _ => return Err("usage: bare HTTP_ADDR UPSTREAM_ADDR [HTTPS_ADDR CERT KEY]".into()),
    };
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 1024,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Some(Opt::default()), conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream: upstream.parse()? });
    service.add_listener(ListenerConfig::tcp(http.clone()));
    if let Some((https, cert, key)) = tls {
        let mut settings = TlsSettings::intermediate(cert, key)?;
        settings.enable_h2();
        service.add_listener(ListenerConfig::tcp(https.clone()).tls(settings));
    }
    server.add_service(service);
    server.run_forever()
}
