//! What is wrong with an object, as data: where, why, and how it is mended.

use serde::Serialize;

use crate::api::ObjectRef;

/// One thing that is wrong with one object. Everything else about the object still counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The object whose author can mend it.
    pub object: ObjectRef,
    /// Where in it, as `spec.rules[0].backendRefs[1].name`; empty for the whole object.
    pub field: String,
    /// The Gateway API's reason, as the status shows it.
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}
