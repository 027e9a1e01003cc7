//! Rules and certificates for tests.

use std::sync::Arc;

use crate::api::{Kind, ObjectKey};
use crate::ir::{Certificate, Hostname, RouteId};
use crate::table::Rule;
use crate::table::action::{Action, Backends, Filters, RuleId};
use crate::table::limits::Bound;

/// A rule of HTTPRoute `shop/<route>` on the Gateway `infra/edge`.
pub(super) fn rule(route: &str, hostname: Option<&str>) -> Rule {
    let action = Action {
        filters: Filters::default(),
        backends: Backends::default(),
        request_timeout: None,
        backend_timeout: None,
        retry: None,
    };
    let id = RuleId {
        tenant: None,
        gateway: ObjectKey::new("infra", "edge"),
        listener: "web".into(),
        route: RouteId { kind: Kind::HttpRoute, key: ObjectKey::new("shop", route) },
        rule: "0".into(),
        hostname: hostname.and_then(Hostname::parse),
    };
    let (limits, stats, share) = (Bound::default(), Arc::default(), Arc::default());
    Rule { id, created: 0, action: Arc::new(action), limits, stats, share }
}

/// A certificate from Secret `infra/wildcard`.
pub(super) fn certificate(not_after: i64) -> Certificate {
    Certificate {
        secret: ObjectKey::new("infra", "wildcard"),
        fingerprint: String::new(),
        names: Vec::new(),
        validity: (0, not_after),
        chain: Vec::new(),
        key: Arc::new(rustls_pki_types::PrivateKeyDer::Pkcs8(vec![0].into())),
    }
}
