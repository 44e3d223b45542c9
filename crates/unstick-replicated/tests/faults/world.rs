//! Stores that fail on command, and requests to them.

use std::{sync::Arc, time::Duration};

use unstick_core::{
    Change, Created, Credential, Ended, Error, Field, FieldVersion, Fields, Loaded, OpCtx, OpId, Renewal, Rotated, Store, Timestamp,
};
use unstick_memory::MemoryStore;
use unstick_replicated::Replicated;
use unstick_testkit::{
    contract::{IDLE, Subject},
    faults::FaultStore,
};

pub(crate) type Faulty = FaultStore<MemoryStore>;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Request {
    Load,
    Renew,
    Create,
    Apply,
    RenewId,
    Promote,
    End,
    AdministrativeEnd,
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Told {
    Done,
    /// Nothing was changed.
    Refused,
    Unknown,
}

/// How the session stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Ended,
    Missing,
    Superseded,
    Live {
        fields: Vec<String>,
        idle: Timestamp,
    },
    /// Nobody says.
    Error,
}

/// A pair, or a trio.
#[derive(Debug, Clone)]
pub(crate) enum Any {
    Pair(Arc<Replicated<Faulty, Faulty>>),
    Trio(Arc<Replicated<Faulty, Faulty, Faulty>>),
}

/// Runs a call on either.
macro_rules! on {
    ($node:expr, $store:ident => $call:expr) => {
        match $node {
            $crate::world::Any::Pair($store) => $call,
            $crate::world::Any::Trio($store) => $call,
        }
    };
}
pub(crate) use on;

pub(crate) struct World {
    pub(crate) stores: [Faulty; 3],
    pub(crate) witness: bool,
    pub(crate) subject: Subject,
    pub(crate) rotated: Subject,
    pub(crate) created: Subject,
    pub(crate) now: Timestamp,
    ops: std::cell::Cell<u128>,
}

impl World {
    /// A session that both stores have.
    pub(crate) async fn new(witness: bool) -> Self {
        let store = || FaultStore::new(MemoryStore::new());
        let now = Timestamp::system_now();
        let issue = || Subject::from(Credential::issue(now, now + IDLE, now + IDLE * 4).unwrap());
        let subject = issue();
        let rotated = subject.rotated(now).unwrap();
        let world = Self { stores: [store(), store(), store()], witness, subject, rotated, created: issue(), now, ops: 0.into() };
        let fields = Fields::from_iter([(Arc::from("a"), Field { version: FieldVersion::from_u64(7), value: "1".into() })]);
        let created = on!(world.node(), node => node.create(world.op(), subject.key, &subject.new_record(Some("ann"), fields)).await);
        assert_eq!(created.unwrap(), Created::Done);
        world
    }

    /// A node that has heard of nothing yet.
    pub(crate) fn node(&self) -> Any {
        let [a, b, w] = self.stores.clone();
        let builder = Replicated::builder(a, b).patience(Duration::from_secs(1));
        if self.witness { Any::Trio(Arc::new(builder.witness(w).build())) } else { Any::Pair(Arc::new(builder.build())) }
    }

    pub(crate) fn op(&self) -> OpCtx {
        self.ops.set(self.ops.get() + 1);
        OpCtx { now: self.now, deadline: self.now + Duration::from_secs(120), op_id: OpId::from_u128(self.ops.get()) }
    }

    pub(crate) async fn send(&self, node: &Any, request: Request) -> Told {
        let (op, old, new) = (self.op(), self.subject, self.rotated);
        let until = op.now + IDLE * 8;
        let change = Change::new().set("b", "2");
        on!(node, node => match request {
            Request::Load => told(node.load(op, old.key, old.presented, None).await, |loaded| matches!(loaded, Loaded::Live(_))),
            Request::Renew => {
                let idle_deadline = op.now + IDLE * 2;
                let loaded = node.load(op, old.key, old.presented, Some(Renewal { idle_deadline, issued: op.now })).await;
                match loaded {
                    Ok(Loaded::Live(live)) if live.idle_deadline == idle_deadline => Told::Done,
                    Ok(Loaded::Live(_)) => Told::Unknown, // served until the old deadline, renewed or not
                    other => told(other, |_| false),
                }
            }
            Request::Create => {
                let subject = self.created;
                told(node.create(op, subject.key, &subject.new_record(None, Fields::default())).await, |created| *created == Created::Done)
            }
            Request::Apply => told(node.apply(op, old.key, old.presented, &change).await, unstick_core::Applied::is_done),
            Request::RenewId | Request::Promote => {
                let grace = (request == Request::RenewId).then_some(op.now + IDLE);
                let rotation = Subject::rotation(&new, grace, grace.is_none().then_some("bob"));
                let done = |rotated: &Rotated| matches!(rotated, Rotated::Done { rotated: true, .. });
                told(node.rotate(op, old.key, old.presented, &rotation, &change).await, done)
            }
            Request::End => told(node.end(op, old.key, Some(old.presented), until).await, |ended| matches!(ended, Ended::Done { was_live: true })),
            Request::AdministrativeEnd => told(node.end(op, old.key, None, until).await, |ended| matches!(ended, Ended::Done { .. })),
        })
    }

    /// Whether what the request asked for is in, as any of these nodes sees it.
    pub(crate) async fn has_effect(&self, node: &Any, request: Request) -> bool {
        match request {
            Request::Load => true,
            Request::Renew => matches!(self.look(node, &self.subject).await, Seen::Live { idle, .. } if idle == self.now + IDLE * 2),
            Request::Create => matches!(self.look(node, &self.created).await, Seen::Live { .. }),
            Request::Apply => matches!(self.look(node, &self.subject).await, Seen::Live { fields, .. } if fields.contains(&"b".to_owned())),
            Request::RenewId | Request::Promote => {
                matches!(self.look(node, &self.rotated).await, Seen::Live { fields, .. } if fields.contains(&"b".to_owned()))
            }
            Request::End | Request::AdministrativeEnd => self.look(node, &self.subject).await == Seen::Ended,
        }
    }

    pub(crate) async fn look(&self, node: &Any, subject: &Subject) -> Seen {
        match on!(node, node => node.load(self.op(), subject.key, subject.presented, None).await) {
            Ok(Loaded::Live(live)) => {
                let fields = live.fields.iter().map(|(name, _)| name.to_string()).collect();
                Seen::Live { fields, idle: live.idle_deadline }
            }
            Ok(Loaded::Ended { .. }) => Seen::Ended,
            Ok(Loaded::Superseded { .. }) => Seen::Superseded,
            Ok(Loaded::Missing) => Seen::Missing,
            Ok(other) => panic!("{other:?}"),
            Err(_) => Seen::Error,
        }
    }

    pub(crate) async fn all_is_well(&self) {
        for store in &self.stores {
            store.heal();
            store.release();
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn told<T: std::fmt::Debug>(answer: Result<T, Error>, done: impl FnOnce(&T) -> bool) -> Told {
    match answer {
        Ok(answer) => {
            assert!(done(&answer), "{answer:?}");
            Told::Done
        }
        Err(error) if error.is_outcome_unknown() => Told::Unknown,
        Err(_) => Told::Refused,
    }
}
