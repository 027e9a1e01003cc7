//! Clients that were denied stand back: what they ask next on the same connection is looked at when nothing else is
//! ready, one request at a time, by the weights of the tenants.
//!
//! Whoever is over a limit mostly asks again at once, and on many connections together. Every request of others that
//! comes meanwhile would wait for all of these; so it waits for one at most. On a thread that has nothing else to do it
//! costs nobody anything.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::turns::Turns;
use crate::table::shares::{Line, Part};

tokio::task_local! {
    /// That of the connection which the task serves, or a stream of it.
    static DENIED: Arc<Denied>;
}

/// Whose the last request of a connection was, if it was denied.
#[derive(Debug, Default)]
pub(super) struct Denied(ArcSwapOption<Part>);

impl Denied {
    /// Serves a connection, or one of its streams, so that what becomes of its requests is remembered here.
    pub(super) async fn remembering<F: Future>(self: &Arc<Self>, served: F) -> F::Output {
        DENIED.scope(Arc::clone(self), served).await
    }

    /// Waits for a turn if the request before was denied.
    pub(super) async fn stand_back(&self, turns: &Arc<Turns>) {
        let Some(part) = self.0.load_full() else { return };
        // the turn passes on at once: what follows runs to its next wait, and the one behind comes after that
        drop(turns.wait(&part, &Line::default()).await);
    }
}

/// Remembers whether the request that the task serves was denied.
pub(super) fn remember(denied: Option<&Arc<Part>>) {
    // an error says that nobody remembers
    let _ = DENIED.try_with(|last| {
        if denied.is_some() || last.0.load().is_some() {
            last.0.store(denied.cloned());
        }
    });
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone)]
    struct World {
        turns: Arc<Turns>,
        order: Arc<Mutex<Vec<String>>>,
        tenant: Arc<Part>,
    }

    impl World {
        fn new() -> Self {
            Self { turns: Turns::new(8), order: Arc::default(), tenant: Arc::new(Part::default()) }
        }

        async fn request(&self, connection: &Arc<Denied>, is_denied: bool, name: String) {
            connection.stand_back(&self.turns).await;
            connection.remembering(async { remember(is_denied.then_some(&self.tenant)) }).await;
            self.order.lock().push(name);
        }

        /// Two requests, one after the other.
        async fn connection(self, are_denied: bool, name: &str) {
            let connection = Arc::default();
            for n in 0..2 {
                self.request(&connection, are_denied, format!("{name}{n}")).await;
            }
        }
    }

    #[tokio::test]
    async fn who_was_denied_comes_after_everybody_else() {
        let world = World::new();
        let all = [(true, "a"), (true, "b"), (false, "c")];
        let all = all.map(|(denied, name)| tokio::spawn(world.clone().connection(denied, name)));
        for task in all {
            task.await.unwrap();
        }
        assert_eq!(*world.order.lock(), ["a0", "b0", "c0", "c1", "a1", "b1"]);
        let Part { handshakes, .. } = &*world.tenant;
        assert_eq!((handshakes.turns(), handshakes.crowded()), (0, 0), "they are no handshakes");
    }

    #[tokio::test]
    async fn all_streams_of_a_connection_stand_back_until_one_is_let_in() {
        let (world, connection) = (World::new(), Arc::default());
        world.request(&connection, true, "denied".into()).await;
        let stream = |name: &'static str, is_denied| {
            let (world, connection) = (world.clone(), Arc::clone(&connection));
            tokio::spawn(async move { world.request(&connection, is_denied, name.into()).await })
        };
        let streams = [stream("a", true), stream("b", true), stream("c", false)];
        let other = tokio::spawn(world.clone().connection(false, "other"));
        for task in streams.into_iter().chain([other]) {
            task.await.unwrap();
        }
        assert_eq!(*world.order.lock(), ["denied", "other0", "other1", "a", "b", "c"]);
        assert!(connection.0.load().is_none(), "the last one was let in");
    }

    #[tokio::test]
    async fn outside_of_a_connection_nothing_is_remembered() {
        remember(Some(&Part::default().into()));
    }
}
