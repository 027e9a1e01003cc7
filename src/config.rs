//! Settings of the process, read once from a YAML file (`conf/paifang.yaml` shows them all).
//!
//! Everything that is wrong with a file is reported together, by line. Unknown keys are refused
//! with the nearest known name. Durations are written `500ms`, `30s`, `1m30s`; sizes in bytes
//! `16Ki`, `1Mi`.

pub(crate) mod level;
mod problem;
mod read;
#[macro_use]
mod settings;
mod yaml;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

pub use problem::{ConfigErrors, ConfigProblem};

use crate::limit::basis::USUAL_KEYS;
use crate::limit::global::Address;
use crate::snapshot::{AddressRange, Exposure, ServiceExposure, ServiceType, TrafficPolicy};
use crate::table::backend::Balance;
pub(crate) use read::bytes;

use level::level;
use read::{address, address_ranges, boolean, count, duration, networks, port_range, ports, size, socket, store, text};

settings! {
    /// Every setting of the process.
    pub struct Config {
        /// Address that listeners are bound on when their Gateway asks for none.
        "bind" bind: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST), address;
        /// Where the admin server listens.
        "admin" admin: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8081)), socket;
        /// Threads that serve requests; 0 takes one per core.
        "threads" threads: usize = 0, count::<0, 1024>;
        /// Ports that are bound in place of a listener's own.
        "portMap" ports: Ports = Ports::AsWritten, ports;
        /// How Gateways are reached.
        "exposure" exposure: ExposureConfig = ExposureConfig::default(), ExposureConfig::read;
        /// How the process works in a cluster.
        "kubernetes" kubernetes: KubernetesConfig = KubernetesConfig::default(), KubernetesConfig::read;
        /// How the process ends.
        "drain" drain: Drain = Drain::default(), Drain::read;
        /// Limits towards clients.
        "downstream" downstream: Downstream = Downstream::default(), Downstream::read;
        /// How paths are read.
        "path" path: PathRules = PathRules::default(), PathRules::read;
        /// What is believed about a client.
        "forwarded" forwarded: Forwarded = Forwarded::default(), Forwarded::read;
        /// Limits towards backends.
        "upstream" upstream: Upstream = Upstream::default(), Upstream::read;
        /// Metrics.
        "metrics" metrics: MetricsConfig = MetricsConfig::default(), MetricsConfig::read;
        /// What the process can take, and what limits of policies need.
        "limits" limits: LimitsConfig = LimitsConfig::default(), LimitsConfig::read;
        /// The access log.
        "accessLog" access_log: AccessLogConfig = AccessLogConfig::default(), AccessLogConfig::read;
        /// What the process says about itself.
        "log" log: LogConfig = LogConfig::default(), LogConfig::read;
    }

    /// How Gateways are reached.
    pub struct ExposureConfig {
        /// Which way.
        "mode" mode: ExposureMode = ExposureMode::Auto, ExposureMode::read;
        /// Settings of `Service`.
        "service" service: ServiceConfig = ServiceConfig::default(), ServiceConfig::read;
        /// Addresses of `AddressPool`.
        "addressPool" address_pool: Vec<AddressRange> = Vec::new(), address_ranges;
    }

    /// Settings of the Services that Gateways get.
    pub struct ServiceConfig {
        /// `spec.type`
        "type" kind: ServiceType = ServiceType::LoadBalancer, ServiceType::read;
        /// `spec.externalTrafficPolicy` of a Service when it is made.
        "externalTrafficPolicy" traffic_policy: TrafficPolicy = TrafficPolicy::Cluster, TrafficPolicy::read;
        /// Pod ports that may be given to listeners.
        "podPorts" pod_ports: PortRange = PortRange(10_000..=29_999), port_range;
    }

    /// How the process works in a cluster.
    pub struct KubernetesConfig {
        /// Namespace of the process; empty takes POD_NAMESPACE.
        "namespace" namespace: String = String::new(), text;
        /// Service that selects the pods of Paifang.
        "service" service: String = "paifang".to_owned(), text;
        /// Lease by which one replica is chosen to write.
        "lease" lease: LeaseConfig = LeaseConfig::default(), LeaseConfig::read;
        /// Folder in which the last good configuration is kept; empty keeps none.
        "stateDir" state_dir: String = String::new(), text;
        /// How long the API server may take to answer before the kept configuration is served.
        "startTimeout" start_timeout: Duration = Duration::from_secs(5), duration::<1, HOUR>;
        /// How long a watch may be silent before it is taken for dead; the API server speaks every 60 to 77 seconds.
        "watchStallTimeout" watch_stall_timeout: Duration = Duration::from_secs(90), duration::<1000, HOUR>;
        /// Writes of statuses per second.
        "statusWritesPerSecond" status_writes_per_second: usize = 100, count::<1, 10_000>;
    }

    /// The lease by which one replica is chosen to write.
    pub struct LeaseConfig {
        /// Its name.
        "name" name: String = "paifang".to_owned(), text;
        /// How long it holds without being renewed.
        "duration" duration: Duration = Duration::from_secs(15), duration::<1000, HOUR>;
        /// Time between two renewals.
        "renew" renew: Duration = Duration::from_secs(3), duration::<100, HOUR>;
    }

    /// How the process ends.
    pub struct Drain {
        /// Time between "not ready" and closing the listeners.
        "delay" delay: Duration = Duration::ZERO, duration::<0, HOUR>;
        /// How long requests in flight may take after that.
        "timeout" timeout: Duration = Duration::from_secs(30), duration::<0, DAY>;
    }

    /// Limits towards clients.
    pub struct Downstream {
        /// Connections of the whole process.
        "maxConnections" max_connections: usize = 100_000, count::<1, 10_000_000>;
        /// A TLS handshake from the first byte to the last.
        "handshakeTimeout" handshake_timeout: Duration = Duration::from_secs(10), duration::<1, HOUR>;
        /// A whole request header, from its first byte to its last.
        "headerTimeout" header_timeout: Duration = Duration::from_secs(10), duration::<1, HOUR>;
        /// A connection between two requests.
        "idleTimeout" idle_timeout: Duration = Duration::from_secs(60), duration::<1, DAY>;
        /// A request body without a single byte.
        "bodyTimeout" body_timeout: Duration = Duration::from_secs(60), duration::<1, DAY>;
        /// A client that takes not one byte of the response.
        "writeTimeout" write_timeout: Duration = Duration::from_secs(60), duration::<1, DAY>;
        /// Requests on one connection before it is closed.
        "requestsPerConnection" requests_per_connection: u32 = 100_000, count::<1, { u32::MAX as usize }>;
        /// Bytes of a request header, all lines together.
        "maxHeaderBytes" max_header_bytes: usize = 64 << 10, size::<1024, { 1 << 20 }>;
        /// Fields of a request header.
        "maxHeaders" max_headers: usize = 100, count::<1, 256>;
        /// Bytes of a request target.
        "maxUriBytes" max_uri_bytes: usize = 16 << 10, size::<64, { 1 << 20 }>;
        /// HTTP/2 only.
        "http2" http2: Http2 = Http2::default(), Http2::read;
    }

    /// Limits of HTTP/2 towards clients.
    pub struct Http2 {
        /// Requests at the same time on one connection.
        "maxConcurrentStreams" max_concurrent_streams: u32 = 128, count::<1, { i32::MAX as usize }>;
        /// Bytes of one request body that may be on the way.
        "streamWindow" stream_window: u32 = 1 << 20, size::<65_535, { i32::MAX as usize }>;
        /// Bytes of all request bodies of a connection that may be on the way.
        "connectionWindow" connection_window: u32 = 4 << 20, size::<65_535, { i32::MAX as usize }>;
        /// A connection without a stream.
        "idleTimeout" idle_timeout: Duration = Duration::from_secs(60), duration::<1, DAY>;
    }

    /// How paths are read before they are matched.
    pub struct PathRules {
        /// Whether `//` counts as `/`.
        "mergeSlashes" merge_slashes: bool = true, boolean;
        /// What happens to `%2F`.
        "encodedSlashes" encoded_slashes: EncodedSlashes = EncodedSlashes::Keep, EncodedSlashes::read;
    }

    /// What is believed about a client.
    pub struct Forwarded {
        /// Proxies in front of us whose `X-Forwarded-*` are believed.
        "trustedProxies" trusted_proxies: Vec<IpNet> = Vec::new(), networks;
        /// Identities of requests.
        "requestId" request_id: RequestId = RequestId::default(), RequestId::read;
    }

    /// Identities of requests.
    pub struct RequestId {
        /// Whether a client's own `X-Request-ID` is kept.
        "trustClient" trust_client: bool = false, boolean;
    }

    /// Limits towards backends.
    pub struct Upstream {
        /// A connection to an endpoint.
        "connectTimeout" connect_timeout: Duration = Duration::from_secs(5), duration::<1, HOUR>;
        /// A kept connection between two requests.
        "idleTimeout" idle_timeout: Duration = Duration::from_secs(60), duration::<1, DAY>;
        /// Connections kept by one thread.
        "keepalivePoolSize" keepalive_pool_size: usize = 1024, count::<1, 1_000_000>;
        /// Requests at the same time on one HTTP/2 connection.
        "http2Streams" http2_streams: usize = 100, count::<1, 100_000>;
        /// How endpoints are chosen.
        "balance" balance: Balance = Balance::RoundRobin, Balance::read;
        /// One try without a byte from the backend; 0s waits for ever.
        "responseTimeout" response_timeout: Duration = Duration::ZERO, duration::<0, DAY>;
        /// Pause before another try, where the route names none.
        "retryBackoff" retry_backoff: Duration = Duration::from_millis(25), duration::<0, MINUTE>;
    }

    /// Metrics.
    pub struct MetricsConfig {
        /// Series of the rules of one tenant; what is beyond them is summed up.
        "seriesPerTenant" series_per_tenant: usize = 50_000, count::<0, 100_000_000>;
    }

    /// What the process can take, and what limits of policies need.
    pub struct LimitsConfig {
        /// Requests at one moment; when there are more, tenants get their shares.
        "capacity" capacity: u32 = 10_000, count::<1, 10_000_000>;
        /// TLS handshakes of one tenant that may wait for their turn on one thread.
        "handshakes" handshakes: usize = 4096, count::<1, 1_000_000>;
        /// Keys of one counter that may be in debt at the same time; others share one.
        "maxKeys" max_keys: usize = USUAL_KEYS, count::<1, 10_000_000>;
        /// Where limits are counted together.
        "store" store: StoreConfig = StoreConfig::default(), StoreConfig::read;
    }

    /// A Redis or Valkey server in which limits are counted together.
    pub struct StoreConfig {
        /// Where it listens; without an address there is none.
        "address" address: Option<Address> = None, store;
        /// The user; empty takes the server's default user.
        "user" user: String = String::new(), text;
        /// File with the password; empty sends none.
        "passwordFile" password_file: String = String::new(), text;
        /// File with the certificates of those who may vouch for the server; empty speaks no TLS.
        "caFile" ca_file: String = String::new(), text;
        /// The name in the server's certificate; empty takes that of the address.
        "serverName" server_name: String = String::new(), text;
        /// How long a request waits for its answer.
        "deadline" deadline: Duration = Duration::from_millis(5), duration::<1, MINUTE>;
    }

    /// The access log.
    pub struct AccessLogConfig {
        /// Whether there is one.
        "enabled" enabled: bool = true, boolean;
        /// Its file; empty writes to standard output.
        "file" file: String = String::new(), text;
        /// Lines that may wait for the writer; more are dropped and counted.
        "queue" queue: usize = 8192, count::<1, 1_000_000>;
    }

    /// What the process says about itself, on standard error.
    pub struct LogConfig {
        /// A level, or directives as `info,paifang::source=debug`.
        "level" level: String = "info".to_owned(), level;
        /// How it is written.
        "format" format: LogFormat = LogFormat::Text, LogFormat::read;
    }
}

