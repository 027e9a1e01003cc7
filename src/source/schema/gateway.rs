//! GatewayClass, Gateway, ListenerSet.

use super::filter::LISTENER_FILTERS;
use super::shared::{
    CHOICE, GROUP, HOSTNAME, KIND, LABEL_SELECTOR, LOCAL_REF, METADATA, NAMESPACE, OBJECT_NAME, OBJECT_REF, PORT,
    SECRET_REF, SECTION, STATUS,
};
use super::{Field, Form, List, Preset, Shape, keyed, list, optional, required, text};

pub(super) const GATEWAY_CLASS: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required(
        "spec",
        Shape::Object(&[
            required("controllerName", text(1, 253, Form::DomainPath)),
            optional("description", text(0, 64, Form::Any)),
            optional(
                "parametersRef",
                Shape::Object(&[
                    required("group", GROUP),
                    required("kind", KIND),
                    required("name", OBJECT_NAME),
                    optional("namespace", NAMESPACE),
                ]),
            ),
        ]),
    ),
]);

pub(super) const GATEWAY: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required(
        "spec",
        Shape::Object(&[
            required("gatewayClassName", OBJECT_NAME),
            LISTENERS,
            optional("addresses", Shape::List(&ADDRESSES)),
            optional("allowedListeners", ALLOWED_LISTENERS),
            optional("defaultScope", CHOICE),
            optional("infrastructure", INFRASTRUCTURE),
            optional("tls", TLS),
        ]),
    ),
]);

pub(super) const LISTENER_SET: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required("spec", Shape::Object(&[LISTENERS, required("parentRef", LISTENER_SET_PARENT)])),
]);

const LISTENER_SET_PARENT: Shape = Shape::Object(&[
    optional("group", GROUP).or(Preset::Text(crate::api::gateway::GROUP)),
    optional("kind", KIND).or(Preset::Text("Gateway")),
    optional("namespace", NAMESPACE),
    required("name", OBJECT_NAME),
]);

const LISTENERS: Field = required("listeners", Shape::List(&keyed(LISTENER, 1, 64, "name")));
const LISTENER: Shape = Shape::Object(&[
    required("name", SECTION),
    optional("hostname", HOSTNAME),
    required("port", PORT),
    required("protocol", text(1, 255, Form::Protocol)),
    optional("tls", LISTENER_TLS),
    optional("allowedRoutes", ALLOWED_ROUTES).or(Preset::Object),
    optional("filters", LISTENER_FILTERS),
]);

const LISTENER_TLS: Shape = Shape::Object(&[
    optional("mode", CHOICE).or(Preset::Text("Terminate")),
    optional("certificateRefs", Shape::List(&list(SECRET_REF, 0, 64))),
    optional("options", Shape::Map(16)),
]);

const ALLOWED_ROUTES: Shape = Shape::Object(&[
    optional("kinds", Shape::List(&ROUTE_KINDS)),
    optional(
        "namespaces",
        Shape::Object(&[optional("from", CHOICE).or(Preset::Text("Same")), optional("selector", LABEL_SELECTOR)]),
    )
    .or(Preset::Object),
]);
const ROUTE_KINDS: List = list(
    Shape::Object(&[optional("group", GROUP).or(Preset::Text(crate::api::gateway::GROUP)), required("kind", KIND)]),
    0,
    8,
);

const ALLOWED_LISTENERS: Shape = Shape::Object(&[optional(
    "namespaces",
    Shape::Object(&[optional("from", CHOICE).or(Preset::Text("None")), optional("selector", LABEL_SELECTOR)]),
)
.or(Preset::Object)]);

const ADDRESSES: List = list(
    Shape::Object(&[
        optional("type", CHOICE).or(Preset::Text("IPAddress")),
        optional("value", text(0, 253, Form::Any)),
        optional("routability", text(0, 253, Form::Any)),
    ]),
    0,
    16,
);

const INFRASTRUCTURE: Shape = Shape::Object(&[
    optional("labels", Shape::Map(8)),
    optional("annotations", Shape::Map(16)),
    optional("parametersRef", LOCAL_REF),
]);

const TLS: Shape = Shape::Object(&[
    optional("backend", Shape::Object(&[optional("clientCertificateRef", SECRET_REF)])),
    optional(
        "frontend",
        Shape::Object(&[
            required("default", FRONTEND_TLS),
            optional("perPort", Shape::List(&keyed(PER_PORT, 0, 64, "port"))),
        ]),
    ),
]);
const PER_PORT: Shape = Shape::Object(&[required("port", PORT), required("tls", FRONTEND_TLS)]);
const FRONTEND_TLS: Shape = Shape::Object(&[optional(
    "validation",
    Shape::Object(&[
        required("caCertificateRefs", Shape::List(&list(OBJECT_REF, 1, 16))),
        optional("mode", CHOICE).or(Preset::Text("AllowValidOnly")),
    ]),
)]);
