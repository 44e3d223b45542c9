//! What every store does with its dialect's statements: send the write; when nothing matched, read the row and say why;
//! deliver once more what got lost.
//!
//! A delivery whose connection broke, or which lost a deadlock, is repeated once before the deadline: writes are idempotent
//! by their operation. So is one that the engine found late by a clock that had been estimated wrongly.

use std::{num::NonZeroU32, time::Duration};

use unstick_core::{
    Applied, Change, Created, Decide, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, RecordKey, Renewal, Reservation,
    Rotated, Rotation, SessionEntry, Standing, Timestamp,
};

use crate::{
    engine::{Call, Engine, Outcome, Seen, Written},
    row,
};

/// An operation that is late before it is sent is sent all the same, for the engine to judge; this long is its answer waited for.
const LATE_PATIENCE: Duration = Duration::from_secs(2);

/// Deliveries of one operation.
struct Deliveries<'a, E> {
    engine: &'a E,
    call: Call<'a>,
    /// The operation's deadline by this host's clock.
    here: Timestamp,
    first: Option<Error>,
}

impl<'a, E: Engine> Deliveries<'a, E> {
    fn new(engine: &'a E, op: &'a OpCtx) -> Self {
        let runtime = engine.runtime();
        // No engine knows of a clock that a test moves, so the time that is left is carried over, and never more than the operation had.
        let left = op.deadline.since(runtime.wall()).min(op.budget());
        let here = Timestamp::system_now() + left;
        let give_up = if E::REMOTE { runtime.monotonic() + if left.is_zero() { LATE_PATIENCE } else { left } } else { Duration::MAX };
        Self { engine, call: Call { op, deadline: engine.deadline(here), give_up }, here, first: None }
    }

    /// `Ok` when the operation is to be delivered again, else the error to tell.
    fn again(&mut self, error: Error) -> Result<(), Error> {
        if !E::REMOTE {
            return Err(error);
        }
        if let Some(first) = self.first.take() {
            // whatever became of the second delivery, the first may be in
            return Err(if first.is_outcome_unknown() { first } else { error });
        }
        let runtime = self.engine.runtime();
        let again = match error.kind() {
            ErrorKind::Interrupted | ErrorKind::Contended => runtime.monotonic() < self.call.give_up,
            ErrorKind::Late if runtime.wall() < self.call.op.deadline => {
                let before = self.call.deadline;
                self.call.deadline = self.engine.deadline(self.here);
                self.call.deadline > before
            }
            _ => false,
        };
        if !again {
            return Err(error);
        }
        self.first = Some(error);
        Ok(())
    }
}

/// Runs one delivery, and another one if that makes sense.
macro_rules! delivered {
    ($engine:ident, $op:ident, |$call:ident| $once:expr) => {{
        let mut deliveries = Deliveries::new($engine, $op);
        loop {
            let $call = deliveries.call;
            match $once.await {
                Err(error) => deliveries.again(error)?,
                answer => return answer,
            }
        }
    }};
}

pub(crate) async fn create<E: Engine>(engine: &E, op: &OpCtx, key: &RecordKey, new: &NewRecord) -> Result<Created, Error> {
    delivered!(engine, op, |call| create_once(engine, call, key, new))
}

async fn create_once<E: Engine>(engine: &E, call: Call<'_>, key: &RecordKey, new: &NewRecord) -> Result<Created, Error> {
    if engine.insert(call, key, new).await? {
        return Ok(Created::Done);
    }
    let seen = engine.find(call, key).await?;
    if seen.is_late(call.deadline) {
        return Err(row::late());
    }
    match seen.row {
        Some(Ok(row)) => Ok(row::refused_create(row, call.op)),
        // unreadable, or deleted between the two statements, as old as it was
        Some(Err(_)) | None => Ok(Created::Exists),
    }
}

pub(crate) async fn load<E: Engine>(
    engine: &E,
    op: &OpCtx,
    key: &RecordKey,
    presented: &Presented,
    renewal: Option<&Renewal>,
) -> Result<Loaded, Error> {
    delivered!(engine, op, |call| load_once(engine, call, key, presented, renewal))
}

