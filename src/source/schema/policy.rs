//! ReferenceGrant and BackendTLSPolicy.

use super::shared::{
    CHOICE, GROUP, HOSTNAME, KIND, LOCAL_REF, METADATA, NAMESPACE, OBJECT_NAME, PRECISE_HOSTNAME, SECTION, STATUS,
};
use super::{Form, List, Shape, list, optional, required, text};

pub(super) const REFERENCE_GRANT: Shape = Shape::Object(&[
    METADATA,
    required(
        "spec",
        Shape::Object(&[
            required("from", Shape::List(&list(GRANT_FROM, 1, 16))),
            required("to", Shape::List(&list(GRANT_TO, 1, 16))),
        ]),
    ),
]);
const GRANT_FROM: Shape =
    Shape::Object(&[required("group", GROUP), required("kind", KIND), required("namespace", NAMESPACE)]);
const GRANT_TO: Shape =
    Shape::Object(&[required("group", GROUP), required("kind", KIND), optional("name", OBJECT_NAME)]);

pub(super) const BACKEND_TLS_POLICY: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required(
        "spec",
        Shape::Object(&[
            required("targetRefs", Shape::List(&TARGETS)),
            required("validation", VALIDATION),
            optional("options", Shape::Map(16)),
        ]),
    ),
]);
const TARGETS: List = list(
    Shape::Object(&[
        required("group", GROUP),
        required("kind", KIND),
        required("name", OBJECT_NAME),
        optional("sectionName", SECTION),
    ]),
    1,
    16,
);
const VALIDATION: Shape = Shape::Object(&[
    optional("caCertificateRefs", Shape::List(&list(LOCAL_REF, 1, 8))),
    optional("wellKnownCACertificates", text(1, 253, Form::WellKnown)),
    required("hostname", PRECISE_HOSTNAME),
    optional("subjectAltNames", Shape::List(&list(ALT_NAME, 0, 5))),
]);
const ALT_NAME: Shape = Shape::Object(&[
    required("type", CHOICE),
    optional("hostname", HOSTNAME),
    optional("uri", text(1, 253, Form::Uri)),
]);
