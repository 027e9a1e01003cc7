//! Filters of routes and of listeners.

use super::shared::{BACKEND_OBJECT_REF, CHOICE, HEADER_NAME, LOCAL_REF, PORT, PRECISE_HOSTNAME};
use super::{Field, Form, List, Preset, Shape, keyed, list, optional, required, set, text};

/// `filters` of an HTTPRoute rule or backend.
pub(super) const HTTP_FILTERS: Field = optional("filters", Shape::List(&list(HTTP_FILTER, 0, 16)));
/// `filters` of a GRPCRoute rule or backend.
pub(super) const GRPC_FILTERS: Field = optional("filters", Shape::List(&list(GRPC_FILTER, 0, 16)));

const HTTP_FILTER: Shape = Shape::Object(&[
    required("type", CHOICE),
    optional("requestHeaderModifier", HEADER_MODIFIER),
    optional("responseHeaderModifier", HEADER_MODIFIER),
    optional("requestMirror", MIRROR),
    optional("requestRedirect", REDIRECT),
    optional("urlRewrite", REWRITE),
    optional("cors", CORS),
    optional("externalAuth", EXTERNAL_AUTH),
    optional("extensionRef", LOCAL_REF),
]);
const GRPC_FILTER: Shape = Shape::Object(&[
    required("type", CHOICE),
    optional("requestHeaderModifier", HEADER_MODIFIER),
    optional("responseHeaderModifier", HEADER_MODIFIER),
    optional("requestMirror", MIRROR),
    optional("extensionRef", LOCAL_REF),
]);

const HEADER_MODIFIER: Shape = Shape::Object(&[
    optional("set", Shape::List(&HEADERS)),
    optional("add", Shape::List(&HEADERS)),
    optional("remove", Shape::List(&set(text(0, 256, Form::Any), 16))),
]);
const HEADERS: List = keyed(
    Shape::Object(&[required("name", HEADER_NAME), required("value", text(1, 4096, Form::HeaderValue))]),
    0,
    16,
    "name",
);

const MIRROR: Shape = Shape::Object(&[
    required("backendRef", BACKEND_OBJECT_REF),
    optional("percent", Shape::Int(0, 100)),
    optional(
        "fraction",
        Shape::Object(&[
            required("numerator", Shape::Int(0, i32::MAX as i64)),
            optional("denominator", Shape::Int(1, i32::MAX as i64)).or(Preset::Int(100)),
        ]),
    ),
]);

const PATH_MODIFIER: Shape = Shape::Object(&[
    required("type", CHOICE),
    optional("replaceFullPath", text(0, 1024, Form::Any)),
    optional("replacePrefixMatch", text(0, 1024, Form::Any)),
]);
const REDIRECT: Shape = Shape::Object(&[
    optional("scheme", CHOICE),
    optional("hostname", PRECISE_HOSTNAME),
    optional("path", PATH_MODIFIER),
    optional("port", PORT),
    optional("statusCode", Shape::Int(300, 399)).or(Preset::Int(302)),
]);
const REWRITE: Shape = Shape::Object(&[optional("hostname", PRECISE_HOSTNAME), optional("path", PATH_MODIFIER)]);

const CORS: Shape = Shape::Object(&[
    optional("allowOrigins", Shape::List(&set(text(1, 253, Form::Origin), 64))),
    optional("allowCredentials", Shape::Bool),
    optional("allowMethods", Shape::List(&set(CHOICE, 9))),
    optional("allowHeaders", Shape::List(&set(HEADER_NAME, 64))),
    optional("exposeHeaders", Shape::List(&set(HEADER_NAME, 64))),
    optional("maxAge", Shape::Int(1, i32::MAX as i64)).or(Preset::Int(5)),
]);

const HEADER_LIST: Shape = Shape::List(&set(text(0, 256, Form::Any), 64));
const EXTERNAL_AUTH: Shape = Shape::Object(&[
    required("protocol", CHOICE),
    required("backendRef", BACKEND_OBJECT_REF),
    optional("grpc", Shape::Object(&[optional("allowedHeaders", HEADER_LIST)])),
    optional(
        "http",
        Shape::Object(&[
            optional("path", text(0, 1024, Form::Any)),
            optional("allowedHeaders", HEADER_LIST),
            optional("allowedResponseHeaders", HEADER_LIST),
        ]),
    ),
    optional("forwardBody", Shape::Object(&[optional("maxSize", Shape::Int(0, i32::MAX as i64))])),
]);

/// `filters` of a listener (GEP-5224).
pub(super) const LISTENER_FILTERS: Shape =
    Shape::Object(&[optional("requests", Shape::List(&list(LISTENER_FILTER, 0, 16)))]);
const LISTENER_FILTER: Shape = Shape::Object(&[
    required("type", CHOICE),
    optional("externalAuth", EXTERNAL_AUTH),
    optional("extensionRef", LOCAL_REF),
]);
