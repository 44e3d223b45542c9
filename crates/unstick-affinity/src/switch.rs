//! Turning un-pinning on and off while serving.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Says for each request whether to un-pin. Implemented for `bool`, for `Arc<AtomicBool>` and for closures, such as one that asks
/// a feature flag. It runs on the request path: return quickly and never block.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
/// use unstick_affinity::Switch;
///
/// let flag = Arc::new(AtomicBool::new(false));
/// let switch = flag.clone();
/// assert!(!switch.is_on());
/// flag.store(true, Ordering::Relaxed);
/// assert!(switch.is_on());
/// assert!((|| true).is_on());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot switch the affinity layer",
    note = "pass a `bool`, an `Arc<AtomicBool>` or a closure `Fn() -> bool`"
)]
pub trait Switch: Send + Sync + 'static {
    /// Whether to un-pin the request at hand.
    fn is_on(&self) -> bool;
}

impl Switch for bool {
    fn is_on(&self) -> bool {
        *self
    }
}

impl Switch for Arc<AtomicBool> {
    fn is_on(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}

impl<F: Fn() -> bool + Send + Sync + 'static> Switch for F {
    fn is_on(&self) -> bool {
        self()
    }
}
