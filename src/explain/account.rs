//! What an explanation says.

use std::net::IpAddr;

use serde::Serialize;

use super::NotAttached;
use super::key::KeyValue;
use super::left::Left;
use crate::ir::{Claim, Limit, Retry, Timeouts};

/// What becomes of a request at every Gateway that listens on its port.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation<'i> {
    /// The method.
    pub method: String,
    /// Lower case, without port and trailing dot.
    pub host: String,
    /// As routes see it.
    pub path: String,
    /// Who asks, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The claim that decides about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<&'i Claim>,
    /// One entry for each Gateway; none when nobody listens there.
    pub gateways: Vec<AtGateway<'i>>,
    /// Routes that name this host, or any, and are not attached for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_attached: Vec<NotAttached<'i>>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_none_left")]
    pub not_attached_left_out: usize,
}

/// What becomes of it at one Gateway.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AtGateway<'i> {
    /// Namespace and name of the Gateway.
    pub gateway: String,
    /// The listener with the most specific hostname.
    pub listener: &'i str,
    /// The match that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<Winner<'i>>,
    /// Every other match of the listener, each with why it does not serve: best first, those for other hosts last.
    pub losers: Vec<Loser>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_none_left")]
    pub losers_left_out: usize,
}

/// The match that serves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Winner<'i> {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// The tenant of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'i str>,
    /// What happens to the request and its response, in the order it does. Values of header fields are not shown: there may
    /// be credentials among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Time limits.
    #[serde(skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
    /// Retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<&'i Retry>,
    /// What it is under, from the Gateway to the rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limited<'i>>,
    /// Where it goes.
    pub backends: Vec<Backend>,
}

/// A limit, and what it has left.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limited<'i> {
    /// The limit.
    #[serde(flatten)]
    pub limit: &'i Limit,
    /// What of the request its key is made of.
    #[serde(rename = "keyValues", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<KeyValue>,
    /// `left` with requests like this one that would be let through at once, or `note` with what there is to say about it.
    #[serde(flatten)]
    pub left: Left,
}

/// A backend and its share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Namespace, Service and port, or why there is none.
    pub backend: String,
    /// Its share among the rule's backends.
    pub weight: u32,
    /// What happens only to its share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// The addresses that take requests now.
    pub endpoints: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_none_left")]
    pub endpoints_left_out: usize,
}

/// A match that does not serve.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loser {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Why.
    pub because: String,
}

/// Where a match stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Kind, namespace and name of the route.
    pub route: String,
    /// The rule's name, or its position.
    pub rule: String,
    /// The hostname as the route writes it, `*` for every host.
    pub hostname: String,
    /// The condition on the path.
    pub path: String,
}

impl Explanation<'_> {
    /// Whether somebody serves the request.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.gateways.iter().any(|gateway| gateway.winner.is_some())
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none_left(count: &usize) -> bool {
    *count == 0
}
