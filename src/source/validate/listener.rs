//! Listeners of Gateways and ListenerSets, and the rest of a Gateway.

use serde_json::Value;

use super::{Violations, filter, repeated};
use crate::api::gateway::listener::{AddressType, FrontendTlsConfig, GatewaySpec, Listener, Protocol, TlsMode};
use crate::source::schema::Form;

/// Checks the rules between the fields of a Gateway.
pub(super) fn check_gateway(spec: &GatewaySpec, out: &mut Violations) {
    check_listeners(&spec.listeners, out);
    let addresses = || spec.addresses.iter();
    for kind in [AddressType::IpAddress, AddressType::Hostname] {
        let values: Vec<_> = addresses()
            .enumerate()
            .filter(|(_, address)| address.kind.as_ref().unwrap_or(&AddressType::IpAddress) == &kind)
            .filter_map(|(index, address)| Some((index, address.value.as_deref()?)))
            .collect();
        if let Some((index, value)) = repeated(values.iter().map(|(_, value)| *value)).and_then(|at| values.get(at)) {
            out.refuse(format!("spec.addresses[{index}]"), format!("'{value}' stands twice"), "remove one of them");
        }
    }
    for (index, address) in addresses().enumerate() {
        let value = address.value.as_deref().unwrap_or_default();
        if address.kind == Some(AddressType::Hostname) && !value.is_empty() && !Form::Hostname.holds(value) {
            let field = format!("spec.addresses[{index}].value");
            out.refuse(field, format!("'{value}' is no hostname"), format!("write {}", Form::Hostname.words()));
        }
    }
    if let Some(frontend) = spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref()) {
        check_frontend(&frontend.default, "spec.tls.frontend.default", out);
        for (index, port) in frontend.per_port.iter().enumerate() {
            check_frontend(&port.tls, &format!("spec.tls.frontend.perPort[{index}].tls"), out);
        }
    }
}

/// Checks a list of listeners, each and against each other.
pub(super) fn check_listeners(listeners: &[Listener], out: &mut Violations) {
    for (index, listener) in listeners.iter().enumerate() {
        check_listener(listener, &format!("spec.listeners[{index}]"), out);
    }
    let places = listeners.iter().map(|listener| (listener.port, &listener.protocol, &listener.hostname));
    if let Some(index) = repeated(places) {
        let message = "an earlier listener has the same port, protocol and hostname";
        out.refuse(format!("spec.listeners[{index}]"), message, "give it another port or hostname, or remove it");
    }
}

fn check_listener(listener: &Listener, field: &str, out: &mut Violations) {
    let protocol = &listener.protocol;
    check_listener_tls(listener, field, out);
    if matches!(protocol, Protocol::Tcp | Protocol::Udp) && listener.hostname.is_some() {
        let remedy = "remove the hostname: TCP and UDP carry none";
        out.refuse(format!("{field}.hostname"), format!("does not belong to protocol {protocol}"), remedy);
    }
    if let Some(filters) = &listener.filters {
        if !matches!(protocol, Protocol::Http | Protocol::Https) {
            let remedy = "remove the filters, or use HTTP or HTTPS";
            out.refuse(format!("{field}.filters"), format!("does not belong to protocol {protocol}"), remedy);
        }
        check_filters(filters, &format!("{field}.filters"), out);
    }
}

fn check_listener_tls(listener: &Listener, field: &str, out: &mut Violations) {
    let (protocol, field) = (&listener.protocol, format!("{field}.tls"));
    let Some(tls) = &listener.tls else {
        if *protocol == Protocol::Tls {
            out.refuse(field, "is required for protocol TLS", "add 'tls' with mode Terminate or Passthrough");
        }
        return;
    };
    if matches!(protocol, Protocol::Http | Protocol::Tcp | Protocol::Udp) {
        let remedy = if *protocol == Protocol::Http { "use protocol HTTPS" } else { "use protocol TLS" };
        out.refuse(field, format!("does not belong to protocol {protocol}"), format!("{remedy}, or remove 'tls'"));
        return;
    }
    if *protocol == Protocol::Https && tls.mode == Some(TlsMode::Passthrough) {
        let remedy = "use mode Terminate, or protocol TLS with a TLSRoute";
        out.refuse(format!("{field}.mode"), "HTTPS cannot be passed through", remedy);
    }
    let terminates = matches!(tls.mode, None | Some(TlsMode::Terminate));
    if terminates && tls.certificate_refs.is_empty() && tls.options.is_empty() {
        let remedy = "name a Secret of type kubernetes.io/tls";
        out.refuse(format!("{field}.certificateRefs"), "is required to terminate TLS", remedy);
    }
}

fn check_filters(filters: &Value, field: &str, out: &mut Violations) {
    let requests = filters.get("requests").and_then(Value::as_array);
    for (index, one) in requests.into_iter().flatten().enumerate() {
        let field = format!("{field}.requests[{index}]");
        let kind = one.get("type").and_then(Value::as_str).unwrap_or_default();
        let members = [
            ("ExternalAuth", "externalAuth", one.get("externalAuth").is_some()),
            ("ExtensionRef", "extensionRef", one.get("extensionRef").is_some()),
        ];
        filter::check_members(kind, &members, &field, out);
        if let Some(auth) = one.get("externalAuth") {
            filter::check_external_auth(auth, &format!("{field}.externalAuth"), out);
        }
    }
}

/// A ClusterTrustBundle is cluster-scoped.
fn check_frontend(config: &FrontendTlsConfig, field: &str, out: &mut Violations) {
    let refs = config.validation.as_ref().map(|validation| &validation.ca_certificate_refs);
    for (index, reference) in refs.into_iter().flatten().enumerate() {
        if reference.kind.as_deref() == Some("ClusterTrustBundle") && reference.namespace.is_some() {
            let field = format!("{field}.validation.caCertificateRefs[{index}].namespace");
            out.refuse(field, "a ClusterTrustBundle has no namespace", "remove the namespace");
        }
    }
}
