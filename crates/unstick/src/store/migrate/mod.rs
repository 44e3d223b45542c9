//! From one store to another while the application serves: nobody is logged out, nothing is lost, nothing is revived.
//!
//! # Procedure
//! `Old` is the store that is in use, `New` the one to go to. Both live behind the same key ring, cookie name and lifetimes.
//! 1. Roll out [`Step::PreferOld`] everywhere. Sessions stay in `Old`; every node now knows where a session may have gone.
//! 2. When no node is left that knows `Old` alone, roll out [`Step::Move`]. New sessions begin in `New`; a session in `Old` is
//!    moved by the first request that can. Nodes of both steps serve side by side for as long as you like, in either direction.
//! 3. After the idle timeout (counted from the last node of step 1) what is left in `Old` is expired. Roll out `New` alone, and
//!    switch `Old` off. Sessions that were used only within the [quiet time](Migrate::quiet) of each renewal stay behind; the
//!    event [`SessionMoved`](unstick_core::EventKind::SessionMoved) and the principal's lists of `Old` tell when moving has come to rest.
//!
//! Going back to `Old` alone is possible until the first node runs [`Step::Move`]; after that, migrate in the other direction.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! use std::time::Duration;
//! use unstick::{core::{Created, Credential, Fields, Loaded, NewRecord, OpCtx, OpId, Presented, Store, Timestamp},
//!     memory::MemoryStore, store::migrate::{Migrate, Step}};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (old, new) = (MemoryStore::new(), MemoryStore::new());
//! let first = Migrate::new(old.clone(), new.clone(), Step::PreferOld);
//! let second = Migrate::new(old.clone(), new.clone(), Step::Move);
//!
//! let now = Timestamp::system_now();
//! let credential = Credential::issue(now, now + Duration::from_secs(3600), now + Duration::from_secs(7200)).unwrap();
//! let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
//! let op = |now: Timestamp, n| OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(n) };
//! let session = NewRecord { secret: presented.secret, principal: None, created: now, fields: Fields::default(),
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline() };
//! assert_eq!(first.create(op(now, 1), key, &session).await.unwrap(), Created::Done);
//! assert_eq!((old.sessions(), new.sessions()), (1, 0));
//!
//! let later = now + Duration::from_secs(600);
//! assert!(matches!(second.load(op(later, 2), key, presented, None).await.unwrap(), Loaded::Live(_)));
//! assert_eq!((old.sessions(), new.sessions()), (0, 1), "moved by the first request that could");
//! assert!(matches!(first.load(op(later, 3), key, presented, None).await.unwrap(), Loaded::Live(_)), "and a node of the first step finds it");
//! # }) }
//! ```
//!
//! # Why it is right
//! In `Old` a record is *open*, then *frozen*, then *moved*. It is frozen by one atomic rotation, without a grace, to a secret
//! that no client can hold; the field [`check_name`](unstick_core::Fields::check_name) lets no application write then keeps the
//! client's secret hash. Moved is a tombstone with a time of its own.
//! * Only the current id freezes: `rotate` without a grace is refused to any other. From then on `Old` refuses every client as
//!   superseded: nobody writes to a frozen record, nobody renews it, nobody ends it. It needs no precondition on other writes.
//! * Its content is therefore stable, and whoever meets it may copy it with `create`, which never overwrites. A node that dies
//!   between two steps leaves a record that the next request, on any node, goes on with.
//! * While a record is open, `New` has no live one under its key, so that `Old`'s word is final. Whatever else `Old` says
//!   (superseded, expired, ended, missing), `New` is asked, and what `New` says is final unless it has nothing.
//! * A copy is made from a frozen record only. An end that found the record open leaves nothing that could be frozen. An end that
//!   did not is carried out in `New`, where its tombstone stops the copy. An administrative end leaves its tombstone in both.
//! * Once `Old` says moved, only `New` counts: a session that `New` has lost is reported as lost, and no old state comes back.
//! * Fields keep their versions, so that an `update` which read before the move and writes after it is judged as ever. A
//!   conditional change delivered again after the move is recognised by the version that it wrote. (An unconditional one is applied
//!   again; the session layer delivers nothing twice.)
//! * The previous id, and which renewals are on their way to the client, do not move along. So a session is moved only by its
//!   current id, when the grace of the last one is over, and when the credential was signed at least the quiet time ago.
//!
//! An administrative end takes two steps. If it meets a move, a request that comes between them may find the session ended and the next one
//! find it alive once more; once the end is answered it is dead in both, with whatever was written meanwhile.
//!
//! If `New` loses its data between the copy and the tombstone in `Old` (two trips of the same request apart), the frozen record is copied again.
//!
//! # Costs
//! | operations per request | `PreferOld` | `Move` |
//! |---|---|---|
//! | session in `Old`: read or write | 1 | 2, and 3 once it can be moved but its last id has a grace |
//! | session in `New`: read or write | 2 | 1 |
//! | the request that moves | - | 7, once per session |
//! | logout | 2 in `Old`, 3 in `New` | 2 in `New`, 3 in `Old` |
//! | session ended, expired or lost | up to 3 | up to 5 |
//!
//! In `PreferOld` sessions in `Old` do not need `New`; in `Move` sessions in `New` do not need `Old`. The rest answers 503 while the other is away.
//!
//! A frozen session needs `New` to take it: until then its requests are answered 503, in either step. So when `New` answers reads but
//! refuses a copy (full, read-only, without the right to write), a node freezes no further session for ten seconds; they stay
//! in use in `Old`. Before `Move` make sure that `New` can be written to and has room for all sessions.
//!
//! # Sessions by principal
//! Lists are merged; `end_others` ends in both. A limit on sessions per principal counts both stores and is arbitrated by `Old`, so that
//! logins on nodes of both steps are counted together: never too many. Of several logins at the same moment for the last place, all may
//! be refused. It takes three more trips. Only between `Move` and `New` alone can two logins at the same moment both get the last place. A crash between copy and tombstone may list a session that has ended, until it expires.

mod index;
mod moving;
mod question;
mod store;

use std::{sync::atomic::AtomicI64, time::Duration};

use unstick_core::Events;

/// How far the migration is. See the [module docs](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Sessions are created in, and stay in, the old store. Rolled out first, and completely.
    PreferOld,
    /// Sessions are created in the new store, and moved there when they are used.
    Move,
}

/// Two stores as one, while sessions go from the one to the other. See the [module docs](self).
#[derive(Debug)]
#[must_use]
pub struct Migrate<Old, New> {
    old: Old,
    new: New,
    step: Step,
    quiet: Duration,
    events: Events,
    /// Until when no session is frozen, in milliseconds.
    paused_until: AtomicI64,
}

impl<Old, New> Migrate<Old, New> {
    /// From `old` to `new`; with events to `tracing` only and a quiet time of one minute.
    pub fn new(old: Old, new: New, step: Step) -> Self {
        Self { old, new, step, quiet: Duration::from_secs(60), events: Events::default(), paused_until: AtomicI64::new(0) }
    }

    /// How long ago a credential must have been signed to move its session. Default one minute.
    ///
    /// Not shorter than [`Lifetimes::grace`](unstick_core::Lifetimes::grace) and the longest request: answers that were sent before the move must have arrived.
    pub fn quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// Where moved sessions are reported, with the instance's name.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The store to leave.
    #[must_use]
    pub fn old(&self) -> &Old {
        &self.old
    }

    /// The store to go to.
    #[must_use]
    pub fn new_store(&self) -> &New {
        &self.new
    }

    /// How far the migration is.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }
}
