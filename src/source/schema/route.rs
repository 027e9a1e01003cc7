//! The five route kinds.

use super::filter::{GRPC_FILTERS, HTTP_FILTERS};
use super::shared::{
    BACKEND_GROUP, BACKEND_KIND, BACKEND_NAME, BACKEND_NAMESPACE, BACKEND_PORT, CHOICE, DURATION, HEADER_NAME,
    HOSTNAME, METADATA, PARENT_REFS, SECTION, SESSION_PERSISTENCE, STATUS, USE_DEFAULT_GATEWAYS, WEIGHT,
};
use super::{Field, Form, List, Preset, Shape, keyed, list, optional, required, set, text};

const HOSTNAMES: Field = optional("hostnames", Shape::List(&list(HOSTNAME, 0, 16)));
const RULE_NAME: Field = optional("name", SECTION);

pub(super) const HTTP_ROUTE: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required(
        "spec",
        Shape::Object(&[
            PARENT_REFS,
            HOSTNAMES,
            USE_DEFAULT_GATEWAYS,
            optional("rules", Shape::List(&list(HTTP_RULE, 1, 16))).or(Preset::ListOfOne),
        ]),
    ),
]);

const HTTP_RULE: Shape = Shape::Object(&[
    RULE_NAME,
    optional("matches", Shape::List(&list(HTTP_MATCH, 0, 64))).or(Preset::ListOfOne),
    HTTP_FILTERS,
    optional("backendRefs", Shape::List(&list(HTTP_BACKEND, 0, 16))),
    optional("timeouts", Shape::Object(&[optional("request", DURATION), optional("backendRequest", DURATION)])),
    optional("retry", RETRY),
    SESSION_PERSISTENCE,
]);
const RETRY: Shape = Shape::Object(&[
    optional("codes", Shape::List(&set(Shape::Int(400, 599), usize::MAX))),
    optional("attempts", Shape::Int(0, i32::MAX as i64)).or(Preset::Int(1)),
    optional("backoff", DURATION),
]);
const HTTP_BACKEND: Shape =
    Shape::Object(&[BACKEND_GROUP, BACKEND_KIND, BACKEND_NAME, BACKEND_NAMESPACE, BACKEND_PORT, WEIGHT, HTTP_FILTERS]);

const HTTP_MATCH: Shape = Shape::Object(&[
    optional("path", PATH_MATCH).or(Preset::Object),
    optional("headers", Shape::List(&HTTP_HEADERS)),
    optional("queryParams", Shape::List(&QUERY_PARAMS)),
    optional("method", CHOICE),
]);
const PATH_MATCH: Shape = Shape::Object(&[
    optional("type", CHOICE).or(Preset::Text("PathPrefix")),
    optional("value", text(0, 1024, Form::Any)).or(Preset::Text("/")),
]);
const MATCH_TYPE: Field = optional("type", CHOICE).or(Preset::Text("Exact"));
const HTTP_HEADERS: List = keyed(
    Shape::Object(&[MATCH_TYPE, required("name", HEADER_NAME), required("value", text(1, 4096, Form::HeaderValue))]),
    0,
    16,
    "name",
);
const QUERY_PARAMS: List = keyed(
    Shape::Object(&[MATCH_TYPE, required("name", HEADER_NAME), required("value", text(1, 1024, Form::Any))]),
    0,
    16,
    "name",
);

pub(super) const GRPC_ROUTE: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required(
        "spec",
        Shape::Object(&[
            PARENT_REFS,
            HOSTNAMES,
            USE_DEFAULT_GATEWAYS,
            optional("rules", Shape::List(&list(GRPC_RULE, 0, 16))),
        ]),
    ),
]);
const GRPC_RULE: Shape = Shape::Object(&[
    RULE_NAME,
    optional("matches", Shape::List(&list(GRPC_MATCH, 0, 64))),
    GRPC_FILTERS,
    optional("backendRefs", Shape::List(&list(GRPC_BACKEND, 0, 16))),
    SESSION_PERSISTENCE,
]);
const GRPC_BACKEND: Shape =
    Shape::Object(&[BACKEND_GROUP, BACKEND_KIND, BACKEND_NAME, BACKEND_NAMESPACE, BACKEND_PORT, WEIGHT, GRPC_FILTERS]);
const GRPC_MATCH: Shape = Shape::Object(&[
    optional(
        "method",
        Shape::Object(&[
            MATCH_TYPE,
            optional("service", text(0, 1024, Form::Any)),
            optional("method", text(0, 1024, Form::Any)),
        ]),
    ),
    optional("headers", Shape::List(&GRPC_HEADERS)),
]);
const GRPC_HEADERS: List = keyed(
    Shape::Object(&[MATCH_TYPE, required("name", HEADER_NAME), required("value", text(1, 4096, Form::Any))]),
    0,
    16,
    "name",
);

const L4_RULES: Field = required(
    "rules",
    Shape::List(&list(
        Shape::Object(&[RULE_NAME, required("backendRefs", Shape::List(&list(L4_BACKEND, 1, 16)))]),
        1,
        1,
    )),
);
const L4_BACKEND: Shape =
    Shape::Object(&[BACKEND_GROUP, BACKEND_KIND, BACKEND_NAME, BACKEND_NAMESPACE, BACKEND_PORT, WEIGHT]);

pub(super) const L4_ROUTE: Shape =
    Shape::Object(&[METADATA, STATUS, required("spec", Shape::Object(&[PARENT_REFS, USE_DEFAULT_GATEWAYS, L4_RULES]))]);
pub(super) const TLS_ROUTE: Shape = Shape::Object(&[
    METADATA,
    STATUS,
    required(
        "spec",
        Shape::Object(&[
            PARENT_REFS,
            USE_DEFAULT_GATEWAYS,
            required("hostnames", Shape::List(&list(HOSTNAME, 1, 1024))),
            L4_RULES,
        ]),
    ),
]);
