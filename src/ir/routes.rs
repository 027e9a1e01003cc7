//! The routes of a listener, in their order of precedence.

use std::fmt;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::{Serialize, Serializer};

use super::{Attached, Route};
use crate::api::{Kind, ObjectKey};

/// Routes of one listener, each once: oldest first, then by namespace, name and kind.
///
/// To change one among many costs little: versions share what they have in common, and what they
/// share is not looked at to compare them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Routes(OrdMap<Rank, Attached>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    created: i64,
    key: ObjectKey,
    kind: Kind,
}

impl Rank {
    fn of(route: &Route) -> Self {
        Self { created: route.created, key: route.id.key.clone(), kind: route.id.kind }
    }
}

/// A route that came, went, or is another than before.
#[derive(Debug, Clone, Copy)]
pub struct Difference<'a> {
    /// As it was.
    pub old: Option<&'a Attached>,
    /// As it is.
    pub new: Option<&'a Attached>,
}

impl Routes {
    /// Attaches a route.
    pub fn insert(&mut self, attached: Attached) {
        self.0.insert(Rank::of(&attached.route), attached);
    }

    /// Detaches a route; says whether it was attached.
    pub fn remove(&mut self, route: &Route) -> bool {
        self.0.remove(&Rank::of(route)).is_some()
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Attached> {
        self.0.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What differs in a newer version.
    pub fn differences<'a>(&'a self, newer: &'a Self) -> impl Iterator<Item = Difference<'a>> {
        self.0.diff(&newer.0).map(|difference| match difference {
            DiffItem::Add(_, new) => Difference { old: None, new: Some(new) },
            DiffItem::Remove(_, old) => Difference { old: Some(old), new: None },
            DiffItem::Update { old: (_, old), new: (_, new) } => Difference { old: Some(old), new: Some(new) },
        })
    }
}

impl FromIterator<Attached> for Routes {
    fn from_iter<I: IntoIterator<Item = Attached>>(attached: I) -> Self {
        Self(attached.into_iter().map(|attached| (Rank::of(&attached.route), attached)).collect())
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Routes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
