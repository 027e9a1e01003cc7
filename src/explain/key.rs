//! The key of a limit, with the values that a request has for it.

use std::fmt;

use serde::Serialize;

use super::limit::Asking;
use crate::ir::limit::KeyPart;
use crate::table::action::RuleId;
use crate::table::limits::key;

/// One part of a key.
#[derive(Debug, Serialize)]
pub struct KeyValue {
    /// Type and name, as `Header x-user`.
    part: String,
    /// What the request has for it: an IPv6 client its /64. None if it has nothing, or the client is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl KeyValue {
    pub(super) fn of(part: &KeyPart, rule: &RuleId, Asking { query, client }: Asking<'_>) -> Self {
        let value = match part {
            KeyPart::ClientIp => client.map(|client| {
                let network = key::network(client).to_string();
                network.strip_suffix("/32").map_or(network.clone(), ToOwned::to_owned)
            }),
            KeyPart::Tenant => rule.tenant.as_deref().map(ToOwned::to_owned),
            KeyPart::Namespace => Some(rule.route.key.namespace.to_string()),
            KeyPart::Route => Some(rule.route.to_string()),
            _ => key::value(part, query).map(|value| {
                let value = String::from_utf8_lossy(&value);
                let is_claim = matches!(part, KeyPart::JwtClaim { .. });
                // a string begins with what tells it from a number
                value.strip_prefix('"').filter(|_| is_claim).unwrap_or(&value).to_owned()
            }),
        };
        Self { part: part.to_string(), value }
    }
}

const CLIENT: &str = "ClientIP";

/// The value in quotes: whoever sends a request chooses what stands in it.
impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} {value:?}", self.part),
            // it has one, of which nothing was said
            None if self.part == CLIENT => f.write_str(CLIENT),
            None => write!(f, "{} (none)", self.part),
        }
    }
}
