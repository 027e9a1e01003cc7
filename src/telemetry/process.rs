//! What the system knows about the process, from `/proc`; elsewhere nothing is said.

/// Writes the process metrics.
pub(super) fn write(_out: &mut String) {}
