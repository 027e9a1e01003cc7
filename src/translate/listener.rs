//! One listener of a Gateway: what it may serve, and what stands against it.

use std::sync::Arc;

use super::Env;
use super::certificate::{self, Certificates, Followed};
use super::field::Field;
use super::finding::{Concern, Findings, qualified};
use super::quota::Over;
use super::reason::Reason;
use crate::api::gateway::GROUP;
use crate::api::gateway::listener::{GatewayTls, Listener, Protocol, RouteGroupKind, TlsMode};
use crate::api::gateway::shared::FromNamespaces;
use crate::api::{Kind, ObjectKey};
use crate::ir::{Certificate, Hostname, ListenerProtocol, Routes};
use crate::snapshot::Socket;

/// Kinds of routes that HTTP and HTTPS listeners serve.
const HTTP_KINDS: [Kind; 2] = [Kind::HttpRoute, Kind::GrpcRoute];

/// A listener on its way from specification to IR and status.
#[derive(Debug)]
pub(crate) struct ListenerPlan<'a> {
    pub(crate) spec: &'a Listener,
    /// Absent when it speaks what we do not.
    pub(crate) protocol: Option<ListenerProtocol>,
    /// Hosts it serves; every host when absent.
    pub(crate) hostname: Option<Hostname>,
    /// Kinds that may attach.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) certificates: Vec<Arc<Certificate>>,
    /// The ShareGrants that its references go by.
    pub(crate) grants: Vec<ObjectKey>,
    /// What a quota in Shadow mode would deny.
    pub(crate) shadowed: Option<Over>,
    /// Set when another listener of the Gateway wants the same.
    pub(crate) conflict: Option<(Reason, String)>,
    /// Whether another HTTPS listener of the port covers some of the same hosts.
    pub(crate) overlaps: bool,
    /// Where it listens; empty when it does not.
    pub(crate) sockets: Vec<Socket>,
    /// Sockets nobody has tried yet.
    pub(crate) pending: Vec<Socket>,
    pub(crate) findings: Findings,
    /// Accepted routes attached to it, whatever its own state.
    pub(crate) attached: i32,
    /// The same routes as the IR wants them.
    pub(crate) routes: Routes,
}

impl ListenerPlan<'_> {
    /// Why it cannot be served, apart from what the operating system says.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        if self.findings.against(Concern::Accepted) {
            Some("the listener is not accepted")
        } else if self.protocol == Some(ListenerProtocol::Https) && self.certificates.is_empty() {
            Some("there is no usable certificate")
        } else if self.kinds.is_empty() {
            Some("no supported kind of route may attach")
        } else {
            None
        }
    }
}

/// A Gateway of a tenant may not open a listener for what another tenant claims. Gateways in nobody's
/// namespaces are the platform's: their routes are looked at one by one.
fn refuse_claimed(
    env: &Env<'_>,
    namespace: &Arc<str>,
    hostname: Option<&Hostname>,
    (at, findings): (&Field<'_>, &mut Findings),
) {
    let tenant = env.tenants.of(env.snapshot, namespace);
    if let Some(claim) = env.tenants.owners.left_of_listener(hostname, tenant.as_deref()) {
        let message = format!("'{}' is claimed by Tenant '{}'", claim.hostname, claim.tenant);
        let remedy = "use a hostname of your own, or ask whoever runs the platform for a claim";
        findings.reject(Reason::HostnameNotPermitted, &at.name("hostname"), message, remedy);
    }
}

/// A listener for a hostname that the tenant's quota has no room for is not accepted.
fn limit_hostname(
    env: &Env<'_>,
    namespace: &str,
    hostname: Option<&Hostname>,
    (at, findings): (&Field<'_>, &mut Findings),
) -> Option<Over> {
    env.quotas.of_namespace(env, namespace)?.hostname(hostname?, at, findings)
}

/// Reads one listener of a Gateway in `namespace`.
pub(crate) fn plan<'a>(
    env: &Env<'_>,
    loaded: &mut Certificates,
    (namespace, gateway_tls): (&Arc<str>, Option<&GatewayTls>),
    (index, spec): (usize, &'a Listener),
) -> ListenerPlan<'a> {
    let at = Field::SPEC;
    let at = at.item("listeners", index);
    let mut findings = Findings::default();
    let protocol = protocol(spec, &at, &mut findings);
    let hostname = hostname(spec, &at, &mut findings);
    refuse_claimed(env, namespace, hostname.as_ref(), (&at, &mut findings));
    let over = limit_hostname(env, namespace, hostname.as_ref(), (&at, &mut findings));
    let kinds = if protocol.is_some() { kinds(spec, &at, &mut findings) } else { Vec::new() };
    let mut followed = Followed::default();
    if protocol == Some(ListenerProtocol::Https) {
        followed = terminate(env, loaded, (namespace, spec), (&at, &mut findings));
        refuse_client_validation(gateway_tls, spec.port, &mut findings);
    }
    refuse_unknown_from(spec, &at, &mut findings);
    refuse_unserved(spec, &at, &mut findings);
    ListenerPlan {
        spec,
        protocol,
        hostname,
        kinds,
        certificates: followed.certificates,
        grants: followed.grants,
        shadowed: over.filter(|over| !over.enforced).or(followed.shadowed),
        conflict: None,
        overlaps: false,
        sockets: Vec::new(),
        pending: Vec::new(),
        findings,
        attached: 0,
        routes: Routes::default(),
    }
}

fn protocol(spec: &Listener, at: &Field<'_>, findings: &mut Findings) -> Option<ListenerProtocol> {
    match &spec.protocol {
        Protocol::Http => Some(ListenerProtocol::Http),
        Protocol::Https => Some(ListenerProtocol::Https),
        other => {
            let message = format!("protocol '{other}' is not served");
            findings.reject(Reason::UnsupportedProtocol, &at.name("protocol"), message, "use HTTP or HTTPS");
            None
        }
    }
}

fn hostname(spec: &Listener, at: &Field<'_>, findings: &mut Findings) -> Option<Hostname> {
    let text = spec.hostname.as_deref().filter(|text| !text.is_empty())?;
    let hostname = Hostname::parse(text);
    if hostname.is_none() {
        let message = format!("'{text}' is not a hostname");
        let remedy = "write a DNS name, or a wildcard such as *.example.com";
        findings.reject(Reason::UnsupportedValue, &at.name("hostname"), message, remedy);
    }
    hostname
}

fn kinds(spec: &Listener, at: &Field<'_>, findings: &mut Findings) -> Vec<Kind> {
    let asked = spec.allowed_routes.as_ref().map(|allowed| allowed.kinds.as_slice()).unwrap_or_default();
    if asked.is_empty() {
        return HTTP_KINDS.to_vec();
    }
    let at = at.name("allowedRoutes");
    let mut kinds = Vec::new();
    for (index, asked) in asked.iter().enumerate() {
        match HTTP_KINDS.into_iter().find(|kind| is_kind(asked, *kind)) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => {
                let group = asked.group.as_deref().filter(|group| *group != GROUP).unwrap_or_default();
                let kind = qualified(group, &asked.kind);
                let message = format!("routes of kind '{kind}' cannot attach to {} listeners", spec.protocol);
                let remedy = "allow HTTPRoute or GRPCRoute of group gateway.networking.k8s.io";
                findings.unresolved(Reason::InvalidRouteKinds, &at.item("kinds", index), message, remedy);
            }
        }
    }
    kinds
}

