//! Where in an object something stands, written only when somebody asks.

use std::fmt;

/// A path such as `spec.rules[0].backendRefs[1]`, as a chain of borrowed steps: building one
/// costs nothing, so healthy objects pay nothing for good messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    parent: Option<&'a Field<'a>>,
    name: &'a str,
    index: Option<usize>,
}

impl<'a> Field<'a> {
    /// `spec`
    pub(crate) const SPEC: Field<'static> = Field { parent: None, name: "spec", index: None };

    /// A member.
    pub(crate) const fn name(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), name, index: None }
    }

    /// An element of a list member.
    pub(crate) const fn item(&'a self, name: &'a str, index: usize) -> Self {
        Self { parent: Some(self), name, index: Some(index) }
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_as_in_kubectl_explain() {
        let rule = Field::SPEC.item("rules", 2);
        let backend = rule.item("backendRefs", 1);
        assert_eq!(backend.name("port").to_string(), "spec.rules[2].backendRefs[1].port");
    }
}
