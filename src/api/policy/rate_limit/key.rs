//! Keys: what requests are told apart by.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::jwt::Jwt;
use crate::api::lenient::lenient_enum;

/// One part of a key.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.type in ['Header', 'Cookie', 'Query', 'JWTClaim']) == has(self.name)")
        .message("Header, Cookie, Query and JWTClaim need a name, others have none"),
    validation = Rule::new(
        "!has(self.name) || !(self.type in ['Header', 'Cookie']) || self.name.matches('^[A-Za-z0-9!#$%&\\'*+.^_`|~-]+$')",
    ).message("the name of a Header or Cookie is letters, digits and any of !#$%&'*+.^_`|~-"),
    validation = Rule::new("(self.type == 'JWTClaim') == has(self.jwt)")
        .message("JWTClaim needs jwt, others have none")
)]
pub struct KeyPart {
    /// `ClientIP` (IPv6 by its /64), `Header`, `Cookie`, `Query`, `JWTClaim` (of a token that `jwt` verifies), `Method`, `Path`,
    /// `Tenant`, `Namespace` or `Route`, the last three of the route that serves the request.
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// Name of the header, cookie, query parameter or claim; for other types it must be absent. At most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// For `JWTClaim`, and required there: which tokens count. A token comes in `Authorization: Bearer` and has at most 8 KiB;
    /// the claim is one of its own members, a text, a number or a boolean. All requests without a token that counts, or without
    /// the claim in it, are counted together. This limits requests and denies nobody access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
}

lenient_enum!(
    /// What requests are told apart by.
    KeyType {
        ClientIp = "ClientIP",
        Header = "Header",
        Cookie = "Cookie",
        Query = "Query",
        Method = "Method",
        Path = "Path",
        JwtClaim = "JWTClaim",
        Tenant = "Tenant",
        Namespace = "Namespace",
        Route = "Route",
    }
);

impl KeyType {
    /// Whether it needs a name.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        matches!(self, Self::Header | Self::Cookie | Self::Query | Self::JwtClaim)
    }
}
