//! What watches and fetches tell the one task that writes to the store.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::api::{Kind, ObjectKey};
use crate::snapshot::Object;
use crate::source::live::Seen;

/// Something that happened to one kind.
#[derive(Debug)]
pub(super) struct Message {
    /// Which kind.
    pub(super) kind: Kind,
    /// When it arrived.
    pub(super) at: Instant,
    /// What happened.
    pub(super) event: Event,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A list begins.
    Listing,
    /// The list is complete: what was not in it is gone.
    Listed,
    /// An object is there.
    Put(Box<Item>),
    /// An object is gone.
    Gone(ObjectKey),
    /// The watch goes on where it had ended.
    Alive,
    /// The watch ended or cannot begin.
    Trouble(Trouble),
    /// A fetch of one object came to something.
    Fetched(ObjectKey, Fetched),
}

/// Why a watch does not stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The API server does not know the kind.
    Missing,
    /// We may not read it.
    Forbidden,
    /// Anything else: the status that the API server answered, if it answered, and words.
    Failing(Option<u16>, String),
}

/// One object.
#[derive(Debug)]
pub(super) struct Item {
    /// Namespace and name.
    pub(super) key: ObjectKey,
    /// `metadata.resourceVersion`
    pub(super) version: Arc<str>,
    /// What others want to know of it.
    pub(super) seen: Option<Seen>,
    /// What is stored of it.
    pub(super) content: Content,
}

/// What is known of an object.
#[derive(Debug)]
pub(super) enum Content {
    /// All that we need.
    Object(Object),
    /// That it cannot be read.
    Malformed(Defect),
    /// Its metadata: the rest is fetched if somebody refers to it.
    Metadata,
}

/// Why an object cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defect {
    /// The field, empty for the whole object.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) message: String,
}

/// What a fetch came to.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The object.
    Found(Box<Item>),
    /// It does not exist.
    Absent,
    /// We may not read it; it is tried again.
    Forbidden,
    /// The API server does not answer; it is tried again.
    Failing,
}

/// Where messages about one kind go.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    kind: Kind,
    sender: mpsc::Sender<Message>,
}

impl Outbox {
    /// An outbox of a kind.
    pub(super) const fn new(kind: Kind, sender: mpsc::Sender<Message>) -> Self {
        Self { kind, sender }
    }

    /// Sends, and waits when the receiver is behind.
    pub(super) async fn send(&self, event: Event, at: Instant) {
        // Without a receiver the process ends, and the sender with it.
        let _ = self.sender.send(Message { kind: self.kind, at, event }).await;
    }
}
