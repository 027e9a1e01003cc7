//! Which object is written next: a line without values, so that the latest always wins.

mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use lines::Lines;

use crate::api::ObjectRef;

/// Time between two writes of one object. It doubles with each write in a row.
const GAP: Duration = Duration::from_millis(100);
/// The longest: with it the last state is written well within two seconds.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// A row ends when nothing was written for so long.
const REST: Duration = LONGEST_GAP.saturating_mul(2);

/// Objects that wait, each once, in the order they become due.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: Lines,
    entries: BTreeMap<ObjectRef, Entry>,
    waiting: BTreeSet<(Instant, ObjectRef)>,
    tickets: u64,
}

/// What became of an object that was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was written: it rests for a moment.
    Written,
    /// There was nothing to write, or nothing to write to.
    Nothing,
    /// It shall be tried again, after a time that doubles with each failure.
    Retry {
        /// The first time.
        first: Duration,
        /// The longest.
        most: Duration,
    },
}

#[derive(Debug, Default)]
struct Entry {
    place: Option<(Instant, u64)>,
    since: Option<Instant>,
    running: bool,
    again: bool,
    /// What waits is a new state, not only a look.
    is_news: bool,
    written: Option<Instant>,
    row: u32,
    failures: u32,
    /// Nothing happens before, whoever asks.
    rests_until: Option<Instant>,
}

impl Queue {
    /// Asks for an object to be looked at, not before `due`.
    pub(crate) fn push(&mut self, object: ObjectRef, due: Instant, now: Instant) {
        let entry = self.entries.entry(object.clone()).or_default();
        if entry.running {
            entry.again = true;
            return;
        }
        let due = entry.rests_until.map_or(due, |rest| rest.max(due));
        match entry.place {
            Some((known, _)) if known <= due => return,
            Some((known, ticket)) => {
                self.lines.of(&object).remove(&(known, ticket, object.clone()));
            }
            None => {
                entry.since = Some(now);
                self.waiting.insert((now, object.clone()));
            }
        }
        self.tickets += 1;
        entry.place = Some((due, self.tickets));
        self.lines.of(&object).insert((due, self.tickets, object));
    }

    /// The same for an object with a new state. Whether another one waited, which is now never written.
    pub(crate) fn push_news(&mut self, object: ObjectRef, due: Instant, now: Instant) -> bool {
        self.push(object.clone(), due, now);
        self.entries.get_mut(&object).is_some_and(|entry| std::mem::replace(&mut entry.is_news, true))
    }

    /// Takes the first object that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<ObjectRef> {
        let object = self.lines.pop(now)?;
        let entry = self.entries.entry(object.clone()).or_default();
        if let Some(since) = entry.since.take() {
            self.waiting.remove(&(since, object.clone()));
        }
        entry.place = None;
        entry.is_news = false;
        entry.running = true;
        Some(object)
    }

    /// When the next object becomes due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.lines.next()
    }

    /// Says what became of an object that was taken out.
    pub(crate) fn done(&mut self, object: ObjectRef, done: Done, now: Instant) {
        let Some(entry) = self.entries.get_mut(&object) else { return };
        entry.running = false;
        let again = std::mem::take(&mut entry.again);
        match done {
            Done::Written => entry.wrote(now),
            Done::Nothing => entry.failures = 0,
            Done::Retry { first, most } => {
                let wait = first.saturating_mul(1 << entry.failures.min(16)).min(most);
                entry.failures = entry.failures.saturating_add(1);
                entry.rests_until = Some(now + wait);
            }
        }
        let rests = entry.rests_until.is_some_and(|rest| rest > now) || entry.row > 0 && !entry.is_rested(now);
        if again || matches!(done, Done::Retry { .. }) {
            self.push(object, now, now);
        } else if !rests {
            self.entries.remove(&object);
        }
    }

    /// Forgets everything: somebody else writes now. How many new states are dropped with it.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(self).entries.values().filter(|entry| entry.is_news).count()
    }

    /// How many objects wait.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// How long the oldest has waited.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.waiting.first().map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
    }
}

impl Entry {
    fn wrote(&mut self, now: Instant) {
        self.row = if self.is_rested(now) { 1 } else { self.row.saturating_add(1) };
        self.failures = 0;
        self.written = Some(now);
        let gap = GAP.saturating_mul(1 << (self.row - 1).min(16)).min(LONGEST_GAP);
        self.rests_until = Some(now + gap);
    }

    fn is_rested(&self, now: Instant) -> bool {
        self.written.is_none_or(|written| now.saturating_duration_since(written) >= REST)
    }
}

/// A token bucket: so many per second, and as many at once after a second of rest.
#[derive(Debug)]
pub(crate) struct Rate {
    gap: Duration,
    full: Duration,
    /// When the bucket would be full again.
    filled: Instant,
}

