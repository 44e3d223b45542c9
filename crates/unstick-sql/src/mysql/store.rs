//! The store itself: parameters in, answers out.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use sqlx::{MySql, MySqlPool, SqlStr};
use unstick_core::{
    Change, ConfigError, Error, ErrorKind, NewRecord, Presented, RecordKey, Renewal, Reservation, Rotation, Runtime, SessionEntry,
    Timestamp,
};

use super::{
    MySqlStoreBuilder,
    change::Request,
    error,
    numbered::{Numbered, Value},
    read::seen,
    session::Server,
    statements::Statements,
};
use crate::{
    delta,
    engine::{Call, Engine, Outcome, Seen, Turned, Written},
    row,
    server::{Locked, Pooled, Settings, Statement, outcome},
    store::store_over_engine,
    sweeper::{self, Sweeper},
};

/// Sessions in MySQL or MariaDB. See the [module docs](super). Clones share one pool.
///
/// The connections are closed and the sweeper ends when the last clone is dropped.
#[derive(Clone)]
pub struct MySqlStore {
    pub(super) inner: Arc<Inner>,
    _sweeper: Option<Arc<Sweeper>>,
}

pub(super) struct Inner {
    owner: String,
    pub(super) pooled: Pooled<MySql>,
    pub(super) sql: Statements,
    packet: usize,
}

impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore").field("connections", &self.inner.pooled.size()).finish_non_exhaustive()
    }
}

impl MySqlStore {
    /// Reaches a server with the default settings: `mysql://user:password@host/database?options` as said in the [module docs](super).
    ///
    /// # Errors
    /// One sentence that names the option, or what is the matter with the server.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::builder(address).connect().await
    }

    /// Settings for a server. Methods of the builder win over options in the address.
    pub fn builder(address: &str) -> MySqlStoreBuilder {
        MySqlStoreBuilder::new(address)
    }

    /// Over a pool of yours, with the default settings. See [`MySqlStoreBuilder::connect_pool`] for what the pool needs.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: MySqlPool) -> Result<Self, ConfigError> {
        Self::builder("").connect_pool(pool).await
    }

    /// Waits for statements under way, then closes the connections. Later operations answer [`ErrorKind::Unavailable`].
    pub async fn close(&self) {
        self.inner.pooled.close().await;
    }

    pub(super) fn start(settings: &Settings, prefix: &str, pooled: Pooled<MySql>, server: Server) -> Result<Self, ConfigError> {
        pooled.learn(server.asked, server.clock);
        let inner =
            Arc::new(Inner { owner: sweeper::owner()?, pooled, sql: Statements::new(prefix, server.isolation), packet: server.packet });
        let sweeper = sweeper::start(&inner, settings.sweep_interval(), settings.events.clone());
        Ok(Self { inner, _sweeper: sweeper })
    }
}

/// Room for what is sent beside the data.
const OVERHEAD: usize = 4096;

/// A longer name would be cut off by servers that are not strict.
const MAX_PRINCIPAL: usize = 1024;

/// A principal as a value.
pub(super) fn principal(name: &str) -> Result<Value<'_>, Error> {
    if name.len() > MAX_PRINCIPAL {
        return Err(Error::new(ErrorKind::TooLarge, format!("a principal is {} bytes long; the limit is {MAX_PRINCIPAL}", name.len())));
    }
    Ok(Value::Bytes(name.as_bytes()))
}