fn is_kind(asked: &RouteGroupKind, kind: Kind) -> bool {
    asked.kind == kind.as_str() && asked.group.as_deref().unwrap_or(GROUP) == kind.group()
}

fn terminate(
    env: &Env<'_>,
    loaded: &mut Certificates,
    (namespace, spec): (&str, &Listener),
    (at, findings): (&Field<'_>, &mut Findings),
) -> Followed {
    let at = at.name("tls");
    let (mode, references) = match &spec.tls {
        Some(tls) => (tls.mode.as_ref().unwrap_or(&TlsMode::Terminate), tls.certificate_refs.as_slice()),
        None => (&TlsMode::Terminate, [].as_slice()),
    };
    if *mode != TlsMode::Terminate {
        let message = format!("HTTPS listeners end TLS themselves, so mode '{mode}' is not possible");
        findings.reject(Reason::UnsupportedValue, &at.name("mode"), message, "use mode Terminate, or protocol TLS");
        return Followed::default();
    }
    if references.is_empty() {
        let message = "an HTTPS listener needs a certificate";
        let remedy = "name a Secret of type kubernetes.io/tls";
        findings.unresolved(Reason::InvalidCertificateRef, &at.name("certificateRefs"), message, remedy);
    }
    certificate::follow(env, loaded, namespace, references, (&at, findings))
}

/// Fails closed: whoever asks for client certificates must not be served without.
fn refuse_client_validation(tls: Option<&GatewayTls>, port: u16, findings: &mut Findings) {
    let Some(frontend) = tls.and_then(|tls| tls.frontend.as_ref()) else { return };
    let own = frontend.per_port.iter().find(|entry| entry.port == port).map(|entry| &entry.tls);
    if own.unwrap_or(&frontend.default).validation.is_some() {
        let at = Field::SPEC;
        let at = at.name("tls");
        let message = "client certificates are not supported yet, and without them this listener must not serve";
        let remedy = "remove the validation, or wait for a release that supports it";
        findings.reject(Reason::UnsupportedValue, &at.name("frontend"), message, remedy);
    }
}

/// Nobody may attach, and the owner must learn why.
fn refuse_unknown_from(spec: &Listener, at: &Field<'_>, findings: &mut Findings) {
    let namespaces = spec.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    if let Some(FromNamespaces::Other(from)) = namespaces.and_then(|namespaces| namespaces.from.as_ref()) {
        let at = at.name("allowedRoutes");
        let at = at.name("namespaces");
        let message = format!("unknown value '{from}', so no route attaches");
        let remedy = format!("use one of: {}", FromNamespaces::KNOWN.join(", "));
        findings.reject(Reason::UnsupportedValue, &at.name("from"), message, &remedy);
    }
}

fn refuse_unserved(spec: &Listener, at: &Field<'_>, findings: &mut Findings) {
    if spec.port == 0 {
        let remedy = "write a port from 1 to 65535";
        findings.reject(Reason::PortUnavailable, &at.name("port"), "0 is not a port", remedy);
    }
    if spec.filters.is_some() {
        let message = "listener filters are not supported yet, and must not be skipped";
        findings.reject(Reason::UnsupportedValue, &at.name("filters"), message, "move them to the routes");
    }
    if spec.tls.as_ref().is_some_and(|tls| !tls.options.is_empty()) {
        let message = "no TLS option is known; they have no effect";
        findings.notice(Reason::UnsupportedValue, &at.name("tls").name("options"), message, "remove them");
    }
}
