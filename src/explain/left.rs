//! What a limit has left for a request, or why nobody can say it.

use std::fmt;

use serde::Serialize;

use crate::ir::limit::StoreFailure;

/// Requests like the one that is explained, or connections of its client, that a limit would admit at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "Shown")]
pub enum Left {
    /// So many, as this replica counts.
    Here(u64),
    /// So many, as all replicas count together.
    Together(u64),
    /// All replicas would count together, but the store cannot be asked: so it goes meanwhile, and so many are left as this
    /// replica counts its part.
    Apart(StoreFailure, u64),
    /// The limit does not count this request.
    Uncounted,
    /// Nobody said which client asks.
    ClientUnknown,
    /// Nothing is served, so nothing is counted.
    Nowhere,
    /// It is no number of requests, or the limit is new.
    Unsaid,
}

/// The same for programs.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

impl Left {
    /// How many.
    fn number(self) -> Option<u64> {
        match self {
            Self::Here(left) | Self::Together(left) | Self::Apart(StoreFailure::Local, left) => Some(left),
            Self::Apart(StoreFailure::Deny, _) => Some(0),
            Self::Apart(StoreFailure::Allow, _)
            | Self::Uncounted
            | Self::ClientUnknown
            | Self::Nowhere
            | Self::Unsaid => None,
        }
    }

    /// What has to be known besides.
    fn note(self) -> Option<&'static str> {
        Some(match self {
            Self::Here(_) | Self::Together(_) | Self::Unsaid => return None,
            Self::Apart(StoreFailure::Local, _) => "the store cannot be asked, so each replica counts its part",
            Self::Apart(StoreFailure::Allow, _) => "the store cannot be asked, so every request passes",
            Self::Apart(StoreFailure::Deny, _) => "the store cannot be asked, so every request is denied",
            Self::Uncounted => "it does not count this request",
            Self::ClientUnknown => "what is left depends on the client: say its address (--client-ip)",
            Self::Nowhere => "nothing is counted in a folder",
        })
    }
}

impl From<Left> for Shown {
    fn from(left: Left) -> Self {
        Self { left: left.number(), note: left.note() }
    }
}

/// Follows what the limit allows.
impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.number()) {
            (Self::Together(left), _) => write!(f, "; {left} left")?,
            (_, Some(left)) => write!(f, "; {left} left here")?,
            (_, None) => {}
        }
        self.note().map_or(Ok(()), |note| write!(f, "; {note}"))
    }
}
