//! What text in our CRDs must look like, as the API server's regular expressions (RE2).
//!
//! The folder source has a reader and words for each; `source::schema` says which, and a test that
//! both agree.

/// RFC 1123 label.
pub const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// RFC 1123 subdomain.
pub const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// An API group; the core group is empty.
pub const GROUP: &str = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// A kind.
pub const KIND: &str = "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";

/// A hostname, with or without a wildcard as its first label.
pub const HOSTNAME: &str = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// A path as requests have it after normalisation: no empty, `.` or `..` segment, no slash or dot in
/// percent-encoding, no query, no fragment.
pub const PATH: &str = concat!(
    r"^/((\.?([-A-Za-z0-9_~!$&'()*+,;=:@]|%[013-9A-Fa-f][0-9A-Fa-f]|%2[0-9A-Da-d])",
    r"|\.\.([-A-Za-z0-9._~!$&'()*+,;=:@]|%[013-9A-Fa-f][0-9A-Fa-f]|%2[0-9A-Da-d]))",
    r"([-A-Za-z0-9._~!$&'()*+,;=:@]|%[013-9A-Fa-f][0-9A-Fa-f]|%2[0-9A-Da-d])*/)*",
    r"((\.?([-A-Za-z0-9_~!$&'()*+,;=:@]|%[013-9A-Fa-f][0-9A-Fa-f]|%2[0-9A-Da-d])",
    r"|\.\.([-A-Za-z0-9._~!$&'()*+,;=:@]|%[013-9A-Fa-f][0-9A-Fa-f]|%2[0-9A-Da-d]))",
    r"([-A-Za-z0-9._~!$&'()*+,;=:@]|%[013-9A-Fa-f][0-9A-Fa-f]|%2[0-9A-Da-d])*)?$",
);

/// A time span in whole seconds, minutes and hours; the `RateLimit` fields know nothing shorter.
pub const PERIOD: &str = "^([0-9]{1,5}(h|m|s)){1,3}$";

/// A Kubernetes quantity of at least one: a number with an optional suffix.
pub const QUANTITY: &str = r"^[1-9][0-9]{0,14}(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$";

/// A network, IPv4 or IPv6, with the length of its prefix. Of IPv6 the API server sees no more than that
/// it could be one.
pub const CIDR: &str = concat!(
    r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"/(3[0-2]|[12]?[0-9])$|^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$",
);

/// A field name of HTTP: RFC 9110 token.
pub const FIELD_NAME: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// A media type, with or without parameters.
pub const MEDIA_TYPE: &str =
    "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *; *[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+)*$";

/// Key of a label, with or without a domain before it.
pub const LABEL_KEY: &str = concat!(
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?",
    r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
);

/// Value of a label; may be empty.
pub const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
