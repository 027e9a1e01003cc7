//! Rates that all replicas count together.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Denied, Gate, Rated, Tightest, tighter};
use crate::ir::limit::StoreFailure;
use crate::limit::decision::{Refusal, decide};
use crate::limit::gcra;
use crate::limit::global::{self, Ask, Settings, Store};
use crate::limit::keys::Key;
use crate::limit::rate::Mode;
use crate::table::limits::Asked;
use crate::table::limits::meter::SOON;

/// A connection to the store for the requests of one worker; has to be called on the worker's runtime.
pub(super) fn open(settings: &Settings) -> Store {
    let (store, work) = global::open(settings.clone());
    // ends with the store's last copy, or with the runtime
    drop(tokio::spawn(work));
    store
}

type Answer = Result<gcra::Allowed, gcra::Denied>;

impl Gate {
    /// Asks the store, in one round trip for all, and does what each limit says while that fails.
    pub(super) async fn share<'r>(&self, rates: &[Rated<'r>], asked: &Asked<'_>) -> Result<Tightest<'r>, Denied> {
        let keys: SmallVec<[Vec<u8>; 4]> = rates.iter().map(|rated| rated.meter.global_key(asked)).collect();
        let asks: SmallVec<[Ask<'_>; 4]> = rates
            .iter()
            .zip(&keys)
            .map(|(rated, key)| Ask { key, params: rated.rate.quota.params(), cost: 1, mode: rated.rate.mode })
            .collect();
        let answers = match &self.store {
            Some(store) => store.take(&asks).await.ok(),
            None => None,
        };
        match answers {
            Some(answers) => by_answers(rates, &answers),
            None => {
                self.metrics.limit_store_failures.inc();
                self.alone(rates, asked)
            }
        }
    }

    /// Decides without the store.
    fn alone<'r>(&self, rates: &[Rated<'r>], asked: &Asked<'_>) -> Result<Tightest<'r>, Denied> {
        let of = |failure| rates.iter().filter(move |rated| rated.meter.global == Some(failure));
        let mut denied = None;
        for rated in of(StoreFailure::Deny) {
            rated.rate.count_denied();
            if rated.rate.mode == Mode::Enforce {
                denied = Some(Denied { meter: Arc::clone(rated.meter), retry_after: SOON, left: None });
            }
        }
        if let Some(denied) = denied {
            return Err(denied);
        }
        let here = of(StoreFailure::Local).map(|rated| (*rated, rated.meter.key(asked)));
        let here: SmallVec<[(Rated<'r>, Key); 4]> = here.collect();
        Ok(decide(&here, self.basis.clock.now(), 1)?.tightest)
    }
}

/// What the store has decided: it took from all limits or from none.
fn by_answers<'r>(rates: &[Rated<'r>], answers: &[Answer]) -> Result<Tightest<'r>, Denied> {
    let mut worst: Option<Refusal<Rated<'r>>> = None;
    let mut tightest = None;
    for (rated, answer) in rates.iter().zip(answers) {
        match answer {
            Ok(allowed) if rated.rate.mode == Mode::Enforce => tightest = tighter(tightest, Some((*rated, *allowed))),
            Ok(_) => {}
            Err(denied) => {
                rated.rate.count_denied();
                let longer = worst.is_none_or(|other| denied.retry_after > other.denied.retry_after);
                if rated.rate.mode == Mode::Enforce && longer {
                    worst = Some(Refusal { limit: *rated, denied: *denied });
                }
            }
        }
    }
    worst.map_or(Ok(tightest), |refusal| Err(refusal.into()))
}
