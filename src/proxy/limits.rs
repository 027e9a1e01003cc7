//! What a request may take: asked once its rule is known, before anything answers it.
//!
//! 1. Requests at one moment: a request without a place takes nothing else.
//! 2. Rates counted here, all together or none.
//! 3. Rates counted in the store, in one round trip. If it denies, what was taken before is given back.

mod answer;
mod connection;
mod pace;
mod shared;
mod store;

use std::sync::Arc;
use std::time::Duration;

use pingora::proxy::Session;
use smallvec::SmallVec;

pub(super) use answer::{deny, tell};
pub(super) use connection::enter;
pub(crate) use pace::Paces;
pub(super) use store::settings;

use pace::Pace;
use shared::open;

use super::context::Context;
use super::fail::{self, Fail};
use super::server::Limits;
use crate::limit::Basis;
use crate::limit::concurrency::Permit;
use crate::limit::decision::{Limited, Refusal, decide};
use crate::limit::gcra::Allowed;
use crate::limit::global::Store;
use crate::limit::header;
use crate::limit::keys::Key;
use crate::limit::rate::{Mode, RateLimit};
use crate::table::Query;
use crate::table::limits::meter::SOON;
use crate::table::limits::{Amount, Asked, Meter, Tokens};
use crate::table::shares::Saturated;
use crate::telemetry::Metrics;

/// What limits of a worker's requests need.
pub(crate) struct Gate {
    basis: Arc<Basis>,
    /// Where limits are counted together, if that is set.
    store: Option<Store>,
    metrics: Arc<Metrics>,
}

/// What a request holds on to until it ends.
pub(crate) type Permits = SmallVec<[Permit; 2]>;

/// A request that does not pass.
#[derive(Debug)]
pub(super) struct Denied {
    /// The limit that asks for the longest wait.
    meter: Arc<Meter>,
    retry_after: Duration,
    /// What a rate has left, and the time to its full burst.
    left: Option<(u64, Duration)>,
}

/// A rate that a request is under.
#[derive(Debug, Clone, Copy)]
struct Rated<'r> {
    meter: &'r Arc<Meter>,
    rate: &'r RateLimit,
}

/// The enforced rate of which the smallest part is left.
type Tightest<'r> = Option<(Rated<'r>, Allowed)>;

/// What a request got.
struct Admitted<'r> {
    permits: Permits,
    paces: Paces,
    tightest: Tightest<'r>,
}

impl<'r> Limited<'r> for Rated<'r> {
    fn rate(self) -> &'r RateLimit {
        self.rate
    }
}

impl Gate {
    /// The gate of a worker; has to be called on the worker's runtime.
    pub(crate) fn open(limits: &Limits, metrics: &Arc<Metrics>) -> Self {
        let store = limits.store.as_ref().map(open);
        metrics.limit_stores.lock().extend(store.clone());
        Self { basis: Arc::clone(&limits.basis), store, metrics: Arc::clone(metrics) }
    }

    /// Lets a request take what it needs under the limits of its rule.
    ///
    /// # Errors
    /// It may not.
    pub(super) async fn admit(&self, session: &Session, ctx: &mut Context) -> Result<(), Denied> {
        let Some(rule) = ctx.rule.clone().filter(|rule| !rule.limits.meters.is_empty()) else { return Ok(()) };
        let request = session.req_header();
        let query = Query {
            host: "",
            path: ctx.path.as_deref().unwrap_or_else(|| request.uri.path()),
            query: request.uri.query(),
            method: request.method.as_str(),
            headers: &request.headers,
        };
        let tokens = Tokens::of(&rule.limits.verifiers);
        let asked = Asked { client: ctx.client, query, tokens: &tokens };
        let Admitted { permits, paces, tightest } = self.take(&rule.limits.meters, &asked).await?;
        (ctx.permits, ctx.paces) = (permits, paces);
        ctx.quota =
            tightest.and_then(|(Rated { rate, .. }, left)| header::state(&rate.name, left.remaining, left.reset_after));
        Ok(())
    }

    /// Gives a request its place in the share of its tenant: after its limits, so that what these deny does not count
    /// as wanting more.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn seat(&self, ctx: &mut Context) -> Result<(), Fail> {
        if let Some(rule) = &ctx.rule {
            let now = self.basis.clock.at(ctx.started);
            ctx.admission = rule.share.admit(now).map_err(|Saturated| fail::SATURATED)?;
        }
        Ok(())
    }

    /// How long the next bytes of a response have to wait.
    pub(super) fn wait(&self, ctx: &mut Context, bytes: usize) -> Option<Duration> {
        if ctx.paces.is_empty() || bytes == 0 {
            return None;
        }
        let wait = pace::wait(&mut ctx.paces, bytes, self.basis.clock.now())?;
        // who has no time left shall learn it in time
        Some(ctx.time_left().map_or(wait, |left| wait.min(left)))
    }

    async fn take<'r>(&self, meters: &'r [Arc<Meter>], asked: &Asked<'_>) -> Result<Admitted<'r>, Denied> {
        let (mut permits, mut paces) = (Permits::new(), Paces::new());
        let mut here: SmallVec<[(Rated<'r>, Key); 8]> = SmallVec::new();
        let mut shared: SmallVec<[Rated<'r>; 4]> = SmallVec::new();
        for meter in meters.iter().filter(|meter| meter.limit.counts(asked)) {
            match &meter.amount {
                Amount::Concurrency(in_use) => match meter.enter(in_use, meter.key(asked)) {
                    Some(permit) => permits.push(permit),
                    None if meter.mode() == Mode::Shadow => {}
                    None => return Err(Denied { meter: Arc::clone(meter), retry_after: SOON, left: None }),
                },
                Amount::Bandwidth(flow) => paces.push(Pace::new(meter, meter.pace(flow, meter.key(asked)))),
                Amount::Connections(_) => {}
                Amount::Rate(rate) if meter.global.is_some() => shared.push(Rated { meter, rate }),
                Amount::Rate(rate) => here.push((Rated { meter, rate }, meter.key(asked))),
            }
        }
        let passed = decide(&here, self.basis.clock.now(), 1)?;
        let mut tightest = passed.tightest;
        if !shared.is_empty() {
            match self.share(&shared, asked).await {
                Ok(found) => tightest = tighter(tightest, found),
                Err(denied) => {
                    passed.give_back();
                    return Err(denied);
                }
            }
        }
        Ok(Admitted { permits, paces, tightest })
    }
}

impl From<Refusal<Rated<'_>>> for Denied {
    fn from(Refusal { limit, denied }: Refusal<Rated<'_>>) -> Self {
        let left = Some((denied.remaining, denied.reset_after));
        Self { meter: Arc::clone(limit.meter), retry_after: denied.retry_after, left }
    }
}

/// The one of which a smaller part is left.
fn tighter<'r>(one: Tightest<'r>, other: Tightest<'r>) -> Tightest<'r> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let part = |(limit, left): (Rated<'_>, Allowed)| (u128::from(left.remaining), u128::from(limit.rate.quota.burst));
    let ((a, of_a), (b, of_b)) = (part(a), part(b));
    if b * of_a < a * of_b { other } else { one }
}
