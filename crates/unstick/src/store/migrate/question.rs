//! One operation on one session, as it can be asked of either store.

use std::sync::Arc;

use unstick_core::{
    Applied, Change, Decide, Error, FieldChange, Loaded, OpCtx, Presented, RecordKey, Renewal, Rotated, Rotation, Store, Timestamp,
};

/// What an answer says of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The store has it, and spoke of it.
    Here,
    /// Another id is current.
    Superseded,
    /// A tombstone.
    Ended(Timestamp),
    /// Past a deadline, or unreadable.
    Dead,
    /// Nothing.
    Missing,
}

/// Who asks, about what.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) op: OpCtx,
    pub(super) key: RecordKey,
    pub(super) presented: Presented,
}

/// An operation that can be asked of one store after the other.
pub(super) trait Question: Send {
    type Answer: Send;
    fn ask<S: Store>(&mut self, at: At, store: &S) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
    fn word(answer: &Self::Answer) -> Word;
}

pub(super) struct Load(pub(super) Option<Renewal>);

impl Question for Load {
    type Answer = Loaded;

    async fn ask<S: Store>(&mut self, at: At, store: &S) -> Result<Loaded, Error> {
        store.load(at.op, at.key, at.presented, self.0).await
    }

    fn word(answer: &Loaded) -> Word {
        match answer {
            Loaded::Superseded { .. } => Word::Superseded,
            Loaded::Ended { at } => Word::Ended(*at),
            Loaded::Expired | Loaded::Unreadable(_) => Word::Dead,
            Loaded::Missing => Word::Missing,
            _ => Word::Here,
        }
    }
}

fn word_of(applied: &Applied) -> Word {
    match applied {
        Applied::Superseded { .. } => Word::Superseded,
        Applied::Ended { at } => Word::Ended(*at),
        Applied::Expired | Applied::Unreadable(_) => Word::Dead,
        Applied::Missing => Word::Missing,
        _ => Word::Here,
    }
}

pub(super) struct Apply<'a>(pub(super) &'a Change);

impl Question for Apply<'_> {
    type Answer = Applied;

    async fn ask<S: Store>(&mut self, at: At, store: &S) -> Result<Applied, Error> {
        let applied = store.apply(at.op, at.key, at.presented, self.0).await?;
        // Delivered again after the move: the new store does not know the operation, but has what it wrote.
        let Applied::Conflict(fields) = &applied else { return Ok(applied) };
        let version = at.op.op_id.field_version();
        let wrote = |(name, change): &(Arc<str>, FieldChange)| matches!(change, FieldChange::Set(_)) && fields.version(name) == version;
        if !self.0.fields.iter().any(wrote) {
            return Ok(applied);
        }
        match store.load(at.op, at.key, at.presented, None).await? {
            Loaded::Live(live) => Ok(Applied::Done { proof: live.proof, idle_deadline: live.idle_deadline }),
            _ => Ok(applied),
        }
    }

    fn word(answer: &Applied) -> Word {
        word_of(answer)
    }
}

pub(super) struct Rotate<'a>(pub(super) &'a Rotation, pub(super) &'a Change);

impl Question for Rotate<'_> {
    type Answer = Rotated;

    async fn ask<S: Store>(&mut self, at: At, store: &S) -> Result<Rotated, Error> {
        store.rotate(at.op, at.key, at.presented, self.0, self.1).await
    }

    fn word(answer: &Rotated) -> Word {
        match answer {
            Rotated::Refused(applied) => word_of(applied),
            _ => Word::Here,
        }
    }
}

pub(super) struct Locked<'a>(pub(super) Decide<'a>);

impl Question for Locked<'_> {
    type Answer = Option<Applied>;

    async fn ask<S: Store>(&mut self, at: At, store: &S) -> Result<Option<Applied>, Error> {
        store.update_locked(at.op, at.key, at.presented, &mut *self.0).await
    }

    fn word(answer: &Option<Applied>) -> Word {
        answer.as_ref().map_or(Word::Here, word_of)
    }
}
