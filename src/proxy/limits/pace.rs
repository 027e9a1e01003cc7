//! How fast a response goes to its client.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::limit::Moment;
use crate::limit::bandwidth::Bandwidth;
use crate::limit::rate::Mode;
use crate::table::limits::Meter;

/// What a response goes by: the slowest of them.
pub(crate) type Paces = SmallVec<[Pace; 1]>;

/// One limit on bandwidth.
#[derive(Debug)]
pub(crate) struct Pace {
    meter: Arc<Meter>,
    bandwidth: Arc<Bandwidth>,
    /// Whether it was slowed down already: each response counts once.
    slowed: bool,
}

impl Pace {
    pub(super) fn new(meter: &Arc<Meter>, bandwidth: Arc<Bandwidth>) -> Self {
        Self { meter: Arc::clone(meter), bandwidth, slowed: false }
    }

    /// How long so many bytes have to wait.
    fn wait(&mut self, bytes: usize, now: Moment) -> Duration {
        let wait = self.bandwidth.reserve(bytes, now);
        if !wait.is_zero() && !self.slowed {
            self.slowed = true;
            self.meter.denials.count(self.meter.mode());
        }
        if self.meter.mode() == Mode::Shadow { Duration::ZERO } else { wait }
    }
}

/// How long the next bytes of a response have to wait; they count for every limit, whichever is the slowest.
pub(super) fn wait(paces: &mut Paces, bytes: usize, now: Moment) -> Option<Duration> {
    let waits = paces.iter_mut().map(|pace| pace.wait(bytes, now));
    waits.max().filter(|wait| !wait.is_zero())
}
