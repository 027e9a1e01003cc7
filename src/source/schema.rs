//! What the fields of each kind look like: names, types, limits, defaults.
//!
//! One description serves both [`super::defaults`], which fills in what the API server would, and
//! [`super::validate`], which refuses what it would refuse. The tables follow the experimental
//! channel of Gateway API v1.7; their enumerations are left open on purpose, because the translator
//! answers a value from the future with `UnsupportedValue`. Those of our own kinds are made from the
//! CRDs of this version, so nothing is from the future in them.

mod core;
mod filter;
mod form;
mod gateway;
mod own;
mod policy;
mod route;
mod shared;

use crate::api::Kind;

pub(super) use form::Form;

/// What a value must look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Exactly these fields: an unknown one is a typing error that would change the meaning.
    Object(&'static [Field]),
    /// These fields are checked, others are somebody else's.
    Open(&'static [Field]),
    /// A list.
    List(&'static List),
    /// Text by text, at most so many entries.
    Map(usize),
    /// Values of one shape by name.
    Named(&'static Named),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A Kubernetes quantity of at least one: a number, or text with a suffix.
    Quantity,
    /// Text.
    Text(Text),
    /// A whole number between the two, both included.
    Int(i64, i64),
    /// A boolean.
    Bool,
    /// Anything.
    Any,
}

/// A field of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    pub(super) default: Preset,
}

/// What the API server writes where nothing is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    /// Nothing.
    None,
    /// Text.
    Text(&'static str),
    /// A number.
    Int(i64),
    /// An object, of which the fields get their own defaults.
    Object,
    /// A list of one such object.
    ListOfOne,
}

/// Length in characters, and form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) form: Form,
}

/// A list, its limits, and what makes its items distinct.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) item: Shape,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) distinct: Distinct,
}

/// A map, and how many entries it may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) item: Shape,
    pub(super) least: usize,
    pub(super) most: usize,
}

/// What may not be there twice.
#[derive(Debug, Clone, Copy)]
pub(super) enum Distinct {
    /// Anything may.
    No,
    /// Whole items.
    Items,
    /// Items with the same value of a field.
    By(&'static str),
}

impl Field {
    /// Gives the field a default.
    const fn or(mut self, default: Preset) -> Self {
        self.default = default;
        self
    }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false, default: Preset::None }
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true, default: Preset::None }
}

const fn text(least: usize, most: usize, form: Form) -> Shape {
    Shape::Text(Text { least, most, form })
}

const fn list(item: Shape, least: usize, most: usize) -> List {
    List { item, least, most, distinct: Distinct::No }
}

const fn set(item: Shape, most: usize) -> List {
    List { item, least: 0, most, distinct: Distinct::Items }
}

const fn keyed(item: Shape, least: usize, most: usize, key: &'static str) -> List {
    List { item, least, most, distinct: Distinct::By(key) }
}

/// The fields of an object of a kind, beside `apiVersion` and `kind`.
pub(super) fn of(kind: Kind) -> Shape {
    match kind {
        Kind::GatewayClass => gateway::GATEWAY_CLASS,
        Kind::Gateway => gateway::GATEWAY,
        Kind::ListenerSet => gateway::LISTENER_SET,
        Kind::HttpRoute => route::HTTP_ROUTE,
        Kind::GrpcRoute => route::GRPC_ROUTE,
        Kind::TlsRoute => route::TLS_ROUTE,
        Kind::TcpRoute | Kind::UdpRoute => route::L4_ROUTE,
        Kind::ReferenceGrant => policy::REFERENCE_GRANT,
        Kind::BackendTlsPolicy => policy::BACKEND_TLS_POLICY,
        Kind::Tenant | Kind::ShareGrant | Kind::RateLimitPolicy | Kind::GatewayParameters => own::of(kind),
        Kind::Namespace => core::NAMESPACE,
        Kind::Service => core::SERVICE,
        Kind::Secret => core::SECRET,
        Kind::ConfigMap => core::CONFIG_MAP,
        Kind::EndpointSlice => core::ENDPOINT_SLICE,
    }
}

#[cfg(test)]
mod tests;
