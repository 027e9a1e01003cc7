//! GatewayClasses: which are ours, and what we tell them we can do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::Field;
use super::finding::{Concern, Findings, qualified};
use super::reason::Reason;
use super::{Translation, status};
use crate::api::gateway::gateway_class::ParametersReference;
use crate::api::gateway::{CONTROLLER_NAME, GatewayClass};
use crate::api::policy::gateway_parameters::Claims;
use crate::api::status::{GatewayClassStatus, Status, SupportedFeature};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::{Exposure, Snapshot};

/// Names of conformance features that are served, ascending as the suite demands.
pub const SUPPORTED_FEATURES: &[&str] = &[
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "GRPCRouteRequestHeaderModifier",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayInfrastructure",
    "GatewayPort8080",
    "GatewayRouteHostnameIntersectionPrecedence",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteBackendURLRewrite",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetryCodes",
    "HTTPRouteRetryConnectionError",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
];

/// What is served when Gateways are reached in a given way: on a machine's own address nothing is
/// chosen, and without Services nothing is generated that labels could be put on.
fn is_served(feature: &str, exposure: &Exposure) -> bool {
    match feature {
        "GatewayAddressEmpty" => !matches!(exposure, Exposure::Host(_)),
        "GatewayInfrastructure" => matches!(exposure, Exposure::Service(_)),
        _ => true,
    }
}

/// What a Gateway's class means for the Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Ours and accepted.
    Accepted(Parameters),
    /// Ours, but itself refused.
    Refused,
    /// Another controller's.
    Foreign,
    /// There is no such class.
    Missing,
}

/// What a class's GatewayParameters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parameters {
    /// Whether only what is claimed is served.
    pub(crate) claims_required: bool,
}

/// The classes of a snapshot by name.
#[derive(Debug)]
pub(crate) struct Classes(BTreeMap<String, Class>);

impl Classes {
    /// What is known about a class.
    pub(crate) fn get(&self, name: &str) -> Class {
        self.0.get(name).copied().unwrap_or(Class::Missing)
    }
}

/// Judges every class and reports on ours.
pub(crate) fn classes(snapshot: &Snapshot, out: &mut Translation) -> Classes {
    let judged = snapshot.gateway_classes.iter().map(|(key, class)| {
        let ours = class.spec.controller_name == CONTROLLER_NAME;
        let verdict = if ours { judge(snapshot, (key, class), out) } else { Class::Foreign };
        (key.name.to_string(), verdict)
    });
    Classes(judged.collect())
}

fn judge(snapshot: &Snapshot, (key, class): (&ObjectKey, &GatewayClass), out: &mut Translation) -> Class {
    let generation = class.metadata.generation.unwrap_or_default();
    let mut findings = Findings::default();
    let parameters = class.spec.parameters_ref.as_ref().map(|reference| parameters(snapshot, reference, &mut findings));
    let (verdict, accepted) = match findings.verdict(Concern::Accepted) {
        Some((reason, message)) => (Class::Refused, status::fails(status::ACCEPTED, reason, message, generation)),
        None => (
            Class::Accepted(parameters.unwrap_or_default()),
            status::holds(status::ACCEPTED, Reason::Accepted, "Paifang serves Gateways of this class", generation),
        ),
    };
    let object = ObjectRef::new(Kind::GatewayClass, key.clone());
    out.problems.extend(findings.into_problems(&object));
    let served = SUPPORTED_FEATURES.iter().filter(|name| is_served(name, &snapshot.facts.exposure));
    let supported_features = served.map(|name| SupportedFeature { name }).collect();
    let status = GatewayClassStatus { conditions: vec![accepted], supported_features };
    out.statuses.insert(object, Arc::new(Status::GatewayClass(status)));
    verdict
}

/// Follows `parametersRef`. A class whose parameters cannot be found is refused: they may be there to
/// forbid something.
fn parameters(snapshot: &Snapshot, reference: &ParametersReference, findings: &mut Findings) -> Parameters {
    let at = Field::SPEC;
    let at = at.name("parametersRef");
    let mut reject = |message: String, remedy| {
        findings.reject(Reason::InvalidParameters, &at, message, remedy);
        Parameters::default()
    };
    let kind = qualified(&reference.group, &reference.kind);
    if kind != "paifang.dev/GatewayParameters" {
        return reject(
            format!("parameters of kind '{kind}' are not supported"),
            "refer to a GatewayParameters of paifang.dev",
        );
    }
    let Some(namespace) = reference.namespace.as_deref() else {
        return reject("the parameters have no namespace".to_owned(), "write parametersRef.namespace");
    };
    let named = ObjectKey::new(namespace, reference.name.as_str());
    match snapshot.gateway_parameters.get(&named).map(|parameters| &parameters.spec.claims) {
        Some(Claims::Optional) => Parameters { claims_required: false },
        Some(Claims::Required) => Parameters { claims_required: true },
        Some(Claims::Other(value)) => {
            reject(format!("GatewayParameters '{named}' say claims: '{value}'"), "write Optional or Required")
        }
        None => reject(format!("there is no GatewayParameters '{named}'"), "create it, or remove parametersRef"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::translate::testing::{condition, snapshot, status_of};
    use crate::translate::translate;

    #[test]
    fn supported_features_are_sorted_and_within_the_limit() {
        assert!(SUPPORTED_FEATURES.is_sorted_by(|a, b| a < b), "the conformance suite demands ascending order");
        assert!(SUPPORTED_FEATURES.len() <= 64);
    }

    /// Conformance: GatewayClassObservedGenerationBump.
    #[test]
    fn our_class_is_accepted_at_its_current_generation() {
        let world = snapshot([json!({"kind": "GatewayClass", "metadata": {"name": "paifang", "generation": 7},
            "spec": {"controllerName": CONTROLLER_NAME}})]);
        let status = status_of(&translate(&world), "GatewayClass paifang");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("True", "Accepted", 7));
        assert_eq!(status["supportedFeatures"][0]["name"], "GRPCRoute");
    }

    #[test]
    fn a_class_of_another_controller_gets_no_status() {
        let world = snapshot([json!({"kind": "GatewayClass", "metadata": {"name": "other"},
            "spec": {"controllerName": "example.com/other"}})]);
        assert!(translate(&world).statuses.is_empty());
    }

    #[test]
    fn a_class_with_parameters_is_refused() {
        let world = snapshot([json!({"kind": "GatewayClass", "metadata": {"name": "paifang", "generation": 1},
            "spec": {"controllerName": CONTROLLER_NAME, "parametersRef": {"group": "x.io", "kind": "Y", "name": "z"}}})]);
        let translation = translate(&world);
        let status = status_of(&translation, "GatewayClass paifang");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("False", "InvalidParameters", 1));
        assert_eq!(translation.problems.get_min().unwrap().field, "spec.parametersRef");
    }
}
