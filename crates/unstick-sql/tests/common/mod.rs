//! Shared by the tests: sessions, operations, and places where a store's data is, with SQL beside the store.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

#[cfg(feature = "sqlite")]
pub(crate) use sqlite::Place;
use unstick_core::*;

pub(crate) static NEXT: AtomicU64 = AtomicU64::new(1);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// An operation at the system's time with ten seconds to spend.
pub(crate) fn op() -> OpCtx {
    at(Timestamp::system_now())
}

pub(crate) fn at(now: Timestamp) -> OpCtx {
    let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 64 | u128::from(std::process::id());
    OpCtx { now, deadline: now + 10 * SECOND, op_id: OpId::from_u128(number) }
}

/// A listener on this host's IPv6 address must be reached by `address`, whose port is to be put in for `PORT`.
pub(crate) async fn is_reached_by_ipv6<T, E>(address: &str, connect: impl AsyncFnOnce(String) -> Result<T, E>) {
    let Ok(listener) = tokio::net::TcpListener::bind(("::1", 0)).await else {
        eprintln!("SKIPPED: this host has no IPv6");
        return;
    };
    let address = address.replace("PORT", &listener.local_addr().unwrap().port().to_string());
    let accepted = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
    assert!(connect(address).await.is_err(), "nobody speaks there");
    tokio::time::timeout(10 * SECOND, accepted).await.expect("nobody came").unwrap();
}

#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) credential: Credential,
    pub(crate) key: RecordKey,
    pub(crate) presented: Presented,
}

impl From<Credential> for Session {
    fn from(credential: Credential) -> Self {
        Self { credential, key: credential.lineage().record_key(), presented: Presented::from(&credential) }
    }
}

impl Session {
    pub(crate) fn new() -> Self {
        let now = Timestamp::system_now();
        Self::from(Credential::issue(now, now + 600 * SECOND, now + 6000 * SECOND).unwrap())
    }

    pub(crate) fn record(&self, principal: Option<&str>, fields: Fields) -> NewRecord {
        NewRecord {
            secret: self.presented.secret,
            principal: principal.map(Into::into),
            created: self.credential.issued(),
            idle_deadline: self.credential.idle_deadline(),
            absolute_deadline: self.credential.absolute_deadline(),
            fields,
        }
    }

    pub(crate) async fn create(store: &impl Store) -> Self {
        Self::create_for(store, None).await
    }

    pub(crate) async fn create_for(store: &impl Store, principal: Option<&str>) -> Self {
        let session = Self::new();
        assert_eq!(store.create(op(), session.key, &session.record(principal, Fields::default())).await.unwrap(), Created::Done);
        session
    }

    pub(crate) async fn apply(&self, store: &impl Store, change: &Change) -> Applied {
        store.apply(op(), self.key, self.presented, change).await.unwrap()
    }

    pub(crate) async fn load(&self, store: &impl Store) -> Loaded {
        store.load(op(), self.key, self.presented, None).await.unwrap()
    }

    pub(crate) async fn fields(&self, store: &impl Store) -> Fields {
        match self.load(store).await {
            Loaded::Live(session) => session.fields,
            other => panic!("not live: {other:?}"),
        }
    }

    /// The value of a field as a number, 0 when absent.
    pub(crate) async fn number(&self, store: &impl Store, name: &str) -> u64 {
        self.fields(store).await.get(name).map_or(0, |field| str::from_utf8(&field.value).unwrap().parse().unwrap())
    }

    pub(crate) fn rotation(&self, grace: Option<Duration>, principal: Option<&str>) -> (Self, Rotation) {
        let now = Timestamp::system_now();
        let next = Self::from(self.credential.rotate(now, now + 600 * SECOND).unwrap());
        let rotation = Rotation {
            secret: next.presented.secret,
            grace_until: grace.map(|grace| now + grace),
            principal: principal.map(Into::into),
            idle_deadline: next.credential.idle_deadline(),
            overlap_since: now - 30 * SECOND,
        };
        (next, rotation)
    }
}
