//! Limits: what one client, route or tenant may take, and what happens when all want everything.
//!
//! Every part is a small machine that is told the time ([`Moment`]) and answers at once; none knows
//! of requests, routes or sockets. All state is in atomics, so that no request waits for another.
//!
//! | part | limits |
//! |---|---|
//! | [`gcra`] | the rate of one thing |
//! | [`keys`] | the rate of each of many things, in bounded memory |
//! | [`counting`] | what a rate means where several replicas count |

pub mod clock;
pub mod counting;
pub mod gcra;
pub mod keys;

pub use clock::{Clock, Moment};
