//! Condition reasons: the Gateway API's, as far as Paifang uses them, and those of our own kinds.

/// Why a condition is as it is. Declaration order is precedence: of several faults of one
/// condition, the earliest shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    InvalidParameters,
    UnsupportedAddress,
    UnsupportedProtocol,
    ProtocolConflict,
    HostnameConflict,
    PortUnavailable,
    NoMatchingParent,
    NotAllowedByListeners,
    NoMatchingListenerHostname,
    HostnameNotPermitted,
    IncompatibleFilters,
    InvalidRouteKinds,
    InvalidKind,
    RefNotPermitted,
    InvalidCertificateRef,
    BackendNotFound,
    UnsupportedValue,
    ListenersNotValid,
    ListenersNotResolved,
    AddressNotUsable,
    AddressNotAssigned,
    NoResources,
    Invalid,
    TargetNotFound,
    Pending,
    OverlappingHostnames,
    NamespaceConflict,
    ClaimConflict,
    Accepted,
    Programmed,
    ResolvedRefs,
}

impl Reason {
    /// As it is written in a condition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameters => "InvalidParameters",
            Self::UnsupportedAddress => "UnsupportedAddress",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
            Self::ProtocolConflict => "ProtocolConflict",
            Self::HostnameConflict => "HostnameConflict",
            Self::PortUnavailable => "PortUnavailable",
            Self::NoMatchingParent => "NoMatchingParent",
            Self::NotAllowedByListeners => "NotAllowedByListeners",
            Self::NoMatchingListenerHostname => "NoMatchingListenerHostname",
            Self::HostnameNotPermitted => "HostnameNotPermitted",
            Self::IncompatibleFilters => "IncompatibleFilters",
            Self::InvalidRouteKinds => "InvalidRouteKinds",
            Self::InvalidKind => "InvalidKind",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::InvalidCertificateRef => "InvalidCertificateRef",
            Self::BackendNotFound => "BackendNotFound",
            Self::UnsupportedValue => "UnsupportedValue",
            Self::ListenersNotValid => "ListenersNotValid",
            Self::ListenersNotResolved => "ListenersNotResolved",
            Self::AddressNotUsable => "AddressNotUsable",
            Self::AddressNotAssigned => "AddressNotAssigned",
            Self::NoResources => "NoResources",
            Self::Invalid => "Invalid",
            Self::TargetNotFound => "TargetNotFound",
            Self::Pending => "Pending",
            Self::OverlappingHostnames => "OverlappingHostnames",
            Self::NamespaceConflict => "NamespaceConflict",
            Self::ClaimConflict => "ClaimConflict",
            Self::Accepted => "Accepted",
            Self::Programmed => "Programmed",
            Self::ResolvedRefs => "ResolvedRefs",
        }
    }
}
