//! From the objects of all files to the objects of the store: who wins a name, which namespaces
//! there are, which generation an object is in.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::Object;
use crate::source::admit::{NAMESPACE_LABEL, admit};
use crate::source::finding::{Finding, Level};
use crate::source::manifest::{Entry, Origin};
use crate::source::{Change, Location};

/// What the store holds because of this folder.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    served: BTreeMap<ObjectRef, Served>,
    findings: Vec<Finding>,
}

/// One object in the store.
#[derive(Debug, Clone)]
struct Served {
    object: Object,
    hash: u64,
    spec_hash: u64,
    generation: i64,
    /// The Service it is made from.
    owner: Option<Arc<ObjectRef>>,
    /// Where it is written; nowhere for an implied Namespace.
    place: Option<Place>,
}

type Place = (Arc<Path>, Origin);

impl Resolved {
    /// Duplicates.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Where an object is written.
    pub(super) fn place(&self, object: &ObjectRef) -> Option<(&Path, Origin)> {
        self.served.get(object)?.place.as_ref().map(|(file, origin)| (file.as_ref(), *origin))
    }

    /// Takes the objects of all files, in the order of the files, and returns the difference.
    pub(super) fn update<'a>(&mut self, files: impl Iterator<Item = (&'a Arc<Path>, &'a mut [Entry])>) -> Vec<Change> {
        self.findings.clear();
        let mut next = BTreeMap::new();
        let mut claimed: HashMap<ObjectRef, Place> = HashMap::new();
        for (file, entries) in files {
            for entry in entries {
                if let Some(first) = claimed.get(&entry.reference) {
                    self.findings.push(duplicate(&entry.reference, file, entry.origin, first));
                    continue;
                }
                let place = (Arc::clone(file), entry.origin);
                claimed.insert(entry.reference.clone(), place.clone());
                if entry.admitted.is_none() {
                    next.extend(self.made_from(&entry.reference));
                }
                if let Some(served) = self.serve(entry, place) {
                    next.insert(entry.reference.clone(), served);
                }
            }
        }
        imply_namespaces(&mut next, &self.served);
        let changes = difference(&self.served, &next);
        // Collected anew, its nodes are full instead of half full.
        self.served = next.into_iter().collect();
        changes
    }

    /// What is served because of a Service that is refused now.
    fn made_from(&self, owner: &ObjectRef) -> impl Iterator<Item = (ObjectRef, Served)> {
        let prefix = ObjectRef::new(Kind::EndpointSlice, owner.key.clone());
        self.served
            .range(prefix.clone()..)
            .take_while(move |(object, _)| {
                object.kind == prefix.kind
                    && object.key.namespace == prefix.key.namespace
                    && object.key.name.starts_with(prefix.key.name.as_ref())
            })
            .filter(move |(_, served)| served.owner.as_deref() == Some(owner))
            .map(|(object, served)| (object.clone(), served.clone()))
    }

    /// The object as it shall be served: the old one if nothing changed or the new one was refused.
    fn serve(&self, entry: &mut Entry, place: Place) -> Option<Served> {
        let old = self.served.get(&entry.reference);
        let Some(admitted) = &mut entry.admitted else {
            return old.map(|old| Served { place: Some(place), ..old.clone() });
        };
        if let Some(old) = old.filter(|old| old.hash == admitted.hash) {
            // One copy of each object, however often its file is read.
            admitted.object = old.object.clone();
            return Some(Served { place: Some(place), owner: entry.owner.clone(), ..old.clone() });
        }
        let generation = match old {
            None => 1,
            Some(old) if old.spec_hash == admitted.spec_hash => old.generation,
            Some(old) => old.generation + 1,
        };
        admitted.object.metadata_mut().generation = Some(generation);
        let (object, hash, spec_hash) = (admitted.object.clone(), admitted.hash, admitted.spec_hash);
        let owner = entry.owner.clone();
        Some(Served { object, hash, spec_hash, generation, owner, place: Some(place) })
    }
}

/// Every namespace that an object lives in exists.
fn imply_namespaces(next: &mut BTreeMap<ObjectRef, Served>, last: &BTreeMap<ObjectRef, Served>) {
    let mut names: Vec<Arc<str>> = Vec::new();
    for name in next.keys().map(|object| &object.key.namespace).filter(|name| !name.is_empty()) {
        if names.last() != Some(name) {
            names.push(Arc::clone(name));
        }
    }
    for name in names {
        let reference = ObjectRef::new(Kind::Namespace, ObjectKey::new("", Arc::clone(&name)));
        if let Slot::Vacant(slot) = next.entry(reference) {
            let old = last.get(slot.key()).filter(|old| old.place.is_none());
            if let Some(served) = old.cloned().or_else(|| implied(&name)) {
                slot.insert(served);
            }
        }
    }
}

fn implied(name: &str) -> Option<Served> {
    let value = json!({"metadata": {"name": name, "labels": {NAMESPACE_LABEL: name}}});
    let mut admitted = admit(Kind::Namespace, "v1", value).admitted?;
    admitted.object.metadata_mut().generation = Some(1);
    let (object, hash, spec_hash) = (admitted.object, admitted.hash, admitted.spec_hash);
    Some(Served { object, hash, spec_hash, generation: 1, owner: None, place: None })
}

fn difference(last: &BTreeMap<ObjectRef, Served>, next: &BTreeMap<ObjectRef, Served>) -> Vec<Change> {
    let gone = last.keys().filter(|object| !next.contains_key(object)).cloned().map(Change::Remove);
    let put = next
        .iter()
        .filter(|(object, new)| last.get(object).is_none_or(|old| old.hash != new.hash))
        .map(|(_, new)| Change::Put(new.object.clone()));
    gone.chain(put).collect()
}

fn duplicate(object: &ObjectRef, file: &Arc<Path>, origin: Origin, first: &Place) -> Finding {
    let (first_file, first_origin) = first;
    Finding {
        level: Level::Error,
        location: Location { file: file.to_path_buf(), line: origin.line as usize, column: 1 },
        object: Some(object.clone()),
        field: String::new(),
        message: format!(
            "is already written in {}:{}, which is the one that counts",
            first_file.display(),
            first_origin.line
        ),
        remedy: "remove or rename one of them".to_owned(),
    }
}
