//! What a cluster would show in statuses and events, said on the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::statuses;
use crate::admin::{Readiness, State as Life};
use crate::controller::View;
use crate::source::folder::Watching;
use crate::source::{Finding, Level};
use crate::telemetry::{Metrics, label};
use crate::translate::Problem;

/// Problems that are said after one change; the rest is counted.
const MAX_SAID: usize = 100;

/// Says each finding and each problem once, when it appears.
pub(super) struct Reporter {
    folder: Arc<Watching>,
    metrics: Arc<Metrics>,
    told: BTreeSet<Finding>,
    said: BTreeSet<Problem>,
}

impl Reporter {
    pub(super) fn new(folder: Watching, metrics: Arc<Metrics>) -> Self {
        Self { folder: Arc::new(folder), metrics, told: BTreeSet::new(), said: BTreeSet::new() }
    }

    /// Reports until the control loop ends or the folder is no longer watched, and says when the first
    /// table is served.
    pub(super) async fn follow(mut self, mut view: watch::Receiver<View>, readiness: Readiness) {
        let mut findings = self.folder.findings();
        loop {
            let (found, current) = (Arc::clone(&findings.borrow_and_update()), view.borrow_and_update().clone());
            if current.version > 0 {
                readiness.set(Life::Ready);
            }
            // it reads files, and the admin server shares this thread
            let report = tokio::task::spawn_blocking(move || {
                self.tell(&found);
                self.say(&current);
                self
            });
            self = match report.await {
                Ok(reporter) => reporter,
                Err(error) => return tracing::error!(%error, "problems are no longer reported: this is a bug"),
            };
            let changed = tokio::select! {
                changed = view.changed() => changed,
                changed = findings.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn tell(&mut self, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| !self.told.contains(finding)) {
            match finding.level {
                Level::Error => tracing::error!("{finding}"),
                Level::Warning => tracing::warn!("{finding}"),
                Level::Note => tracing::info!("{finding}"),
            }
        }
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        self.metrics.findings.set(label::Level::Error, count(Level::Error));
        self.metrics.findings.set(label::Level::Warning, count(Level::Warning));
        if count(Level::Error) == 0 && self.told.iter().any(|finding| finding.level == Level::Error) {
            tracing::info!("the manifests have no errors any more");
        }
        self.told = findings.iter().cloned().collect();
    }

    fn say(&mut self, view: &View) {
        let problems: BTreeSet<_> = view.translation.problems.iter().cloned().collect();
        if problems == self.said {
            return;
        }
        let new: Vec<_> = problems.difference(&self.said).collect();
        let fields: Vec<_> = new.iter().take(MAX_SAID).map(|problem| (&problem.object, &*problem.field)).collect();
        for (problem, location) in new.iter().zip(self.folder.locate_all(&fields)) {
            tracing::warn!("{}", statuses::problem(problem, location.as_ref()));
        }
        if let Some(more) = new.len().checked_sub(MAX_SAID).filter(|more| *more > 0) {
            tracing::warn!("and {more} more: see /config_dump");
        }
        tracing::info!(problems = problems.len(), "problems in what is served");
        self.said = problems;
    }
}
