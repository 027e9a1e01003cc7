//! Shapes that several kinds share.

use super::{Field, Form, List, Preset, Shape, list, optional, required, text};

pub(super) const GROUP: Shape = text(0, 253, Form::Group);
pub(super) const KIND: Shape = text(1, 63, Form::Kind);
pub(super) const OBJECT_NAME: Shape = text(1, 253, Form::Any);
pub(super) const NAMESPACE: Shape = text(1, 63, Form::Label);
pub(super) const SECTION: Shape = text(1, 253, Form::Subdomain);
pub(super) const HOSTNAME: Shape = text(1, 253, Form::Hostname);
pub(super) const PRECISE_HOSTNAME: Shape = text(1, 253, Form::Subdomain);
pub(super) const HEADER_NAME: Shape = text(1, 256, Form::HeaderName);
pub(super) const DURATION: Shape = text(1, 64, Form::Duration);
pub(super) const PORT: Shape = Shape::Int(1, 65_535);
/// An enumeration: left open, the translator judges the value.
pub(super) const CHOICE: Shape = text(1, 253, Form::Any);
pub(super) const ANY_TEXT: Shape = text(0, 262_144, Form::Any);

/// `metadata` of an object whose name is a subdomain.
pub(super) const METADATA: Field = required("metadata", Shape::Open(&OBJECT_META));
/// `metadata` of an object whose name is a label.
pub(super) const LABEL_METADATA: Field = required("metadata", Shape::Open(&LABEL_META));

const OBJECT_META: [Field; 4] = [
    required("name", text(1, 253, Form::Subdomain)),
    optional("namespace", NAMESPACE),
    optional("labels", Shape::Map(usize::MAX)),
    optional("annotations", Shape::Map(usize::MAX)),
];
const LABEL_META: [Field; 4] = [
    required("name", text(1, 63, Form::Label)),
    optional("namespace", NAMESPACE),
    optional("labels", Shape::Map(usize::MAX)),
    optional("annotations", Shape::Map(usize::MAX)),
];

/// Status is the controller's, whatever the manifest says.
pub(super) const STATUS: Field = optional("status", Shape::Any);

pub(super) const PARENT_REF: Shape = Shape::Object(&[
    optional("group", GROUP).or(Preset::Text(crate::api::gateway::GROUP)),
    optional("kind", KIND).or(Preset::Text("Gateway")),
    optional("namespace", NAMESPACE),
    required("name", OBJECT_NAME),
    optional("sectionName", SECTION),
    optional("port", PORT),
]);
pub(super) const PARENT_REFS: Field = optional("parentRefs", Shape::List(&list(PARENT_REF, 0, 32)));
pub(super) const USE_DEFAULT_GATEWAYS: Field = optional("useDefaultGateways", CHOICE);

/// A Secret unless said otherwise.
pub(super) const SECRET_REF: Shape = Shape::Object(&[
    optional("group", GROUP).or(Preset::Text("")),
    optional("kind", KIND).or(Preset::Text("Secret")),
    optional("namespace", NAMESPACE),
    required("name", OBJECT_NAME),
]);
/// Group and kind must be said.
pub(super) const OBJECT_REF: Shape = Shape::Object(&[
    required("group", GROUP),
    required("kind", KIND),
    optional("namespace", NAMESPACE),
    required("name", OBJECT_NAME),
]);
pub(super) const LOCAL_REF: Shape =
    Shape::Object(&[required("group", GROUP), required("kind", KIND), required("name", OBJECT_NAME)]);

pub(super) const BACKEND_GROUP: Field = optional("group", GROUP).or(Preset::Text(""));
pub(super) const BACKEND_KIND: Field = optional("kind", KIND).or(Preset::Text("Service"));
pub(super) const BACKEND_NAME: Field = required("name", OBJECT_NAME);
pub(super) const BACKEND_NAMESPACE: Field = optional("namespace", NAMESPACE);
pub(super) const BACKEND_PORT: Field = optional("port", PORT);
pub(super) const WEIGHT: Field = optional("weight", Shape::Int(0, 1_000_000)).or(Preset::Int(1));
/// A Service unless said otherwise, without weight.
pub(super) const BACKEND_OBJECT_REF: Shape =
    Shape::Object(&[BACKEND_GROUP, BACKEND_KIND, BACKEND_NAME, BACKEND_NAMESPACE, BACKEND_PORT]);

pub(super) const LABEL_SELECTOR: Shape = Shape::Object(&[
    optional("matchLabels", Shape::Map(usize::MAX)),
    optional("matchExpressions", Shape::List(&MATCH_EXPRESSIONS)),
]);
const MATCH_EXPRESSIONS: List = list(
    Shape::Object(&[
        required("key", ANY_TEXT),
        required("operator", ANY_TEXT),
        optional("values", Shape::List(&list(ANY_TEXT, 0, usize::MAX))),
    ]),
    0,
    usize::MAX,
);

pub(super) const SESSION_PERSISTENCE: Field = optional(
    "sessionPersistence",
    Shape::Object(&[
        optional("type", CHOICE).or(Preset::Text("Cookie")),
        optional("absoluteTimeout", DURATION),
        optional(
            "cookie",
            Shape::Object(&[
                optional("name", HEADER_NAME),
                optional("path", text(0, 1024, Form::Any)).or(Preset::Text("/")),
                optional("lifetimeType", CHOICE).or(Preset::Text("Session")),
            ]),
        ),
        optional("header", Shape::Object(&[required("name", HEADER_NAME)])),
    ]),
);