impl Rate {
    /// A full bucket.
    pub(crate) fn per_second(rate: usize, now: Instant) -> Self {
        let gap = Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX);
        Self { gap, full: Duration::from_secs(1).saturating_sub(gap), filled: now }
    }

    /// When the next token can be taken: not in the future if there is one.
    pub(crate) fn ready(&self) -> Option<Instant> {
        self.filled.checked_sub(self.full)
    }

    /// Takes a token.
    pub(crate) fn take(&mut self, now: Instant) {
        self.filled = self.filled.max(now) + self.gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Kind, ObjectKey};

    fn object(name: &str) -> ObjectRef {
        ObjectRef::new(Kind::Gateway, ObjectKey::new("ns", name))
    }

    #[test]
    fn an_object_waits_once_however_often_it_is_asked_for() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for _ in 0..3 {
            queue.push(object("a"), now, now);
        }
        assert_eq!((queue.len(), queue.pop(now)), (1, Some(object("a"))));
        queue.push(object("a"), now, now);
        assert_eq!(queue.pop(now), None, "it is being written");
        queue.done(object("a"), Done::Nothing, now);
        assert_eq!(queue.pop(now), Some(object("a")), "it was asked for meanwhile");
    }

    #[test]
    fn a_new_state_that_waits_is_replaced_by_a_newer_one() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(object("a"), now, now);
        assert!(!queue.push_news(object("a"), now, now), "only a look waited");
        assert!(queue.push_news(object("a"), now, now));
        queue.pop(now);
        assert!(!queue.push_news(object("a"), now, now), "the one before is being written");
        assert!(queue.push_news(object("a"), now, now));
        queue.push_news(object("b"), now, now);
        queue.push(object("c"), now, now);
        assert_eq!((queue.clear(), queue.len()), (2, 0));
    }

    #[test]
    fn what_sums_up_others_does_not_wait_behind_all_of_them_nor_they_behind_it() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let of = |kind, name: String| ObjectRef::new(kind, ObjectKey::new("ns", name));
        for n in 0..100 {
            queue.push(of(Kind::HttpRoute, format!("r{n:02}")), now, now);
        }
        for n in 0..2 {
            queue.push(of(Kind::Gateway, format!("g{n}")), now, now);
        }
        let taken: Vec<_> = (0..5).filter_map(|_| Some(queue.pop(now)?.key.name.to_string())).collect();
        assert_eq!(taken, ["g0", "r00", "g1", "r01", "r02"]);
        assert_eq!(queue.len(), 97);
    }

    #[test]
    fn one_that_was_written_lets_the_others_go_first() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(object("a"), now, now);
        queue.pop(now);
        queue.done(object("a"), Done::Written, now);
        queue.push(object("a"), now, now);
        queue.push(object("b"), now, now);
        assert_eq!(queue.pop(now), Some(object("b")));
        assert_eq!(queue.pop(now), None);
        assert_eq!(queue.next(), Some(now + GAP));
        assert_eq!(queue.age(now + GAP), GAP);
        assert_eq!(queue.pop(now + GAP), Some(object("a")));
    }

    #[test]
    fn a_thousand_changes_in_a_second_are_twenty_writes_at_most() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mut writes = 0;
        for n in 0..1000 {
            let now = start + Duration::from_millis(n);
            queue.push(object("a"), now, now);
            if let Some(object) = queue.pop(now) {
                writes += 1;
                queue.done(object, Done::Written, now);
            }
        }
        assert!((4..=20).contains(&writes), "{writes}");
        let later = start + Duration::from_secs(3);
        queue.push(object("a"), later, later);
        assert!(queue.pop(later).is_some(), "the last one is written, too");
    }

    #[test]
    fn changes_without_end_are_written_ever_less_often() {
        const CHANGES: u64 = 14_000;
        let (mut queue, start) = (Queue::default(), Instant::now());
        let (mut written, mut last) = (Vec::new(), 0);
        for ms in 0..CHANGES + 2000 {
            let now = start + Duration::from_millis(ms);
            if ms < CHANGES {
                queue.push(object("a"), now, now);
            }
            if let Some(object) = queue.pop(now) {
                written.push(ms);
                last = ms.min(CHANGES - 1);
                queue.done(object, Done::Written, now);
            }
        }
        assert_eq!(written[..5], [0, 100, 300, 700, 1500], "the first at once");
        assert!(written.len() <= 20, "{written:?}");
        assert_eq!(last, CHANGES - 1, "the last state is written within two seconds: {written:?}");
        let later = start + Duration::from_millis(written.last().unwrap() + 3000);
        for now in [later, later + GAP] {
            queue.push(object("a"), now, now);
            assert_eq!(queue.pop(now), Some(object("a")), "after a rest it begins anew");
            queue.done(object("a"), Done::Written, now);
        }
    }

    #[test]
    fn failures_wait_longer_each_time() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        let retry = Done::Retry { first: Duration::from_secs(1), most: Duration::from_secs(3) };
        queue.push(object("a"), now, now);
        for wait in [1, 2, 3, 3] {
            queue.pop(now);
            queue.done(object("a"), retry, now);
            queue.push(object("a"), now, now);
            assert_eq!(queue.next(), Some(now + Duration::from_secs(wait)));
            now += Duration::from_secs(wait);
        }
    }

    #[test]
    fn what_has_nothing_to_write_is_forgotten() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(object("a"), now, now);
        queue.pop(now);
        queue.done(object("a"), Done::Nothing, now);
        assert!(queue.entries.is_empty());
    }

    #[test]
    fn a_rate_allows_a_second_of_writes_at_once() {
        let now = Instant::now();
        let mut rate = Rate::per_second(10, now);
        let mut taken = 0;
        while rate.ready().is_none_or(|ready| ready <= now) {
            rate.take(now);
            taken += 1;
        }
        assert_eq!(taken, 10);
        assert_eq!(rate.ready(), Some(now + Duration::from_millis(100)));
    }
}
