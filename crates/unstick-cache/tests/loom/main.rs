//! The logic by which invalidations win, under every interleaving that loom finds within its bound of preemptions.
//!
//! `rule` is the rule in a few lines, with its memory orders to choose: which suffice, and which mistakes are caught. `engine`
//! puts loom's primitives under the cache's own modules.

mod engine;
mod rule;

use loom::model::Builder;

/// What the cache's modules take from the standard library.
mod sync {
    pub(crate) use loom::sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    };
}

#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../src/distrust.rs"]
mod distrust;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../src/flight.rs"]
mod flight;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../src/generations.rs"]
mod generations;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../src/mark.rs"]
mod mark;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    explore_to(3, model);
}

fn explore_to(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
