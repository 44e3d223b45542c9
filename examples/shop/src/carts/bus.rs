//! The bus between the nodes of one process, with a switch for the page.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use unstick::{
    Runtime,
    memory::{MemoryBus, MemoryHub},
};

/// Where the nodes' buses meet. All that nodes in one process share.
#[derive(Debug, Clone)]
pub(crate) struct LocalBus {
    hub: MemoryHub,
    on: Arc<AtomicBool>,
}

impl LocalBus {
    pub(crate) fn new() -> Self {
        Self { hub: MemoryHub::new(), on: Arc::new(AtomicBool::new(true)) }
    }

    /// One node's end of it.
    pub(crate) fn of_node(&self, runtime: &Runtime) -> MemoryBus {
        self.hub.bus(runtime)
    }

    /// Breaks all connections, or makes them again.
    pub(crate) fn switch(&self, on: bool) {
        let was_on = self.on.swap(on, Ordering::AcqRel);
        match (was_on, on) {
            (true, false) => self.hub.weather().cut(),
            (false, true) => self.hub.weather().restore(),
            _ => {}
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }
}
