//! parentRefs: no two may mean the same, and references to one Gateway must be told apart alike.

use super::Violations;
use crate::api::gateway::shared::ParentReference;

/// Checks the parentRefs of a route.
pub(super) fn check(refs: &[ParentReference], out: &mut Violations) {
    for (index, this) in refs.iter().enumerate() {
        let field = format!("spec.parentRefs[{index}]");
        let earlier: Vec<_> = refs.iter().take(index).filter(|other| same_parent(this, other)).collect();
        if earlier.iter().any(|other| other.section_name == this.section_name && other.port == this.port) {
            out.refuse(
                field,
                "names the same parent as an entry before it",
                "remove one, or give each its own sectionName",
            );
        } else if earlier.iter().any(|other| {
            other.section_name.is_some() != this.section_name.is_some() || other.port.is_some() != this.port.is_some()
        }) {
            let message = "an entry before it names the same parent with a different choice of sectionName and port";
            out.refuse(field, message, "give sectionName (or port) in all entries for this parent, or keep one entry");
        }
    }
}

fn same_parent(a: &ParentReference, b: &ParentReference) -> bool {
    let namespace = |reference: &ParentReference| reference.namespace.clone().unwrap_or_default();
    a.group == b.group && a.kind == b.kind && a.name == b.name && namespace(a) == namespace(b)
}
