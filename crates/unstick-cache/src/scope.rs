//! The client being served.

use super::mark::Mark;

/// Notes an invalidation with the client being served, if there is one; the same one again replaces it.
pub(crate) fn record(_: Mark) {}

/// Whether the client being served is ahead of what is kept here.
pub(crate) const fn bypasses() -> bool {
    false
}
