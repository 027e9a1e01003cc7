//! Limits: what one client, route or tenant may take, and what happens when all want everything.
//!
//! Every part is a small machine that is told the time ([`Moment`]) and answers at once; none knows
//! of requests, routes or sockets. All state is in atomics, so that no request waits for another.
//!
//! | part | limits |
//! |---|---|
//! | [`gcra`] | the rate of one thing |
//! | [`keys`] | the rate of each of many things, in bounded memory |
//! | [`rate`] | one rate limit: name, quota, state |
//! | [`decision`] | all rate limits of one request |
//! | [`header`] | what clients are told |
//! | [`concurrency`] | how many at once |
//! | [`share`] | how many at once for each of several, by guarantee and weight |
//! | [`lines`] | what is done one after the other, by weight |
//! | [`bandwidth`] | how fast bytes go |
//! | [`global`] | rates that all replicas count together, in Redis or Valkey |
//! | [`counting`] | what a rate means where several replicas count |
//! | [`denials`] | how often limits denied |
//! | [`basis`] | what all of them share |

pub mod bandwidth;
pub mod basis;
pub mod clock;
pub mod concurrency;
pub mod counting;
pub mod decision;
pub mod denials;
pub mod gcra;
pub mod global;
pub mod header;
pub mod keys;
pub mod lines;
pub mod rate;
pub mod share;

pub use basis::Basis;
pub use clock::{Clock, Moment};
