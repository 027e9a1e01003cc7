//! Labels whose values are a closed set, and metrics with one such label.

use std::marker::PhantomData;

use prometheus::{IntCounter, IntGauge, Opts, Registry};

use crate::api::Kind;

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value, by index.
    const ALL: &'static [Self];

    /// The value as metrics show it.
    fn as_str(self) -> &'static str;

    /// The position in [`Label::ALL`].
    fn index(self) -> usize;
}

/// Declares enums that are labels: `pub enum Name("label") { Variant = "value" }`.
macro_rules! labels {
    ($($(#[$doc:meta])* pub enum $name:ident($label:literal) {
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $crate::telemetry::label::Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}
pub(crate) use labels;

labels! {
    /// Why a connection was closed before a byte of it was read.
    pub enum Refusal("reason") {
        /// The process has as many connections as it may.
        Limit = "max_connections",
        /// A limit on connections.
        Limited = "limited",
        /// The system could not hand it over, usually for want of file descriptors.
        Accept = "accept_error",
    }

    /// How a TLS handshake with a client ended.
    pub enum Handshake("outcome") {
        /// Well.
        Ok = "ok",
        /// No listener has a certificate for the server name.
        NoCertificate = "no_certificate",
        /// A limit on connections.
        Limited = "limited",
        /// Too many of the same tenant were waiting for their turn.
        Crowded = "crowded",
        /// It took too long.
        Timeout = "timeout",
        /// Anything else: no common version, a broken client, a closed connection.
        Failed = "failed",
    }

    /// What became of a copy of a request.
    pub enum MirrorOutcome("outcome") {
        /// The backend answered, whatever it said.
        Ok = "ok",
        /// It could not be reached or did not answer.
        Failed = "failed",
        /// Not sent: too many copies were under way.
        Dropped = "dropped",
    }

    /// Where the connection of a try came from.
    pub enum UpstreamConnect("outcome") {
        /// It was made.
        Opened = "opened",
        /// It was kept from another request.
        Reused = "reused",
        /// There was none.
        Failed = "failed",
    }

    /// How serious a finding in a source is.
    pub enum Level("level") {
        /// Something does not take effect.
        Error = "error",
        /// Something probably is not as meant.
        Warning = "warning",
    }

    /// Why a watch began anew.
    pub enum WatchRestart("reason") {
        /// Its end was due.
        Closed = "closed",
        /// The API server no longer knows the version it went on from, so everything was listed again.
        Expired = "expired",
        /// The API server could not be reached or answered with an error.
        Failed = "failed",
        /// The API server does not know the kind: its CRD is missing.
        Missing = "missing",
        /// The process may not read the kind.
        Forbidden = "forbidden",
    }

    /// What became of a write to the API server.
    pub enum WriteOutcome("outcome") {
        /// It was taken.
        Written = "written",
        /// Somebody else had written in between; it is tried again.
        Conflict = "conflict",
        /// The object is gone.
        Gone = "gone",
        /// The process may not write it.
        Forbidden = "forbidden",
        /// The API server could not be reached or answered with another error; it is tried again.
        Failed = "failed",
    }

    /// The state of a socket that listeners ask for.
    pub enum ListenerState("state") {
        /// Bound and accepting.
        Bound = "bound",
        /// Could not be bound.
        Failed = "failed",
    }
}

impl Label for Kind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// A counter per value of a label.
#[derive(Debug)]
pub struct LabelledCounter<L>(Box<[IntCounter]>, PhantomData<L>);

impl<L: Label> LabelledCounter<L> {
    pub(super) fn register(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Self> {
        let counters = L::ALL.iter().map(|label| {
            let counter = IntCounter::with_opts(Opts::new(name, help).const_label(L::NAME, label.as_str()))?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        });
        Ok(Self(counters.collect::<prometheus::Result<_>>()?, PhantomData))
    }

    /// Counts one.
    pub fn inc(&self, label: L) {
        if let Some(counter) = self.0.get(label.index()) {
            counter.inc();
        }
    }

    /// What was counted.
    #[must_use]
    pub fn value(&self, label: L) -> u64 {
        self.0.get(label.index()).map_or(0, IntCounter::get)
    }
}

/// A gauge per value of a label.
#[derive(Debug)]
pub struct LabelledGauge<L>(Box<[IntGauge]>, PhantomData<L>);

impl<L: Label> LabelledGauge<L> {
    pub(super) fn register(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Self> {
        let gauges = L::ALL.iter().map(|label| {
            let gauge = IntGauge::with_opts(Opts::new(name, help).const_label(L::NAME, label.as_str()))?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        });
        Ok(Self(gauges.collect::<prometheus::Result<_>>()?, PhantomData))
    }

    /// Sets the value.
    pub fn set(&self, label: L, value: usize) {
        if let Some(gauge) = self.0.get(label.index()) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// The value.
    #[must_use]
    pub fn value(&self, label: L) -> i64 {
        self.0.get(label.index()).map_or(0, IntGauge::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_value_has_its_own_place() {
        for (n, kind) in <Kind as Label>::ALL.iter().enumerate() {
            assert_eq!(kind.index(), n, "{kind}");
        }
        let registry = Registry::new();
        let counters = LabelledCounter::<Handshake>::register(&registry, "handshakes", "test").unwrap();
        counters.inc(Handshake::Timeout);
        let values: Vec<u64> = Handshake::ALL.iter().map(|label| counters.value(*label)).collect();
        assert_eq!(values, [0, 0, 0, 0, 1, 0]);
    }
}