choices! {
    /// What happens to an encoded slash (`%2F`) in a path.
    pub enum EncodedSlashes {
        /// It stays encoded and is matched as it is.
        Keep,
        /// The request is answered with 400.
        Reject,
    }

    /// Which way Gateways are reached.
    pub enum ExposureMode {
        /// `Service` in a cluster, `Host` with a folder.
        Auto,
        /// Listener ports are bound on this machine.
        Host,
        /// Each Gateway takes an address of a pool.
        AddressPool,
        /// Each Gateway gets a Service.
        Service,
    }

    /// How log lines are written.
    pub enum LogFormat {
        /// For people.
        Text,
        /// One JSON object per line.
        Json,
    }
}

readable! { Balance { RoundRobin, LeastRequest } }
readable! { ServiceType { LoadBalancer, NodePort, ClusterIP } }
readable! { TrafficPolicy { Cluster, Local } }

/// What has been found wrong so far.
type Problems = Vec<ConfigProblem>;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Which port is bound for the port of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ports {
    /// The same.
    #[default]
    AsWritten,
    /// Another one where the map has one, else the same.
    Mapped(BTreeMap<u16, u16>),
    /// Whatever is free; tests only, no setting asks for it.
    Ephemeral,
}

impl Ports {
    /// The port to bind for a listener's port; 0 lets the system choose.
    #[must_use]
    pub fn bound(&self, port: u16) -> u16 {
        match self {
            Self::AsWritten => port,
            Self::Mapped(map) => map.get(&port).copied().unwrap_or(port),
            Self::Ephemeral => 0,
        }
    }
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange(pub RangeInclusive<u16>);

impl Config {
    /// The same settings for a cluster: what was left open is as a cluster wants it.
    #[must_use]
    pub fn in_cluster(mut self) -> Self {
        if self.exposure.mode == ExposureMode::Auto {
            self.exposure.mode = ExposureMode::Service;
        }
        self
    }

