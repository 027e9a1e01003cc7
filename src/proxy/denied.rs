//! Clients that were denied stand back: what they ask next on the same connection is looked at when nothing else is
//! ready, one request at a time, by the weights of the tenants.
//!
//! Whoever is over a limit mostly asks again at once, and on many connections together. Every request of others that
//! comes meanwhile would wait for all of these; so it waits for one at most. On a thread that has nothing else to do it
//! costs nobody anything.

use std::cell::Cell;
use std::sync::Arc;

use super::turns::Turns;
use crate::table::shares::{Line, Part};

tokio::task_local! {
    /// Whose request was denied last on the connection that the task serves.
    static DENIED: Cell<Option<Arc<Part>>>;
}

/// Serves a connection whose denials are remembered.
pub(super) async fn remembering<F: Future>(connection: F) -> F::Output {
    DENIED.scope(Cell::new(None), connection).await
}

/// Remembers that a request of a tenant was denied. Streams of HTTP/2 are tasks of their own: theirs are forgotten.
pub(super) fn remember(part: &Arc<Part>) {
    // an error says that this is such a stream
    let _ = DENIED.try_with(|denied| denied.set(Some(Arc::clone(part))));
}

/// Waits for a turn if the request before was denied.
pub(super) async fn stand_back(turns: &Arc<Turns>) {
    if let Ok(Some(part)) = DENIED.try_with(Cell::take) {
        // the turn passes on at once: what follows runs to its next wait, and the one behind comes after that
        drop(turns.wait(&part, &Line::default()).await);
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    async fn connection(turns: Arc<Turns>, part: Option<Arc<Part>>, name: &str, order: Arc<Mutex<Vec<String>>>) {
        remembering(async {
            for n in 0..2 {
                stand_back(&turns).await;
                order.lock().push(format!("{name}{n}"));
                if let Some(part) = &part {
                    remember(part);
                }
            }
        })
        .await;
    }

    #[tokio::test]
    async fn who_was_denied_comes_after_everybody_else() {
        let (turns, order, part) = (Turns::new(8), Arc::default(), Arc::new(Part::default()));
        let start = |denied: bool, name| {
            let part = denied.then(|| Arc::clone(&part));
            tokio::spawn(connection(Arc::clone(&turns), part, name, Arc::clone(&order)))
        };
        let all = [start(true, "a"), start(true, "b"), start(false, "c")];
        for task in all {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), ["a0", "b0", "c0", "c1", "a1", "b1"]);
        let Part { handshakes, .. } = &*part;
        assert_eq!((handshakes.turns(), handshakes.crowded()), (0, 0), "they are no handshakes");
    }

    #[tokio::test]
    async fn outside_of_a_connection_nothing_is_remembered() {
        remember(&Part::default().into());
        stand_back(&Turns::new(0)).await;
    }
}