async fn load_once<E: Engine>(
    engine: &E,
    call: Call<'_>,
    key: &RecordKey,
    presented: &Presented,
    renewal: Option<&Renewal>,
) -> Result<Loaded, Error> {
    let seen = match renewal {
        None => engine.find(call, key).await?,
        Some(renewal) => engine.find_renewing(call, key, presented, renewal).await?,
    };
    Ok(match seen.row.map(row::record) {
        None => Loaded::Missing,
        Some(Ok(record)) => Loaded::judge(&record, presented, call.op.now),
        Some(Err(kind)) => Loaded::Unreadable(kind),
    })
}

pub(crate) async fn apply<E: Engine>(
    engine: &E,
    op: &OpCtx,
    key: &RecordKey,
    presented: &Presented,
    change: &Change,
) -> Result<Applied, Error> {
    delivered!(engine, op, |call| apply_once(engine, call, key, presented, change))
}

fn applied(written: Written) -> Applied {
    Applied::Done { proof: written.proof, idle_deadline: written.idle_deadline }
}

async fn apply_once<E: Engine>(
    engine: &E,
    call: Call<'_>,
    key: &RecordKey,
    presented: &Presented,
    change: &Change,
) -> Result<Applied, Error> {
    let failure = match engine.apply(call, key, presented, change).await? {
        Outcome::Done(written) => return Ok(applied(written)),
        Outcome::Nothing => None,
        Outcome::Failed(error) => Some(error),
    };
    refused_apply(engine.find(call, key).await?, failure, call, presented, change)
}

fn refused_apply(seen: Seen, failure: Option<Error>, call: Call<'_>, presented: &Presented, change: &Change) -> Result<Applied, Error> {
    let late = seen.is_late(call.deadline);
    match (seen.row.map(row::record), failure) {
        (Some(Err(kind)), _) => Ok(Applied::Unreadable(kind)),
        _ if late => Err(row::late()),
        (None, _) => Ok(Applied::Missing),
        (Some(Ok(_)), Some(error)) => Err(error),
        (Some(Ok(record)), None) => Ok(row::refused_apply(record, call.op, presented, change)),
    }
}

pub(crate) async fn rotate<E: Engine>(
    engine: &E,
    op: &OpCtx,
    key: &RecordKey,
    presented: &Presented,
    rotation: &Rotation,
    change: &Change,
) -> Result<Rotated, Error> {
    delivered!(engine, op, |call| rotate_once(engine, call, key, presented, rotation, change))
}

async fn rotate_once<E: Engine>(
    engine: &E,
    call: Call<'_>,
    key: &RecordKey,
    presented: &Presented,
    rotation: &Rotation,
    change: &Change,
) -> Result<Rotated, Error> {
    let failure = match engine.rotate(call, key, presented, rotation, change).await? {
        Outcome::Done(turned) => return Ok(Rotated::Done { rotated: turned.rotated, idle_deadline: turned.idle_deadline }),
        Outcome::Nothing => None,
        Outcome::Failed(error) => Some(error),
    };
    let seen = engine.find(call, key).await?;
    let late = seen.is_late(call.deadline);
    match (seen.row.map(row::record), failure) {
        (Some(Err(kind)), _) => Ok(Rotated::Refused(Applied::Unreadable(kind))),
        _ if late => Err(row::late()),
        (None, _) => Ok(Rotated::Refused(Applied::Missing)),
        (Some(Ok(_)), Some(error)) => Err(error),
        (Some(Ok(record)), None) => Ok(row::refused_rotate(record, call.op, presented, rotation, change)),
    }
}

pub(crate) async fn end<E: Engine>(
    engine: &E,
    op: &OpCtx,
    key: &RecordKey,
    presented: Option<&Presented>,
    until: Timestamp,
) -> Result<Ended, Error> {
    delivered!(engine, op, |call| end_once(engine, call, key, presented, until))
}

