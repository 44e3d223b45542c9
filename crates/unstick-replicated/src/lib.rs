//! One session store over two others, which survives the loss of either.
//!
//! [`Replicated`] keeps every session in both of its stores and acknowledges a change when two stores have it. With a
//! *witness*, a third and mostly idle store, it goes on reading and writing while any one of the three is away. Without one
//! it goes on reading; writes are answered 503 until both are back.
//!
//! # Why writes need a witness
//! Two nodes may reach different stores: one of them only A, the other only B. If each went on writing there would be two
//! truths, and a logout in one would not be known in the other. Somebody has to decide who may go on, and neither of the two
//! stores can decide about itself. So there are two modes, and no third that guesses:
//!
//! | | `Replicated::builder(a, b)` | `.witness(w)` |
//! |---|---|---|
//! | one store crashed, or cut off from some or all nodes | read: yes. write: 503 | read and write: yes |
//! | two stores away (of two, of three) | 503 | 503 |
//! | nodes that reach different stores | read: yes. write: 503 | those that reach two of the three go on, all others get 503 |
//! | one store is back with old data, or with none | nothing is lost or revived while the other one is there | nothing is lost or revived while the others are there |
//!
//! The witness is a store like the other two (any of the family, often the smallest), in a place of its own: it must not fail
//! together with A or B. While A and B answer and agree it is never asked, and holds little more than what was in use during an outage.
//!
//! # What each operation promises
//! *Away* means crashed, cut off, hanging for longer than the [patience](ReplicatedBuilder::patience), or refusing. Without a
//! witness a row's second column is what holds while either store is away; with one, the third column holds while any one is.
//! The tests named are in this crate's `tests/faults/`, and play every fault at every step of every operation.
//!
//! | operation | away, no witness | away, with a witness | slow or no answer | back with old data | test |
//! |---|---|---|---|---|---|
//! | `load` | answered by the other one, without renewal; 503 for "missing", and for a session of which it is known to have missed a change | as ever | the others are asked after the patience | the newest version counts, and is copied | `reads`, `returns` |
//! | `create` | 503: nothing is done; lost half way, `Timeout`: unknown | as ever | in, or `Timeout`: unknown | no effect on a session that is newer elsewhere | `creates`, `returns` |
//! | `apply` | as `create` | as ever, each change once | in, or `Timeout`: unknown; never on one store only and acknowledged | merged into the newest version only | `writes`, `returns` |
//! | `rotate` | as `create` | as ever | as `apply` | the newest secret counts | `writes`, `returns` |
//! | `end` | as `create`; never done on one store only and acknowledged | on two stores, then acknowledged | on two stores, or `Timeout`: unknown | the tombstone counts, whatever is in the other | `ends`, `returns` |
//! | `sweep` | the other one is swept, then the error | what answers is swept, then the error | as away | what is dead is not copied | `sweeps` |
//! | index: `list` | from the other one | as ever | the others are asked after the patience | stale entries are judged by the newest version | `lists` |
//! | index: `end_others` | 503, those ended before stay ended | as ever | unknown | as `end`; 503 rather than ending what is somebody else's by now | `lists`, `what_is_somebody_elses_by_now_is_not_ended` |
//! | index: `reserve` | 503 | as ever | 503; a place lapses by itself | places of dead sessions are tidied up | `lists` |
//!
//! `Timeout` is the kind of error for which [`Error::is_outcome_unknown`](unstick_core::Error::is_outcome_unknown) says yes.
//! Such a change is either completed by whoever meets it next, or lost against another one; never half.
//!
//! # Why it is right
//! Both stores are used as registers: the whole record, with a version number, is one field of a session that only this crate
//! reads, and is replaced only where it is still what was read. The rules of sessions are those of
//! [`Record`](unstick_core::Record), applied by the node. Two stores *decide* a version when both have accepted the same proposal.
//! * A store accepts one proposal per version: the exchange is conditional, and happens in the store.
//! * A node proposes version n + 1 only from a version n which it has seen decided. What it meets half done, it completes first.
//! * Any two of the three share a store with any other two; so whoever asks two of them meets the newest decided version.
//! * Two nodes may place different proposals for one version, one in A and one in B. The witness accepts a proposal only after
//!   A or B has confirmed it. So what the witness holds is decided, and where A and B differ it decides; the loser is
//!   overwritten, and its node, which was not told that it is in, tries again. If it has none of them it is given what is in B: writers go to A first,
//!   so that A, if it has lost what it had confirmed, cannot displace it. Without a witness A is always first, so that what B holds is decided.
//! * Where A and B differ the witness is asked, if it answers, before either of them is completed: it may know what the one has missed and the other has lost.
//! * A tombstone is a version like any other: nothing that was read before it can be written after it. A store's own tombstone, which takes a
//!   session with a principal out of its index, is final, and is copied to a store that has lost it.
//! * An operation's id is in the record, so an operation that is tried again, by whoever, takes effect once. It is kept for ten seconds after the
//!   operation's deadline: nodes' clocks may be so far apart.
//!
//! No epoch or lease is involved, and no clock decides what is newer; nodes agree through the stores alone. `tests/weather/` plays thousands of seeds in which
//! stores are lost, forget everything and come back, nodes see different stores, and calls and answers are lost or late, and in which one store has old data again after any step, ids are rotated, sessions end, expire and are swept; the same seeds
//! catch eight pairs that are broken on purpose (feature `mutants`). `tests/outages.rs` does it to real servers.
//!
//! # What it cannot do
//! * Two losses without a repair in between. A store that lost data counts as one loss until it has the data again. Sessions are copied
//!   whenever they are used, and those that a node knows to be missed in the background; a session that nobody uses expires.
//!   So a store replaced by an empty one is whole again after one idle timeout.
//! * While A and B differ about one version and the witness is away, that session is answered 503. This takes two failures within one request.
//! * Without a witness, a change that was answered `Timeout` may be seen by a request that reaches only one store, and not by the next one that reaches only the other.
//! * A limit on sessions per principal is exact while the same two stores answer; logins that overlap the loss or return of a store may exceed it.
//! * A size that one store refuses and the other takes is a loss of the one that refuses: without a witness that session can then be read, but not changed any more.
//!   Let both take the same sizes (`max_allowed_packet` and the like), and limit sessions below that.
//! * A session without a principal that has ended counts in a store's own limit on sessions until its tombstone has served.
//! * There is no lock to hand out ([`Store::update_locked`](unstick_core::Store::update_locked) is none): an `update` that loses its race is tried again.
//!
//! # What is told
//! [`BackendDown`](unstick_core::EventKind::BackendDown) and [`BackendHealed`](unstick_core::EventKind::BackendHealed) name the store
//! (`replicated, a (redis): timeout`), once per loss and return as a node sees it; `BackendHealed` with a count when all that this node
//! knew to be missed is copied. [`Replicated::missed`] is what is left. A store that failed is asked again until it answers, also without
//! requests: after a second, and then after pauses that grow to a minute. The stores tell their own events besides.
//!
//! # Setting up
//! All nodes name the same stores in the same order, and the same witness or none. The stores are used by nothing else: not
//! the table or key prefix of sessions that were kept without this crate (use `unstick::store::migrate` to go there).
//! The pair reaches as far as the one of the three that reaches least: a witness in each process's memory would decide for each process.
//! Adding or removing a witness changes what a decision is: stop writing, or roll it out while both stores are well.
//! Give each store a deadline of its own above the patience, and the session layer one of at least four times the patience.
//! Look after the sweeping of all three as if they stood alone; what the witness got in an outage stays there until the session's absolute deadline.
//!
//! # Costs
//! | statements | on A | on B | on the witness |
//! |---|---|---|---|
//! | read | 1 | 1 | 0 |
//! | read with renewal | 2 | 2 | 0 |
//! | blind write, create, rotate | 2 | 2 | 0 |
//! | read, then write | 3 | 3 | 0 |
//! | logout | 2 (3 with a principal) | the same | 0 |
//! | list of n sessions | 1 + n | 1 + n | 0 |
//! | end of n others | 2 + 4 n | 2 + 4 n | 0 |
//! | reserve | 1 | 1 | 0 |
//! | while A is away: as above on B and the witness; the first request of each session costs one write more | | | |
//!
//! Counted in `tests/faults/returns.rs`. Reads ask both at the same time; a write goes first to A, then to B. Each write sends the whole record. Writers that meet on one session cost one round more each, and a read of the witness.
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use unstick_core::{Change, Created, Credential, Fields, Loaded, NewRecord, OpCtx, OpId, Presented, Store, Timestamp};
//! use unstick_memory::MemoryStore;
//! use unstick_replicated::Replicated;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let (a, b) = (MemoryStore::new(), MemoryStore::new());
//! let store = Replicated::builder(a.clone(), b).witness(MemoryStore::new()).build();
//!
//! let now = Timestamp::system_now();
//! let credential = Credential::issue(now, now + Duration::from_secs(3600), now + Duration::from_secs(7200))?;
//! let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(n) };
//! let session = NewRecord { secret: presented.secret, principal: None, created: now, fields: Fields::default(),
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline() };
//! assert_eq!(store.create(op(1), key, &session).await?, Created::Done);
//! assert!(store.apply(op(2), key, presented, &Change::new().set("cart", "[1]")).await?.is_done());
//!
//! // All of A is lost; its successor is empty. With B and the witness nobody notices.
//! let store = Replicated::builder(MemoryStore::new(), store.b().clone()).witness(store.w().clone()).build();
//! let Loaded::Live(live) = store.load(op(3), key, presented, None).await? else { panic!("lost") };
//! assert_eq!(live.fields.get("cart").unwrap().value, "[1]");
//! store.end(op(4), key, Some(presented), now + Duration::from_secs(7200)).await?;
//!
//! // Back comes the old A, which has not heard of the logout.
//! let store = Replicated::builder(a, store.b().clone()).witness(store.w().clone()).build();
//! assert!(matches!(store.load(op(5), key, presented, None).await?, Loaded::Ended { .. }));
//! # Ok::<(), unstick_core::Error>(()) }).unwrap();
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod agree;
mod builder;
mod entry;
mod health;
mod index;
mod inner;
#[cfg(feature = "mutants")]
mod mutants;
mod propose;
mod repair;
mod replica;
mod store;
mod verdict;
mod witness;

pub use builder::ReplicatedBuilder;
#[cfg(feature = "mutants")]
pub use mutants::Defect;
pub use store::Replicated;
pub use witness::NoWitness;
