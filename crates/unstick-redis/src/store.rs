//! The store itself: arguments in, answers out. What a script refuses it answers with the record, which is then judged by the
//! reference rules of the core; nothing can come in between, because both saw the same bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use unstick_core::{
    Applied, Change, ConfigError, Created, Ended, Error, ErrorKind, Life, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, Record,
    RecordKey, Renewal, Rotated, Rotation, Scope, Store, Timestamp,
};

use crate::{
    RedisClient,
    answer::{Answer, Changed},
    client::{Client, Script},
    error,
    prefix::{self, Prefix},
    read::{self, readable},
    scripts::Scripts,
    write,
};

/// Sessions on a Redis server, a Sentinel group or a Cluster. See the [crate docs](crate). Clones share their connections.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) prefix: Prefix,
    pub(crate) scripts: Scripts,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("client", &self.inner.client).field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

/// What a script came to, apart from an answer of its own.
enum Refused {
    Missing,
    /// The record that the script judged; with the operation among the applied ones if it is in already.
    By(Record),
    Unreadable(ErrorKind),
}

fn refused(mut answer: Answer, op: &OpCtx) -> Result<Refused, Error> {
    let again = match answer.status() {
        b"MISSING" => return Ok(Refused::Missing),
        b"AGAIN" => true,
        b"NO" => false,
        _ => return Err(error::unexpected()),
    };
    Ok(match readable(read::record(&answer.bytes()?))? {
        Ok(mut record) => {
            if again && !was_applied(&record, op) {
                record.applied.push((op.op_id, op.deadline));
            }
            Refused::By(record)
        }
        Err(kind) => Refused::Unreadable(kind),
    })
}

fn was_applied(record: &Record, op: &OpCtx) -> bool {
    record.applied.iter().any(|(id, _)| *id == op.op_id)
}

impl RedisStore {
    /// Connects with default settings: an address as [`RedisClient`] takes it, such as `redis://127.0.0.1:6379?prefix=shop:`.
    ///
    /// # Errors
    /// One sentence that names the setting, or the hosts and what is the matter with them.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::new(&RedisClient::connect(address).await?)
    }

    /// On connections that others may share: the way to every setting of [`RedisClient::builder`]. The keys start with the client's
    /// prefix, `unstick:` by default.
    ///
    /// # Errors
    /// When the prefix is not 1 to 64 of A-Z, a-z, 0-9 and `:_-./`.
    pub fn new(client: &RedisClient) -> Result<Self, ConfigError> {
        let prefix = Prefix::new(client.prefix.as_deref().unwrap_or(prefix::DEFAULT))?;
        Ok(Self { inner: Arc::new(Inner { client: client.client.clone(), prefix, scripts: Scripts::new() }) })
    }

    /// Runs a script on a session; a key that holds no string of ours is a session that cannot be read.
    async fn on(&self, op: &OpCtx, script: &Script, key: &RecordKey, args: Vec<Bytes>) -> Result<Result<Answer, ErrorKind>, Error> {
        let key = self.inner.prefix.session(key);
        readable(self.inner.client.run(op, script, key, args).await.and_then(Answer::new))
    }

    async fn load_and_renew(&self, op: &OpCtx, key: &RecordKey, presented: &Presented, renewal: Renewal) -> Result<Loaded, Error> {
        let args = write::renew(op, presented, renewal);
        let mut answer = match self.on(op, &self.inner.scripts.renew, key, args).await? {
            Ok(answer) => answer,
            Err(kind) => return Ok(Loaded::Unreadable(kind)),
        };
        let renewed = match answer.status() {
            b"MISSING" => return Ok(Loaded::Missing),
            b"DONE" => true,
            b"NO" => false,
            _ => return Err(error::unexpected()),
        };
        Ok(match readable(read::record(&answer.bytes()?))? {
            Ok(mut record) => {
                if renewed {
                    record.idle_deadline = record.idle_deadline.max(renewal.idle_deadline).min(record.absolute_deadline);
                }
                Loaded::judge(&record, presented, op.now)
            }
            Err(kind) => Loaded::Unreadable(kind),
        })
    }

    /// The rotation, and the absolute deadline of its session where it became known.
    async fn rotate_alone(
        &self,
        op: &OpCtx,
        key: &RecordKey,
        presented: &Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<(Rotated, Option<Timestamp>), Error> {
        let args = write::change(op, presented, change, Some(rotation))?;
        let answer = match self.on(op, &self.inner.scripts.change, key, args).await? {
            Ok(answer) => answer,
            Err(kind) => return Ok((Rotated::Refused(Applied::Unreadable(kind)), None)),
        };
        if let Some(Changed { rotated, idle_deadline, absolute_deadline, .. }) = answer.changed()? {
            return Ok((Rotated::Done { rotated, idle_deadline }, Some(absolute_deadline)));
        }
        Ok(match refused(answer, op)? {
            Refused::Missing => (Rotated::Refused(Applied::Missing), None),
            Refused::Unreadable(kind) => (Rotated::Refused(Applied::Unreadable(kind)), None),
            Refused::By(mut record) => {
                let (before, absolute) = (was_applied(&record, op), record.absolute_deadline);
                match record.rotate(op, presented, rotation, change) {
                    Rotated::Done { .. } if !before => return Err(error::disagreement()),
                    answer => (answer, Some(absolute)),
                }
            }
        })
    }
}

