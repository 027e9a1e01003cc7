//! Paifang's own kinds, group `paifang.dev`: who may have what, and how much of it.
//!
//! The types are the source of everything else: the CRDs in `crds/` are made from them, the folder
//! source checks and defaults manifests by the same schema, and the descriptions that users read with
//! `kubectl explain` are the comments of the fields. Rules between fields stand in the CRD as CEL and
//! in `source::validate` as Rust; `crds/examples` and a cluster prove that they agree.

#![allow(unreachable_pub, reason = "KubeSchema makes a copy of each public type inside a function")]

mod crd;
pub mod gateway_parameters;
pub mod limit;
pub mod pattern;
pub mod quantity;
pub mod rate_limit;
pub mod share_grant;
pub mod status;
pub mod tenant;

pub use crd::{crds, of, schema};
pub use gateway_parameters::GatewayParameters;
pub use rate_limit::RateLimitPolicy;
pub use share_grant::ShareGrant;
pub use tenant::Tenant;

/// The API group of Paifang's kinds.
pub const GROUP: &str = "paifang.dev";

/// The version of that group.
pub const VERSION: &str = "v1alpha1";

use super::lenient::lenient_enum;

lenient_enum!(
    /// Whether something is done or only reported.
    #[derive(Default)]
    Mode { #[default] Enforce = "Enforce", Shadow = "Shadow" }
);

/// Whether a value is the one that its absence means; such a value is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
