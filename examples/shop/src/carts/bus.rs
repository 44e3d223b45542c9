//! The bus between the nodes of one process, with a switch for the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unstick::{
    Runtime,
    memory::{MemoryBus, MemoryHub},
};

/// Where the nodes' buses meet. All that nodes in one process share.
#[derive(Debug, Clone)]
pub(crate) struct LocalBus {
    hub: MemoryHub,
    on: Arc<Mutex<bool>>,
}

impl LocalBus {
    pub(crate) fn new() -> Self {
        Self { hub: MemoryHub::new(), on: Arc::new(Mutex::new(true)) }
    }

    /// One node's end of it.
    pub(crate) fn of_node(&self, runtime: &Runtime) -> MemoryBus {
        self.hub.bus(runtime)
    }

    /// Breaks all connections, or makes them again.
    pub(crate) fn switch(&self, on: bool) {
        let mut is_on = self.lock();
        match (*is_on, on) {
            (true, false) => self.hub.weather().cut(),
            (false, true) => self.hub.weather().restore(),
            _ => {}
        }
        *is_on = on;
    }

    pub(crate) fn is_on(&self) -> bool {
        *self.lock()
    }

    // Held while switching, so that two clicks at once leave the two in agreement.
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
