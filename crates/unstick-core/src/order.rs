//! Marks by which layers notice that they are stacked in the wrong order.
//!
//! The affinity layer belongs outside the session layer: it then sees the session's header lines and gives way to them.
//! It leaves [`AffinityDone`] in the response's extensions. A session layer that finds the mark in the response of the
//! service it wraps sits outside, and says so with [`EventKind::LayerOrder`](crate::EventKind::LayerOrder).

/// The affinity layer has finished this response. See the [module docs](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffinityDone;