async fn end_once<E: Engine>(
    engine: &E,
    call: Call<'_>,
    key: &RecordKey,
    presented: Option<&Presented>,
    until: Timestamp,
) -> Result<Ended, Error> {
    // The id may be refused, and the session be ended by somebody else before it is looked at: then it can be ended by this id, too.
    for _ in 0..ENDINGS {
        if let Some(was_live) = engine.end(call, key, presented, until).await? {
            return Ok(Ended::Done { was_live });
        }
        let seen = engine.find(call, key).await?;
        if seen.is_late(call.deadline) {
            return Err(row::late());
        }
        let record = seen.row.map(row::record).transpose().map_err(row::unreadable)?;
        if let (Some(record), Some(presented)) = (record, presented)
            && let Standing::Superseded { at } = record.standing(presented, call.op.now)
        {
            return Ok(Ended::Superseded { at });
        }
    }
    Err(Error::new(ErrorKind::Contended, "the session changed while it was being ended"))
}

/// How often an end is tried against a session that keeps changing. Its id is either superseded, for good, or the second try finds a tombstone.
const ENDINGS: usize = 3;

pub(crate) async fn update_locked<E: Engine>(
    engine: &E,
    op: &OpCtx,
    key: &RecordKey,
    presented: &Presented,
    decide: Decide<'_>,
) -> Result<Applied, Error> {
    delivered!(engine, op, |call| update_locked_once(engine, call, key, presented, &mut *decide))
}

async fn update_locked_once<E: Engine>(
    engine: &E,
    call: Call<'_>,
    key: &RecordKey,
    presented: &Presented,
    decide: Decide<'_>,
) -> Result<Applied, Error> {
    // dropping the transaction, with this future or by an early return, rolls it back
    let (mut locked, seen) = engine.lock(call, key).await?;
    let late = seen.is_late(call.deadline);
    let record = match seen.row.map(row::record) {
        Some(Err(kind)) => return Ok(Applied::Unreadable(kind)),
        _ if late => return Err(row::late()),
        None => return Ok(Applied::Missing),
        Some(Ok(record)) => record,
    };
    let delta = match record.clone().apply(call.op, presented, &Change::new()) {
        Applied::Done { .. } if !row::was_applied(&record, call.op) => decide(&record.fields)?,
        refused_or_applied => return Ok(refused_or_applied),
    };
    let failure = match engine.apply_locked(call, &mut locked, key, presented, &delta).await? {
        Outcome::Done(written) => {
            engine.commit(call, locked).await?;
            return Ok(applied(written));
        }
        Outcome::Nothing => None,
        Outcome::Failed(error) => Some(error),
    };
    drop(locked);
    refused_apply(engine.find(call, key).await?, failure, call, presented, &delta)
}

pub(crate) async fn list<E: Engine>(engine: &E, op: &OpCtx, principal: &str) -> Result<Vec<SessionEntry>, Error> {
    delivered!(engine, op, |call| engine.list(call, principal))
}

pub(crate) async fn end_others<E: Engine>(
    engine: &E,
    op: &OpCtx,
    principal: &str,
    keep: Option<&RecordKey>,
    skew: Duration,
) -> Result<u64, Error> {
    delivered!(engine, op, |call| end_others_once(engine, call, principal, keep, skew))
}

async fn end_others_once<E: Engine>(
    engine: &E,
    call: Call<'_>,
    principal: &str,
    keep: Option<&RecordKey>,
    skew: Duration,
) -> Result<u64, Error> {
    let ended = in_time(engine.end_others(call, principal, keep, skew)).await?;
    // left alone, so not ended, and whoever wanted all of them ended must know
    if engine.has_newer(call, principal, keep).await? { Err(row::unknown_format()) } else { Ok(ended) }
}

pub(crate) async fn reserve<E: Engine>(
    engine: &E,
    op: &OpCtx,
    principal: &str,
    key: &RecordKey,
    max: NonZeroU32,
    until: Timestamp,
) -> Result<Reservation, Error> {
    delivered!(engine, op, |call| in_time(engine.reserve(call, principal, key, max, until)))
}

async fn in_time<T>(answer: impl Future<Output = Result<Option<T>, Error>>) -> Result<T, Error> {
    answer.await?.ok_or_else(row::late)
}

pub(crate) async fn sweep<E: Engine>(engine: &E, op: &OpCtx, limit: usize) -> Result<usize, Error> {
    engine.sweep(Deliveries::new(engine, op).call, limit).await
}

pub(crate) async fn claim<E: Engine>(engine: &E, op: &OpCtx, lease: Duration) -> Result<bool, Error> {
    engine.claim(Deliveries::new(engine, op).call, lease).await
}

#[cfg(test)]
mod tests;
