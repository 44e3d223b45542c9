//! Contracts of the unstick family. Backends and layers know this crate and not each other.
//!
//! | module | contract |
//! |---|---|
//! | [`credential`] | what the client carries: signed, versioned, bound to its purpose |
//! | [`record`] | what a backend keeps, and the pure rules for judging and merging it |
//! | [`store`], [`op`], [`outcome`] | a server-side session store, its operations and answers |
//! | [`index`] | sessions by principal |
//! | [`revocations`] | deny-list and epochs for credentials without a record |
//! | [`backend`] | what the session layer sees of any backend |
//! | [`level`], [`bus`] | a shared cache level and an invalidation bus |
//! | [`lifetimes`] | idle and absolute timeouts as arithmetic |
//! | [`runtime`], [`time`] | clocks, timers and tasks |
//! | [`engine_clock`] | the clock of a server, as far as a node can know it |
//! | [`event`], [`cause`] | what happened, and why sessions disappear |
//! | [`availability`] | whether a backend answers, told once per change |
//! | [`budget`] | bytes of response headers that layers share |
//! | [`cookie`], [`hygiene`] | cookies of a request, and answers that shared caches must not keep |
//! | [`order`] | the order of layers |
//! | [`pending`] | work that a process must not exit before |
//! | [`error`] | one opaque error |
//!
//! Applications use the `unstick` crate, which re-exports what they need.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod availability;
pub mod backend;
pub mod budget;
pub mod bus;
pub mod cause;
pub mod cookie;
pub mod credential;
pub mod engine_clock;
pub mod error;
pub mod event;
pub mod hygiene;
pub mod index;
pub mod level;
pub mod lifetimes;
pub mod op;
pub mod order;
pub mod outcome;
pub mod pending;
pub mod record;
pub mod revocations;
pub mod runtime;
pub mod scope;
pub mod store;
pub mod time;

#[doc(no_inline)]
pub use self::{
    availability::Availability,
    backend::{Carriage, Carrier, Committed, Intent, Lifecycle, Opening, SessionBackend, Ticket},
    budget::HeaderBudget,
    bus::{Bus, BusEvent, Notice, Published, PublisherId, Subscription},
    cause::Cause,
    credential::{
        CREDENTIAL_FORMAT, Credential, Key, KeyRing, KeyRole, Lineage, OpenedCredential, RecordKey, SEALED_LEN, Sealer, Secret, SecretHash,
        SessionTag, Verdict,
    },
    engine_clock::EngineClock,
    error::{ConfigError, Error, ErrorKind},
    event::{Event, EventKind, Events, Observer},
    index::{PrincipalIndex, Reservation, SessionEntry},
    level::{Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, Position, TagKey, Target, Want},
    lifetimes::Lifetimes,
    op::{OpCtx, OpId},
    order::AffinityRan,
    outcome::{Applied, Created, Ended, LiveSession, Loaded, Rotated, end_in_place},
    pending::{Pending, PendingGuard},
    record::{
        Change, Field, FieldChange, FieldVersion, Fields, Life, MAX_FIELD_NAME, NewRecord, Precondition, Presented, PreviousSecret, Proof,
        RECORD_FORMAT, Record, Renewal, Rotation, Standing, decode_record, encode_record,
    },
    revocations::Revocations,
    runtime::{BoxFuture, Runtime, RuntimeOps, Sleep},
    scope::Scope,
    store::{AtHand, Decide, Store},
    time::Timestamp,
};