    /// How Gateways are reached; where that was left open, as a folder wants it.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        match self.exposure.mode {
            ExposureMode::Auto | ExposureMode::Host => Exposure::Host(self.bind),
            ExposureMode::AddressPool => Exposure::AddressPool(self.exposure.address_pool.clone()),
            ExposureMode::Service => self.service_exposure(),
        }
    }

    fn service_exposure(&self) -> Exposure {
        let settings = &self.exposure.service;
        Exposure::Service(ServiceExposure {
            kind: settings.kind,
            traffic_policy: settings.traffic_policy,
            ports: settings.pod_ports.0.clone(),
            bind: self.bind,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is wrong: everything at once.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = yaml::read_file(path).map_err(|problem| ConfigErrors::new(path, vec![problem]))?;
        Self::parse(&text).map_err(|problems| ConfigErrors::new(path, problems))
    }

    /// Reads the text of a file. What it does not mention keeps its default.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the lines.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let config = match yaml::parse(text) {
            Ok(Some(root)) => Self::read(&root, &mut problems).unwrap_or_default(),
            Ok(None) => Self::default(),
            Err(problem) => return Err(vec![problem]),
        };
        if problems.is_empty() {
            return Ok(config);
        }
        problems.sort();
        Err(problems)
    }
}

#[cfg(test)]
mod tests;
