//! What each message means.

use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

use super::super::event::{Content, Event, Fetched, Item, Message, Trouble};
use super::super::health::Standing;
use super::super::progress::Progress;
use super::super::referenced::REFERRERS;
use super::Assembly;
use crate::api::{Kind, ObjectRef};
use crate::snapshot::Object;

impl Assembly {
    pub(super) fn take(&mut self, message: Message) {
        let Message { kind, at, event } = message;
        match event {
            Event::Put(item) => self.put(kind, *item, at),
            Event::Gone(key) => self.gone(&ObjectRef::new(kind, key), at),
            Event::Fetched(key, fetched) => self.fetched(ObjectRef::new(kind, key), fetched, at),
            Event::Listed => self.listed(kind, at),
            Event::Trouble(trouble) => self.trouble(kind, trouble, at),
            Event::Listing => {
                self.reached(kind);
                self.with(kind, Progress::begin);
            }
            Event::Alive => {
                self.reached(kind);
                self.with(kind, Progress::alive);
            }
        }
    }

    /// The API server answers again.
    fn reached(&self, kind: Kind) {
        if matches!(self.standing(kind), Some(Standing::Failing { .. })) {
            tracing::info!(%kind, "the watch goes on");
            self.back.notify_waiters();
        }
    }

    fn with(&mut self, kind: Kind, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = self.progress.get_mut(&kind) {
            change(progress);
        }
    }

    fn standing(&self, kind: Kind) -> Option<&Standing> {
        self.progress.get(&kind).map(|progress| &progress.standing)
    }

    fn put(&mut self, kind: Kind, item: Item, at: Instant) {
        self.with(kind, |progress| progress.saw(&item.key));
        let reference = ObjectRef::new(kind, item.key);
        match item.seen {
            // Before the store: who is told of the object there looks here.
            Some(seen) => self.live.note(reference.clone(), seen),
            None => self.live.forget(&reference),
        }
        match item.content {
            Content::Metadata => self.fetches.changed(&reference, &item.version, at),
            Content::Malformed(defect) => self.defects.note(reference, defect),
            Content::Object(object) => {
                self.defects.clear(&reference);
                self.references_changed |= REFERRERS.contains(&kind);
                self.pending.put(object, at);
            }
        }
    }

    fn gone(&mut self, object: &ObjectRef, at: Instant) {
        self.live.forget(object);
        self.defects.clear(object);
        self.fetches.gone(object);
        self.references_changed |= REFERRERS.contains(&object.kind);
        self.pending.remove(object.clone(), at);
    }

    fn listed(&mut self, kind: Kind, at: Instant) {
        let Some(progress) = self.progress.get_mut(&kind) else { return };
        if progress.standing != Standing::Synced {
            tracing::debug!(%kind, "the list is complete");
        }
        let listed = progress.complete();
        for object in self.known(kind) {
            if !listed.contains(&object.key) {
                self.gone(&object, at);
            }
        }
    }

    /// Every object of a kind that is known in any way.
    pub(super) fn known(&self, kind: Kind) -> BTreeSet<ObjectRef> {
        let live = self.live.all().into_iter().filter(|object| object.kind == kind);
        let malformed = self.defects.of(kind).cloned();
        let pending = self.pending.objects().map(Object::reference).filter(|o| o.kind == kind);
        self.held(kind).into_iter().chain(live).chain(malformed).chain(pending).collect()
    }

    fn trouble(&mut self, kind: Kind, trouble: Trouble, at: Instant) {
        let now = SystemTime::now();
        let before = self.standing(kind).cloned();
        match trouble {
            Trouble::Failing(code, message) => self.with(kind, |progress| progress.fail(code, message, now)),
            Trouble::Forbidden => self.with(kind, Progress::forbid),
            Trouble::Missing => {
                let held = self.store.read(|state| state.snapshot.count(kind)) > 0;
                let sure_after = self.settings.probe_every * 2;
                let mut sure = false;
                let clock = tokio::time::Instant::now();
                self.with(kind, |progress| sure = progress.miss(held, clock, sure_after, now));
                if sure {
                    self.known(kind).iter().for_each(|object| self.gone(object, at));
                }
            }
        }
        self.say(kind, before.as_ref());
    }

    /// Logs a standing that is new. Each is said once.
    fn say(&self, kind: Kind, before: Option<&Standing>) {
        match (before, self.standing(kind)) {
            (Some(Standing::Failing { .. }), Some(Standing::Failing { .. })) => {}
            (before, now) if before == now => {}
            (_, Some(Standing::Failing { message, .. })) => {
                tracing::warn!(%kind, reason = message, "the watch fails; what it delivered stays");
            }
            (_, Some(Standing::Forbidden)) => {
                tracing::warn!(%kind, "may not be read; grant 'list' and 'watch', it is tried again");
            }
            (_, Some(Standing::Missing)) => {
                tracing::info!(%kind, "the API server does not know the kind; it is looked for again");
            }
            _ => {}
        }
    }

    fn fetched(&mut self, object: ObjectRef, fetched: Fetched, at: Instant) {
        if !self.fetches.arrived(&object, &fetched) {
            return;
        }
        match fetched {
            Fetched::Found(item) => match item.content {
                Content::Object(found) => {
                    self.defects.clear(&object);
                    self.pending.put(found, at);
                }
                Content::Malformed(defect) => self.defects.note(object, defect),
                Content::Metadata => {}
            },
            Fetched::Absent => {
                self.defects.clear(&object);
                self.pending.remove(object, at);
            }
            Fetched::Forbidden | Fetched::Failing => {}
        }
    }
}
