//! What is wrong with a manifest, where, and how it is mended.

use std::fmt;

use serde::Serialize;

use super::Location;
use crate::api::ObjectRef;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An API server would refuse it; it is not served as written.
    Error,
    /// It is served, but probably not as its author meant.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing a reader of the folder should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Where it is written.
    pub location: Location,
    /// The object, when there is one that can be named.
    pub object: Option<ObjectRef>,
    /// Where in the object, as `spec.rules[0].name`; empty for the whole of it.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty for notes.
    pub remedy: String,
}

/// `file:line:column: error: HTTPRoute shop/cart: spec.rules[0].name: message; remedy`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.location, self.level)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Kind, ObjectKey};

    #[test]
    fn a_finding_reads_like_a_compiler_message() {
        let mut finding = Finding {
            level: Level::Error,
            location: Location { file: "conf/cart.yaml".into(), line: 3, column: 5 },
            object: Some(ObjectRef::new(Kind::HttpRoute, ObjectKey::new("shop", "cart"))),
            field: "spec.rules[0].name".to_owned(),
            message: "is too long".to_owned(),
            remedy: "shorten it".to_owned(),
        };
        let text = "conf/cart.yaml:3:5: error: HTTPRoute shop/cart: spec.rules[0].name: is too long; shorten it";
        assert_eq!(finding.to_string(), text);
        finding.object = None;
        finding.field.clear();
        finding.remedy.clear();
        finding.level = Level::Note;
        assert_eq!(finding.to_string(), "conf/cart.yaml:3:5: note: is too long");
    }
}
