//! The watch of one kind: it never ends, whatever the API server does.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use kube::runtime::watcher::{self, InitialListStrategy};
use kube::{Api, Client};

use super::Settings;
use super::backoff::Backoff;
use super::client::Line;
use super::event::{Event, Outbox, Trouble};
use super::raw::Raw;
use super::slim;
use crate::api::{Kind, ObjectKey};
use crate::telemetry::label::WatchRestart;
use crate::telemetry::metrics::Metrics;

/// A page of a list that is not streamed.
const PAGE: u32 = 500;

/// One watch.
pub(super) struct Watch {
    kind: Kind,
    outbox: Outbox,
    line: Arc<Line>,
    metrics: Arc<Metrics>,
    probe_every: Duration,
    backoff: Backoff,
    strategy: InitialListStrategy,
    /// A list has begun and is not complete.
    listing: bool,
}

type Events<const METADATA: bool> = Pin<Box<dyn Stream<Item = watcher::Result<watcher::Event<Raw<METADATA>>>> + Send>>;

/// How to go on after an error.
enum Next {
    /// Where it ended.
    Resume,
    /// With a new list.
    Anew,
}

impl Watch {
    /// A watch of a kind.
    pub(super) fn new(kind: Kind, outbox: Outbox, settings: &Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            kind,
            line: Line::new(outbox.clone(), Arc::clone(&metrics)),
            outbox,
            metrics,
            probe_every: settings.probe_every,
            backoff: settings.backoff(),
            strategy: InitialListStrategy::StreamingList,
            listing: false,
        }
    }

    /// Watches for as long as it is polled.
    pub(super) async fn run(self, client: Client) {
        let client = self.line.client(&client);
        // Secrets and ConfigMaps are many and large, and few of them matter.
        match self.kind {
            Kind::Secret | Kind::ConfigMap => self.run_as::<true>(client).await,
            _ => self.run_as::<false>(client).await,
        }
    }

    async fn run_as<const METADATA: bool>(mut self, client: Client) {
        loop {
            let api = Api::<Raw<METADATA>>::all_with(client.clone(), &self.kind.resource());
            let config = watcher::Config {
                initial_list_strategy: self.strategy.clone(),
                page_size: Some(PAGE),
                ..watcher::Config::default()
            };
            self.listing = false;
            self.follow(Box::pin(watcher::watcher(api, config))).await;
        }
    }

    /// Follows a watch until it must begin with a new list.
    async fn follow<const METADATA: bool>(&mut self, mut events: Events<METADATA>) {
        while let Some(event) = events.next().await {
            let at = Instant::now();
            match event {
                Ok(event) => self.deliver(event, at).await,
                Err(error) => match self.endure(&error, at).await {
                    Next::Resume => {}
                    Next::Anew => return,
                },
            }
        }
    }

    async fn deliver<const METADATA: bool>(&mut self, event: watcher::Event<Raw<METADATA>>, at: Instant) {
        match event {
            watcher::Event::Init => {
                if std::mem::replace(&mut self.listing, true) {
                    // The last list ended in the middle, without an error.
                    self.metrics.control.watch_restarts.inc(WatchRestart::Closed);
                    let pause = self.backoff.pause();
                    tokio::time::sleep(pause).await;
                }
                self.outbox.send(Event::Listing, at).await;
            }
            watcher::Event::InitApply(raw) => self.put(raw, at).await,
            watcher::Event::Apply(raw) => {
                self.backoff.reset();
                self.put(raw, at).await;
            }
            watcher::Event::Delete(raw) => {
                self.backoff.reset();
                self.outbox.send(Event::Gone(ObjectKey::of(&raw.meta)), at).await;
            }
            watcher::Event::InitDone => {
                self.listing = false;
                self.backoff.reset();
                // A paged list is followed by a request for the watch.
                self.line.explain(self.strategy == InitialListStrategy::ListWatch);
                self.outbox.send(Event::Listed, at).await;
            }
        }
    }

    async fn put<const METADATA: bool>(&self, raw: Raw<METADATA>, at: Instant) {
        let item = slim::item(self.kind, raw);
        self.outbox.send(Event::Put(Box::new(item)), at).await;
    }

    /// Reports an error, waits, and says how to go on.
    async fn endure(&mut self, error: &watcher::Error, at: Instant) -> Next {
        self.line.explain(true);
        let streaming = self.strategy == InitialListStrategy::StreamingList;
        let (reason, trouble, next) = match code(error) {
            Some(404) => (WatchRestart::Missing, Some(Trouble::Missing), Next::Anew),
            Some(403) => (WatchRestart::Forbidden, Some(Trouble::Forbidden), Next::Anew),
            Some(410) => (WatchRestart::Expired, None, Next::Anew),
            // Streamed lists are refused as an invalid request by servers that have them switched off.
            Some(400 | 405 | 406 | 422 | 501) if streaming => {
                self.strategy = InitialListStrategy::ListWatch;
                return Next::Anew;
            }
            // "Too large resource version": a server that was set back does not have it yet, or never will.
            Some(504) => (WatchRestart::Failed, Some(Trouble::Failing(words(error))), Next::Anew),
            _ => (WatchRestart::Failed, Some(Trouble::Failing(words(error))), Next::Resume),
        };
        self.metrics.control.watch_restarts.inc(reason);
        let most = match trouble {
            Some(Trouble::Missing | Trouble::Forbidden) => self.probe_every,
            _ => Duration::MAX,
        };
        if let Some(trouble) = trouble {
            self.outbox.send(Event::Trouble(trouble), at).await;
        }
        let pause = self.backoff.pause().min(most);
        tokio::time::sleep(pause).await;
        if matches!(next, Next::Resume) {
            // kube begins a list anew after an error in the middle of it.
            self.listing = false;
        }
        next
    }
}

/// The status code of an answer that is an error.
fn code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => super::code(error),
        WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    }
}

/// An error with its causes, each said once.
pub(super) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        source = cause.source();
    }
    words
}
