//! Seeded schedules in which caches are invalidated while they load, and a checker that decides whether a stale value survived.
//!
//! A schedule is a function of its [`Family`] and seed: readers and writers on one to three nodes, a source whose reads take
//! their snapshot at one time and answer at another, and an [executor](crate::sim) that overtakes everybody everywhere. The
//! [`History`] judges every read when it ends:
//!
//! - a call that started after an invalidation had finished on its node, or had been applied there as a notice, must not get
//!   a value that was replaced before that invalidation started;
//! - when all is quiet, every node must have the newest version of everything, within its time to live: no stale value stays.
//!
//! Whatever implements [`Subject`] can be played. [`Sketch`] is a small correct cache, or one with a [`Mistake`] that a released
//! cache has made, to show that a family catches what it is for; with feature `moka`, `Plain` is moka as it is used every day.
//!
//! `UNSTICK_SCHEDULES` sets how many schedules of a family are played, `UNSTICK_SEED` the first seed.
//!
//! ```
//! use unstick_testkit::schedules::{Family, Mistake, Sketches, run};
//!
//! let sound = run(&Sketches(None), Family::Key, 0..200);
//! assert!(sound.failures.is_empty() && sound.counts.overtaken > 0 && sound.counts.hits > 0);
//! let broken = run(&Sketches(Some(Mistake::StampAfterLoad)), Family::Key, 0..200);
//! assert!(!broken.failures.is_empty());
//! ```

mod family;
mod history;
#[cfg(feature = "moka")]
mod plain;
mod run;
mod sketch;
mod source;
mod subject;

#[cfg(feature = "moka")]
pub use self::plain::{Plain, PlainMoka};
pub use self::{
    family::Family,
    history::{Counts, History},
    run::{Failure, Outcome, assert_caught, assert_sound, run},
    sketch::{Mistake, Sketch, Sketches},
    source::Source,
    subject::{Aim, Load, LoadFailed, Setup, Subject, Subjects, Tag, Versioned},
};
