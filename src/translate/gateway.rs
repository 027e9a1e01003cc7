//! Gateways: which are ours, what they shall serve, and what their status says.

mod report;

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::certificate::Certificates;
use super::class::{Class, Classes};
use super::exposure::ServicePlan;
use super::field::Field;
use super::finding::{Concern, Findings, qualified};
use super::listener::ListenerPlan;
use super::reason::Reason;
use super::{Env, Problem, Translation, address, conflict, exposure, listener, socket};
use crate::api::gateway::Gateway;
use crate::api::gateway::shared::FromNamespaces;
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::Socket;

pub(crate) use report::report;

/// A Gateway of ours on its way from specification to IR and status.
#[derive(Debug)]
pub(crate) struct GatewayPlan<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) object: &'a Gateway,
    /// The addresses it asks for; `None` asks for any.
    pub(crate) asked: Vec<Option<IpAddr>>,
    /// The addresses it listens on, where those are this machine's own.
    pub(crate) addresses: Vec<IpAddr>,
    /// How its Service leads to it, where it is reached by one.
    pub(crate) service: Option<ServicePlan>,
    /// Addresses that turned out not to be this machine's.
    pub(crate) unusable: Vec<IpAddr>,
    pub(crate) listeners: Vec<ListenerPlan<'a>>,
    /// Whether only what is claimed is served.
    pub(crate) claims_required: bool,
    /// What is wrong with the Gateway itself.
    pub(crate) findings: Findings,
}

impl GatewayPlan<'_> {
    /// Whether nothing speaks against the Gateway itself.
    pub(crate) fn is_accepted(&self) -> bool {
        !self.findings.against(Concern::Accepted)
    }

    /// Where a port of it listens.
    pub(crate) fn sockets(&self, port: u16) -> Vec<Socket> {
        match &self.service {
            Some(service) => service.socket(port).into_iter().collect(),
            None => self.addresses.iter().map(|address| Socket { address: *address, port }).collect(),
        }
    }
}

/// Seconds since 1970 at which an object was made; 0 when nobody says.
pub(crate) fn created(meta: &ObjectMeta) -> i64 {
    meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second())
}

/// Reads every Gateway of ours, oldest first, conflicts and sockets decided.
pub(crate) fn plan<'a>(
    env: &Env<'a>,
    classes: &Classes,
    loaded: &mut Certificates,
    out: &mut Translation,
) -> Vec<GatewayPlan<'a>> {
    loaded.begin();
    let mut plans = Vec::new();
    for (key, object) in env.snapshot.gateways.iter() {
        match classes.get(&object.spec.gateway_class_name) {
            Class::Foreign => {}
            Class::Missing => drop(out.problems.insert(missing_class(key, object))),
            class => plans.push(plan_one(env, loaded, class, (key, object))),
        }
    }
    loaded.end();
    plans.sort_by_key(|plan| (created(&plan.object.metadata), plan.key));
    exposure::assign(env.snapshot, &mut plans);
    socket::claim(&mut plans);
    plans
}

fn missing_class(key: &ObjectKey, object: &Gateway) -> Problem {
    let name = &object.spec.gateway_class_name;
    Problem {
        object: ObjectRef::new(Kind::Gateway, key.clone()),
        field: Field::SPEC.name("gatewayClassName").to_string(),
        reason: Reason::Pending.as_str(),
        message: format!("there is no GatewayClass '{name}', so nobody serves this Gateway"),
        remedy: format!("create a GatewayClass '{name}' with controllerName {}", crate::api::gateway::CONTROLLER_NAME),
    }
}

fn plan_one<'a>(
    env: &Env<'a>,
    loaded: &mut Certificates,
    class: Class,
    (key, object): (&'a ObjectKey, &'a Gateway),
) -> GatewayPlan<'a> {
    let spec = &object.spec;
    let mut findings = Findings::default();
    let asked = address::asked(&spec.addresses, &mut findings);
    refuse_parameters(class, object, &mut findings);
    notice_unserved(object, &mut findings);
    let gateway = (&key.namespace, spec.tls.as_ref());
    let listeners = spec.listeners.iter().enumerate();
    let mut listeners: Vec<_> = listeners.map(|entry| listener::plan(env, loaded, gateway, entry)).collect();
    conflict::mark(&mut listeners);
    let claims_required = matches!(class, Class::Accepted(parameters) if parameters.claims_required);
    let addresses = on_this_machine(&asked, env.snapshot.facts.host_address());
    GatewayPlan {
        key,
        object,
        asked,
        addresses,
        service: None,
        unusable: Vec::new(),
        listeners,
        claims_required,
        findings,
    }
}

/// Where a Gateway listens when nothing is assigned to it: as it asks, or on the address given.
fn on_this_machine(asked: &[Option<IpAddr>], default: IpAddr) -> Vec<IpAddr> {
    let mut addresses = Vec::with_capacity(asked.len());
    for address in asked.iter().map(|address| address.unwrap_or(default)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn refuse_parameters(class: Class, object: &Gateway, findings: &mut Findings) {
    if class == Class::Refused {
        let message = format!("its GatewayClass '{}' is not accepted", object.spec.gateway_class_name);
        let at = Field::SPEC;
        findings.reject(Reason::InvalidParameters, &at.name("gatewayClassName"), message, "mend the GatewayClass");
    }
    if let Some(parameters) = object.spec.infrastructure.as_ref().and_then(|it| it.parameters_ref.as_ref()) {
        let message =
            format!("parameters of kind '{}' are not supported", qualified(&parameters.group, &parameters.kind));
        let at = Field::SPEC;
        let at = at.name("infrastructure");
        findings.reject(Reason::InvalidParameters, &at.name("parametersRef"), message, "remove parametersRef");
    }
}

fn notice_unserved(object: &Gateway, findings: &mut Findings) {
    let spec = &object.spec;
    let mut notice = |field: &str, message: &str| {
        findings.notice(
            Reason::UnsupportedValue,
            &Field::SPEC.name(field),
            message,
            "remove it, or wait for a release that supports it",
        );
    };
    if spec.tls.as_ref().is_some_and(|tls| tls.backend.is_some()) {
        notice("tls.backend", "client certificates towards backends are not supported yet; none is shown");
    }
    let listener_sets = spec.allowed_listeners.as_ref().and_then(|allowed| allowed.namespaces.as_ref()?.from.as_ref());
    if listener_sets.is_some_and(|from| *from != FromNamespaces::None) {
        notice("allowedListeners", "ListenerSets are not supported yet; none attaches");
    }
    if spec.default_scope.is_some() {
        notice("defaultScope", "default Gateways are not supported; routes must name this Gateway");
    }
}
