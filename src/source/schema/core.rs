//! Kinds of Kubernetes itself: only the fields Paifang reads are checked.

use super::shared::{ANY_TEXT, LABEL_METADATA, METADATA, PORT};
use super::{Form, List, Preset, Shape, list, optional, required, text};

pub(super) const NAMESPACE: Shape = Shape::Open(&[LABEL_METADATA]);
pub(super) const CONFIG_MAP: Shape = Shape::Open(&[METADATA, optional("data", Shape::Map(usize::MAX))]);
pub(super) const SECRET: Shape = Shape::Open(&[
    METADATA,
    optional("type", ANY_TEXT).or(Preset::Text("Opaque")),
    optional("data", Shape::Map(usize::MAX)),
    optional("stringData", Shape::Map(usize::MAX)),
]);

pub(super) const SERVICE: Shape = Shape::Open(&[
    LABEL_METADATA,
    optional(
        "spec",
        Shape::Open(&[
            optional("type", ANY_TEXT).or(Preset::Text("ClusterIP")),
            optional("selector", Shape::Map(usize::MAX)),
            optional("ports", Shape::List(&SERVICE_PORTS)),
        ]),
    ),
]);
const SERVICE_PORTS: List = list(
    Shape::Open(&[
        optional("name", text(0, 63, Form::Any)),
        optional("protocol", ANY_TEXT).or(Preset::Text("TCP")),
        required("port", PORT),
        optional("targetPort", Shape::Any),
        optional("appProtocol", ANY_TEXT),
    ]),
    0,
    usize::MAX,
);

pub(super) const ENDPOINT_SLICE: Shape = Shape::Open(&[
    METADATA,
    required("addressType", ANY_TEXT),
    required("endpoints", Shape::List(&ENDPOINTS)),
    optional("ports", Shape::List(&ENDPOINT_PORTS)),
]);
const ENDPOINTS: List = list(
    Shape::Open(&[
        required("addresses", Shape::List(&list(ANY_TEXT, 1, 100))),
        optional(
            "conditions",
            Shape::Open(&[
                optional("ready", Shape::Bool),
                optional("serving", Shape::Bool),
                optional("terminating", Shape::Bool),
            ]),
        ),
    ]),
    0,
    1000,
);
const ENDPOINT_PORTS: List = list(
    Shape::Open(&[
        optional("name", text(0, 63, Form::Any)).or(Preset::Text("")),
        optional("protocol", ANY_TEXT).or(Preset::Text("TCP")),
        optional("port", PORT),
    ]),
    0,
    20_000,
);
