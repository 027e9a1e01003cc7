//! A backend that holds every request until the test lets it go.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Response;
use tokio::sync::Semaphore;

use crate::backend::{Count, serve};
use crate::body::Streamed;
use crate::eventually;

/// See the module.
pub struct Held {
    pub address: SocketAddr,
    arrived: Count,
    gone: Count,
    leave: Arc<Semaphore>,
}

impl Held {
    pub async fn start() -> Self {
        let (arrived, gone, leave) = (Count::default(), Count::default(), Arc::new(Semaphore::new(0)));
        let hold = (arrived.clone(), gone.clone(), Arc::clone(&leave));
        let address = serve(move |_| {
            let (arrived, gone, leave) = hold.clone();
            async move {
                arrived.one();
                leave.acquire().await.unwrap().forget();
                gone.one();
                Ok(Response::new(Streamed::full("held")))
            }
        })
        .await;
        Self { address, arrived, gone, leave }
    }

    /// How many it has.
    pub fn now(&self) -> usize {
        // in this order, or one that comes and goes in between would be gone without having arrived
        let gone = self.gone.get();
        self.arrived.get() - gone
    }

    /// Waits until it has so many.
    pub async fn has(&self, count: usize) {
        eventually(&format!("{count} requests at the backend"), || self.now() == count).await;
    }

    /// Lets so many go; as many that come later when there are fewer.
    pub fn release(&self, count: usize) {
        self.leave.add_permits(count);
    }
}
