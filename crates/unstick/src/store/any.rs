//! Any server-side store behind one type.

use unstick_core::{
    Applied, AtHand, Change, Created, Decide, Ended, Error, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey, Renewal,
    Rotated, Rotation, Scope, Store, Timestamp,
};
#[cfg(feature = "memory")]
use unstick_memory::MemoryStore;
#[cfg(feature = "redis")]
use unstick_redis::RedisStore;
#[cfg(feature = "mysql")]
use unstick_sql::mysql::MySqlStore;
#[cfg(feature = "postgres")]
use unstick_sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
use unstick_sql::sqlite::SqliteStore;

use super::foreign;

/// A server-side store whose kind was chosen at run time. Built-in kinds cost nothing extra; a foreign one costs a box per operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyStore {
    /// In this process.
    #[cfg(feature = "memory")]
    Memory(MemoryStore),
    /// In an SQLite file.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteStore),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
    /// In MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    MySql(MySqlStore),
    /// In Redis: one server, behind sentinels, or a cluster.
    #[cfg(feature = "redis")]
    Redis(RedisStore),
    /// From outside the family: see [`AnyStore::foreign`].
    Foreign(Foreign),
}

/// A boxed store.
// `DynStore` is not imported: its methods would be ambiguous with those of `Store`.
#[derive(Debug)]
pub struct Foreign(Box<dyn foreign::DynStore>);

impl AnyStore {
    /// Any other store, for applications that choose between it and the built-in ones.
    #[must_use]
    pub fn foreign(store: impl Store) -> Self {
        Self::Foreign(Foreign(Box::new(store)))
    }
}

/// Calls whichever store it is.
macro_rules! each {
    ($any:expr, $store:ident => $call:expr) => {
        match $any {
            #[cfg(feature = "memory")]
            AnyStore::Memory($store) => $call,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite($store) => $call,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres($store) => $call,
            #[cfg(feature = "mysql")]
            AnyStore::MySql($store) => $call,
            #[cfg(feature = "redis")]
            AnyStore::Redis($store) => $call,
            AnyStore::Foreign(Foreign($store)) => $call,
        }
    };
}

impl Store for AnyStore {
    fn scope(&self) -> Scope {
        each!(self, store => store.scope())
    }
    fn name(&self) -> &'static str {
        each!(self, store => store.name())
    }
    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        each!(self, store => store.create(op, key, new).await)
    }
    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        each!(self, store => store.load(op, key, presented, renewal).await)
    }
    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        each!(self, store => store.apply(op, key, presented, change).await)
    }
    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        each!(self, store => store.rotate(op, key, presented, rotation, change).await)
    }
    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        each!(self, store => store.end(op, key, presented, until).await)
    }
    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        each!(self, store => store.sweep(op, limit).await)
    }
    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        each!(self, store => store.update_locked(op, key, presented, decide).await)
    }
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        each!(self, store => store.principal_index())
    }
    fn at_hand(&self) -> Option<&dyn AtHand> {
        each!(self, store => store.at_hand())
    }
}
