//! A small cache that is right, and its mistakes.

mod bus;
mod level;
mod node;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use self::{bus::Wire, level::SketchLevel, node::Node};
use super::{Aim, Load, LoadFailed, Setup, Subject, Subjects, Versioned};
use crate::sim::Handle;

/// What is wrong with a [`Sketch`]. Each is a mistake that a released cache has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mistake {
    /// What a load brings counts as being as new as its end.
    StampAfterLoad,
    /// The same, for its tags only: they are known late.
    TagStampAfterLoad,
    /// A call joins any load that is running, also one that an invalidation has overtaken.
    JoinsAnyFlight,
    /// What an early refresh brings is not checked.
    RefreshUnguarded,
    /// What a load brings after its callers have given up is not checked.
    LateLoadUnguarded,
    /// Another node's notice removes what is there, and forgets about what is being loaded.
    NoticeOnlyRemoves,
    /// Tags are invalidated as of a time on the invalidating node's wall clock.
    WallClockTags,
    /// The level takes a value whatever became of the lease.
    FillWithoutLease,
    /// The node forgets before the level does, and not again after it: in between it can get the old value from there.
    LevelLast,
    /// The level forgets that tags were invalidated during a load.
    LevelForgetsTags,
    /// Missed notices are not made up for.
    GapIgnored,
}

impl Mistake {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::StampAfterLoad,
        Self::TagStampAfterLoad,
        Self::JoinsAnyFlight,
        Self::RefreshUnguarded,
        Self::LateLoadUnguarded,
        Self::NoticeOnlyRemoves,
        Self::WallClockTags,
        Self::FillWithoutLease,
        Self::LevelLast,
        Self::LevelForgetsTags,
        Self::GapIgnored,
    ];
}

/// [`Sketch`]es with a mistake, or none.
#[derive(Debug, Clone, Copy)]
pub struct Sketches(pub Option<Mistake>);

impl Subjects for Sketches {
    type Subject = Sketch;

    async fn open(&self, at: &Handle, setup: &Setup) -> Sketch {
        let refused = Arc::new(AtomicU64::new(0));
        let level = setup.level.then(|| Arc::new(SketchLevel::new(self.0)));
        let nodes: Vec<_> =
            (0..setup.nodes).map(|_| Arc::new(Node::new(at.clone(), setup, level.clone(), self.0, refused.clone()))).collect();
        let wire = Wire::new(at, setup, &nodes);
        Sketch { at: at.clone(), mistake: self.0, nodes, level, wire, refused }
    }
}

/// A small cache on several nodes, to show that the schedules let a correct cache pass and catch a [`Mistake`].
pub struct Sketch {
    at: Handle,
    mistake: Option<Mistake>,
    nodes: Vec<Arc<Node>>,
    level: Option<Arc<SketchLevel>>,
    wire: Wire,
    refused: Arc<AtomicU64>,
}

impl Subject for Sketch {
    async fn get_or_load(&self, node: usize, key: u64, load: Load) -> Result<Versioned, LoadFailed> {
        self.nodes[node].get_or_load(key, load).await
    }

    async fn invalidate(&self, node: usize, aim: Aim) {
        let wall = self.nodes[node].invalidate(aim);
        self.at.yield_some(3).await;
        if let Some(level) = &self.level {
            level.invalidate(aim);
            if self.mistake != Some(Mistake::LevelLast) {
                self.nodes[node].invalidate(aim); // again: meanwhile the old value could come in from the level
            }
            self.at.yield_some(3).await;
        }
        self.wire.publish(node, aim, wall);
    }

    fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}
