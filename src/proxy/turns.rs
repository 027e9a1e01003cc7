//! Turns of a serving thread: what costs it much time at once, such as TLS handshakes, is done one after the other,
//! by the weights of the tenants, and only when nothing else is ready.
//!
//! A thread runs its tasks one by one and each to its next wait. If a hundred handshakes were ready together, every
//! request would wait for all of them; so it waits for one at most.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::limit::lines::Lines;
use crate::table::shares::{Line, Part};

/// The turns of one thread.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    taken: bool,
    lines: Lines<Option<Arc<str>>, oneshot::Sender<Turn>>,
}

/// The turn; goes to the next when dropped, also by a task that ends before it learned that it has the turn.
#[derive(Debug)]
#[must_use = "what is dropped at once is no turn"]
pub(crate) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// No more than `bound` of one tenant may wait.
    pub(crate) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { taken: false, lines: Lines::new(bound) })))
    }

    /// Waits for a turn, as a TLS handshake of a tenant's; none when too many of them wait already.
    pub(crate) async fn take(self: &Arc<Self>, part: &Part) -> Option<Turn> {
        self.wait(part, &part.handshakes).await
    }

    /// The same for something else, of which `line` counts how it fares.
    pub(crate) async fn wait(self: &Arc<Self>, part: &Part, line: &Line) -> Option<Turn> {
        let turn = match self.ask(part) {
            None => {
                line.crowd();
                return None;
            }
            Some(Ok(turn)) => {
                line.turn();
                turn
            }
            Some(Err(turn)) => Waiting::of(line).until(turn).await?,
        };
        // the runtime runs what is ready, and looks for what has become ready, before it comes back here
        tokio::task::yield_now().await;
        Some(turn)
    }

    /// The turn if it is free, else where it will be handed over.
    fn ask(self: &Arc<Self>, part: &Part) -> Option<Result<Turn, oneshot::Receiver<Turn>>> {
        let mut state = self.0.lock();
        if !state.taken {
            state.taken = true;
            return Some(Ok(Turn(Some(Arc::clone(self)))));
        }
        let (sender, receiver) = oneshot::channel();
        state.lines.push(part.tenant.clone(), part.weight(), sender).then_some(Err(receiver))
    }

    /// Who waits longest in the line that is next; else nobody has the turn.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.0.lock();
        let next = state.lines.pop();
        state.taken = next.is_some();
        next
    }
}

/// Counts how long one waits and what comes of it, also when it gives up.
struct Waiting<'l> {
    line: &'l Line,
    since: Instant,
    has_turn: bool,
}

impl<'l> Waiting<'l> {
    fn of(line: &'l Line) -> Self {
        line.enter();
        Self { line, since: Instant::now(), has_turn: false }
    }

    async fn until(mut self, turn: oneshot::Receiver<Turn>) -> Option<Turn> {
        let turn = turn.await.ok();
        self.has_turn = turn.is_some();
        turn
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.leave(self.since.elapsed());
        if self.has_turn {
            self.line.turn();
        } else {
            self.line.give_up();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        while let Some(next) = turns.next() {
            match next.send(Self(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // it no longer waits; the turn that comes back must not be passed on a second time
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::table::Shares;

    fn parts() -> [Arc<Part>; 2] {
        let mut shares = Shares::default();
        ["a", "b"].map(|tenant| shares.part(Some(&tenant.into())))
    }

    /// Of a tenant's handshakes: waiting, had their turn, turned away, gave up.
    fn counts(part: &Part) -> [u64; 4] {
        let Part { handshakes, .. } = part;
        [handshakes.waiting(), handshakes.turns(), handshakes.crowded(), handshakes.given_up()]
    }

    #[tokio::test]
    async fn one_after_the_other_and_not_the_longest_line_first() {
        let ([a, b], turns) = (parts(), Turns::new(9));
        let first = turns.take(&a).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = [("a1", &a), ("a2", &a), ("a3", &a), ("b", &b)]
            .into_iter()
            .map(|(name, part)| {
                let (turns, part, order) = (Arc::clone(&turns), Arc::clone(part), Arc::clone(&order));
                tokio::spawn(async move {
                    let _turn = turns.take(&part).await.unwrap();
                    order.lock().push(name);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(order.lock().is_empty());
        assert_eq!((counts(&a), counts(&b)), ([3, 1, 0, 0], [1, 0, 0, 0]));
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!((counts(&a), counts(&b)), ([0, 4, 0, 0], [0, 1, 0, 0]));
        assert!(!a.handshakes.waited().is_zero());
        let order = order.lock();
        assert!(order.iter().position(|name| *name == "b") <= Some(1), "{order:?}");
        assert!(!turns.0.lock().taken);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_is_passed_over() {
        let ([a, b], turns) = (parts(), Turns::new(9));
        let first = turns.take(&a).await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut last = pin!(turns.take(&b));
        {
            let (mut gone, mut late) = (pin!(turns.take(&a)), pin!(turns.take(&a)));
            assert!(gone.as_mut().poll(&mut context).is_pending() && late.as_mut().poll(&mut context).is_pending());
            assert!(last.as_mut().poll(&mut context).is_pending());
            // one of them was handed the turn, and ends without having seen it
            drop(first);
        }
        assert!(last.await.is_some());
        assert_eq!((counts(&a), counts(&b)), ([0, 1, 0, 2], [0, 1, 0, 0]), "who ended without having seen it gave up");
    }

    #[tokio::test]
    async fn a_line_has_an_end() {
        let ([a, b], turns) = (parts(), Turns::new(1));
        let first = turns.take(&a).await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let (mut of_a, mut of_b) = (pin!(turns.take(&a)), pin!(turns.take(&b)));
        assert!(of_a.as_mut().poll(&mut context).is_pending());
        assert!(matches!(pin!(turns.take(&a)).poll(&mut context), Poll::Ready(None)), "the line is full");
        assert!(of_b.as_mut().poll(&mut context).is_pending(), "that of another is not");
        drop(first);
        assert!(of_a.await.is_some() && of_b.await.is_some());
        assert_eq!((counts(&a), counts(&b)), ([0, 2, 1, 0], [0, 1, 0, 0]));
    }
}