impl Inner {
    /// A statement, unless it is larger than the server takes: that would cost the connection.
    pub(super) fn statement(&self, sql: &Numbered, values: &[Value<'_>]) -> Result<Statement<MySql>, Error> {
        if sql.size(values) + OVERHEAD > self.packet {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the change is larger than the session database takes, which is {} bytes (max_allowed_packet)", self.packet),
            ));
        }
        Ok(sql.with(values))
    }

    /// How often a statement matched; `false` when there is such a row already.
    async fn inserted(&self, call: Call<'_>, statement: Statement<MySql>) -> Result<bool, Error> {
        match self.pooled.execute(call, statement).await {
            Ok(answer) => Ok(answer.rows_affected() > 0),
            Err(error) if error::is_duplicate(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn begin(&self, call: Call<'_>) -> Result<Locked<MySql>, Error> {
        Locked::begin(self.pooled.lease(call).await?, call, SqlStr::from_static("START TRANSACTION")).await
    }
}

impl Engine for Inner {
    const REMOTE: bool = true;
    type Locked = Locked<MySql>;

    fn runtime(&self) -> &Runtime {
        &self.pooled.runtime
    }

    fn deadline(&self, here: Timestamp) -> Timestamp {
        self.pooled.deadline(here)
    }

    async fn insert(&self, call: Call<'_>, key: &RecordKey, new: &NewRecord) -> Result<bool, Error> {
        let fields = delta::fields(&new.fields)?;
        let applied = delta::applied(call.op.op_id, delta::remembered_until(call));
        let insert = self.statement(
            &self.sql.create,
            &[
                Value::Bytes(key.as_bytes()),
                Value::Bytes(new.secret.as_bytes()),
                Value::from(new.created),
                new.principal.as_deref().map(principal).transpose()?.unwrap_or(Value::Null),
                Value::from(new.idle_deadline.min(new.absolute_deadline)),
                Value::from(new.absolute_deadline),
                Value::Text(&fields),
                Value::Text(&applied),
                Value::from(call.deadline),
            ],
        )?;
        self.inserted(call, insert).await
    }

    async fn find(&self, call: Call<'_>, key: &RecordKey) -> Result<Seen, Error> {
        let sent = Timestamp::system_now();
        let rows = self.pooled.rows(call, self.sql.read.with(&[Value::Bytes(key.as_bytes())])).await?;
        let seen = seen(rows.first().ok_or_else(row::corrupt)?)?;
        seen.clock.iter().for_each(|clock| self.pooled.learn(sent, *clock));
        Ok(seen)
    }

    async fn find_renewing(&self, call: Call<'_>, key: &RecordKey, presented: &Presented, renewal: &Renewal) -> Result<Seen, Error> {
        let update = self.sql.renew.with(&[
            Value::Bytes(key.as_bytes()),
            Value::from(call.op.now),
            Value::Bytes(presented.secret.as_bytes()),
            Value::from(presented.issued),
            Value::from(call.deadline),
            Value::from(renewal.idle_deadline),
            Value::from(renewal.issued),
        ]);
        self.pooled.execute(call, update).await?;
        self.find(call, key).await
    }

    async fn apply(&self, call: Call<'_>, key: &RecordKey, presented: &Presented, delta: &Change) -> Result<Outcome<Written>, Error> {
        let request = Request { call, key, presented, change: delta };
        outcome(self.change(&self.sql.apply, request, None).await)
    }

    async fn rotate(
        &self,
        call: Call<'_>,
        key: &RecordKey,
        presented: &Presented,
        rotation: &Rotation,
        delta: &Change,
    ) -> Result<Outcome<Turned>, Error> {
        let request = Request { call, key, presented, change: delta };
        let turned = |rotated| move |written: Option<Written>| written.map(|done| Turned { idle_deadline: done.idle_deadline, rotated });
        let turn = outcome(self.change(&self.sql.rotate, request, Some(rotation)).await.map(turned(true)))?;
        // A previous id in its grace may not rotate. That is known to the row alone, and rare.
        if matches!(turn, Outcome::Nothing) && rotation.grace_until.is_some() {
            return outcome(self.change(&self.sql.rotate_in_grace, request, None).await.map(turned(false)));
        }
        Ok(turn)
    }

    async fn end(&self, call: Call<'_>, key: &RecordKey, presented: Option<&Presented>, until: Timestamp) -> Result<Option<bool>, Error> {
        let operation = delta::operation(call.op.op_id);
        let values = [
            Value::Bytes(key.as_bytes()),
            Value::from(call.op.now),
            Value::from(presented.map(|presented| &presented.secret.as_bytes()[..])),
            presented.map_or(Value::Null, |presented| Value::from(presented.issued)),
            Value::from(call.deadline),
            Value::Text(&operation),
            Value::from(until),
        ];
        let answer = self.pooled.execute(call, self.sql.end.with(&values)).await?;
        if answer.rows_affected() > 0 {
            return Ok(Some(answer.last_insert_id() >= 2));
        }
        Ok(self.inserted(call, self.sql.end_missing.with(&values)).await?.then_some(false))
    }

    async fn list(&self, call: Call<'_>, principal: &str) -> Result<Vec<SessionEntry>, Error> {
        self.list_of(call, principal).await
    }

    async fn end_others(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>, skew: Duration) -> Result<Option<u64>, Error> {
        self.end_others_of(call, principal, keep, skew).await
    }

    async fn has_newer(&self, call: Call<'_>, principal: &str, keep: Option<&RecordKey>) -> Result<bool, Error> {
        self.has_newer_of(call, principal, keep).await
    }

    async fn reserve(
        &self,
        call: Call<'_>,
        principal: &str,
        key: &RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> Result<Option<Reservation>, Error> {
        self.reserve_for(call, principal, key, max, until).await
    }

    async fn sweep(&self, call: Call<'_>, limit: usize) -> Result<usize, Error> {
        let limit = Value::Number(i64::try_from(limit).unwrap_or(i64::MAX));
        let values = [Value::from(call.op.now), limit, Value::from(call.deadline)];
        let deleted = self.pooled.execute(call, self.sql.sweep.with(&values)).await?.rows_affected();
        self.pooled.execute(call, self.sql.sweep_reservations.with(&values)).await?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }

    async fn claim(&self, call: Call<'_>, lease: Duration) -> Result<bool, Error> {
        let lease = Value::Number(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2));
        let answer = self.pooled.execute(call, self.sql.claim.with(&[Value::Bytes(self.owner.as_bytes()), lease])).await?;
        Ok(answer.rows_affected() > 0)
    }

    async fn lock(&self, call: Call<'_>, key: &RecordKey) -> Result<(Self::Locked, Seen), Error> {
        let mut locked = self.begin(call).await?;
        let select = self.sql.read_locking.with(&[Value::Bytes(key.as_bytes())]);
        let rows = locked.lease()?.rows(call, select).await?;
        let seen = seen(rows.first().ok_or_else(row::corrupt)?)?;
        Ok((locked, seen))
    }

    async fn apply_locked(
        &self,
        call: Call<'_>,
        locked: &mut Self::Locked,
        key: &RecordKey,
        presented: &Presented,
        delta: &Change,
    ) -> Result<Outcome<Written>, Error> {
        let request = Request { call, key, presented, change: delta };
        outcome(self.change_in(locked.lease()?, &self.sql.apply, request, None).await)
    }

    /// The statement before it was in time by the server's clock, and this is not sent after the call's end.
    async fn commit(&self, call: Call<'_>, locked: Self::Locked) -> Result<(), Error> {
        locked.commit(call).await
    }
}

store_over_engine!(MySqlStore, "mysql", unstick_core::Scope::Shared);
