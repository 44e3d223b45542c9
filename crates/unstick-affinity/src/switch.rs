//! Turning un-pinning on and off while serving.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;

use crate::Head;

/// Says for each request whether to un-pin. It runs on the request path: return quickly and never block.
///
/// Implemented for `bool`, for `Arc<AtomicBool>`, for closures `Fn() -> bool` such as one that asks a feature flag, for
/// [`watch::Receiver<bool>`] (when the sender is gone, the last value stays), for [`Percent`](crate::Percent) of clients, and for closures
/// that look at the request, inside [`per_request`].
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
/// use http::{HeaderMap, Method, Uri};
/// use unstick_affinity::{Head, Switch, per_request};
///
/// let (method, headers, uri) = (Method::GET, HeaderMap::new(), Uri::from_static("/warmup"));
/// let head = Head::new(&method, &uri, &headers);
///
/// let flag = Arc::new(AtomicBool::new(false));
/// let switch = flag.clone();
/// assert!(!switch.is_on(&head));
/// flag.store(true, Ordering::Relaxed);
/// assert!(switch.is_on(&head));
/// assert!((|| true).is_on(&head));
///
/// let but_warm_up = per_request(|head| head.uri().path() != "/warmup");
/// assert!(!but_warm_up.is_on(&head));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot switch the affinity layer",
    note = "pass a `bool`, an `Arc<AtomicBool>`, a `watch::Receiver<bool>`, a `Percent` of clients, a closure `Fn() -> bool`, or \
            `per_request(|head| ..)`"
)]
pub trait Switch: Send + Sync + 'static {
    /// Whether to un-pin the request at hand.
    fn is_on(&self, head: &Head<'_>) -> bool;
}

impl Switch for bool {
    fn is_on(&self, _: &Head<'_>) -> bool {
        *self
    }
}

impl Switch for Arc<AtomicBool> {
    fn is_on(&self, _: &Head<'_>) -> bool {
        self.load(Ordering::Relaxed)
    }
}

impl Switch for watch::Receiver<bool> {
    fn is_on(&self, _: &Head<'_>) -> bool {
        *self.borrow()
    }
}

impl<F: Fn() -> bool + Send + Sync + 'static> Switch for F {
    fn is_on(&self, _: &Head<'_>) -> bool {
        self()
    }
}

/// A switch that looks at each request's head. See [`Switch`].
pub fn per_request<F>(decide: F) -> PerRequest<F>
where
    F: Fn(&Head<'_>) -> bool + Send + Sync + 'static,
{
    PerRequest(decide)
}

/// Made by [`per_request`].
#[derive(Clone, Copy)]
pub struct PerRequest<F>(F);

impl<F> fmt::Debug for PerRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerRequest(<fn>)")
    }
}

impl<F: Fn(&Head<'_>) -> bool + Send + Sync + 'static> Switch for PerRequest<F> {
    fn is_on(&self, head: &Head<'_>) -> bool {
        (self.0)(head)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};
    use tokio::sync::watch;

    use super::Switch;
    use crate::Head;

    #[test]
    fn a_closed_channel_keeps_its_last_value() {
        let (method, uri, headers) = (Method::GET, Uri::default(), HeaderMap::new());
        let head = Head::new(&method, &uri, &headers);
        let (sender, switch) = watch::channel(false);
        assert!(!switch.is_on(&head));
        sender.send(true).unwrap();
        assert!(switch.is_on(&head));
        drop(sender);
        assert!(switch.is_on(&head));
    }
}