impl Store for RedisStore {
    fn scope(&self) -> Scope {
        Scope::Shared
    }

    fn name(&self) -> &'static str {
        "redis"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let args = write::create(&op, new)?;
        if let Some(principal) = &new.principal {
            self.enter(&op, principal, &key, new.absolute_deadline).await?;
        }
        let answer = match self.on(&op, &self.inner.scripts.create, &key, args).await? {
            Ok(answer) => answer,
            Err(_) => return Ok(Created::Exists),
        };
        if answer.status() == b"DONE" {
            return Ok(Created::Done);
        }
        Ok(match refused(answer, &op)? {
            Refused::By(Record { life: Life::Ended { at, .. }, .. }) => Created::Ended { at },
            Refused::By(record) if was_applied(&record, &op) => Created::Done,
            _ => Created::Exists,
        })
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        if let Some(renewal) = renewal {
            // now and then: in a box, so that it does not make every load larger
            return Box::pin(self.load_and_renew(&op, &key, &presented, renewal)).await;
        }
        let key = self.inner.prefix.session(&key);
        Ok(match readable(self.inner.client.get_along(&op, key).await)? {
            Ok(None) => Loaded::Missing,
            Ok(Some(bytes)) => match readable(read::record(&bytes))? {
                Ok(record) => Loaded::judge(&record, &presented, op.now),
                Err(kind) => Loaded::Unreadable(kind),
            },
            Err(kind) => Loaded::Unreadable(kind),
        })
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        let args = write::change(&op, &presented, change, None)?;
        let answer = match self.on(&op, &self.inner.scripts.change, &key, args).await? {
            Ok(answer) => answer,
            Err(kind) => return Ok(Applied::Unreadable(kind)),
        };
        if let Some(Changed { proof, idle_deadline, .. }) = answer.changed()? {
            return Ok(Applied::Done { proof, idle_deadline });
        }
        Ok(match refused(answer, &op)? {
            Refused::Missing => Applied::Missing,
            Refused::Unreadable(kind) => Applied::Unreadable(kind),
            Refused::By(mut record) => {
                let before = was_applied(&record, &op);
                match record.apply(&op, &presented, change) {
                    Applied::Done { .. } if !before => return Err(error::disagreement()),
                    answer => answer,
                }
            }
        })
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        let Some(principal) = &rotation.principal else {
            return Ok(self.rotate_alone(&op, &key, &presented, rotation, change).await?.0);
        };
        self.enter_promotion(&op, principal, &key).await?;
        let (answer, absolute) = self.rotate_alone(&op, &key, &presented, rotation, change).await?;
        self.settle(&op, principal, &key, absolute).await;
        Ok(answer)
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        let args = write::end(&op, presented.as_ref(), until);
        let mut answer = match self.on(&op, &self.inner.scripts.end, &key, args).await? {
            Ok(answer) => answer,
            Err(_) => return Err(error::corrupt()),
        };
        match answer.status() {
            b"DONE" => Ok(Ended::Done { was_live: answer.flag()? }),
            b"SUPERSEDED" => Ok(Ended::Superseded { at: answer.time()? }),
            b"NO" => Err(read::record(&answer.bytes()?).err().unwrap_or_else(error::corrupt)),
            _ => Err(error::unexpected()),
        }
    }

    /// Nothing to do: the server itself deletes what has served.
    async fn sweep(&self, _op: OpCtx, _limit: usize) -> Result<usize, Error> {
        Ok(0)
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        Some(self)
    }
}
