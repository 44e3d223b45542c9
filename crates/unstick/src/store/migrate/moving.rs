//! Freezing, copying, and the tombstone that says where a session went.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use unstick_core::{
    Change, Created, Error, ErrorKind, EventKind, Fields, LiveSession, Loaded, NewRecord, OpCtx, OpId, Presented, Proof, RecordKey,
    Rotated, Rotation, SecretHash, Store, Timestamp,
};

use super::{
    Migrate, Step,
    question::{At, Question, Word},
};

/// Keeps the client's secret hash in a frozen record. No application can use a name with a control character.
const MARK: &str = "\u{1}moving";

/// When a session was "ended" that was moved. No session ended then.
pub(super) const MOVED: Timestamp = Timestamp::from_millis(1);

/// How long a moved session's tombstone stands after the session could have expired.
const SLACK: Duration = Duration::from_secs(300);

/// For how long no session is frozen after the new store did not take one: nobody can use it until the new store takes it.
const PAUSE: Duration = Duration::from_secs(10);

/// What became of a frozen record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// The new store has it.
    Over,
    /// Its session was ended meanwhile.
    Ended,
    /// It is not frozen.
    No,
}

/// The secret of a frozen record: not the hash of anything that a client could be given.
fn hidden(key: &RecordKey) -> Presented {
    let mut half = [0; 16];
    half.copy_from_slice(&key.as_bytes()[16..]);
    Presented { secret: SecretHash::from_bytes(half), issued: Timestamp::ZERO, idle_deadline: Timestamp::ZERO }
}

/// An operation beside the caller's, under an id of its own. The half of the id that is changed is random per layer.
fn beside(op: OpCtx, bit: u32) -> OpCtx {
    OpCtx { op_id: OpId::from_u128(op.op_id.as_u128() ^ (1 << bit)), ..op }
}

impl<Old: Store, New: Store> Migrate<Old, New> {
    /// Asks whichever store has the session, and moves it when it is time.
    pub(super) async fn ask<Q: Question>(&self, at: At, question: &mut Q) -> Result<Q::Answer, Error> {
        if self.step == Step::Move {
            let answer = question.ask(at, &self.new).await?;
            if Q::word(&answer) != Word::Missing {
                return Ok(answer);
            }
            // Once per session, and several trips of its own: in a box, so that it does not make every operation larger.
            if Box::pin(self.fetch(at)).await? {
                return question.ask(at, &self.new).await;
            }
        }
        // The old store first, then the new one: sessions go this way only, so none is missed between the two.
        let from_old = question.ask(at, &self.old).await?;
        let word = Q::word(&from_old);
        if word == Word::Here {
            return Ok(from_old);
        }
        let from_new = question.ask(at, &self.new).await?;
        match Q::word(&from_new) {
            Word::Missing => {}
            // Ended in both, in the old store first.
            Word::Ended(_) if matches!(word, Word::Ended(at) if at != MOVED) => return Ok(from_old),
            _ => return Ok(from_new),
        }
        match word {
            Word::Superseded => match Box::pin(self.carry(at.op, at.key)).await? {
                Carried::Over => question.ask(at, &self.new).await,
                Carried::Ended => question.ask(at, &self.old).await,
                Carried::No => Ok(from_old),
            },
            Word::Ended(MOVED) => Ok(from_new), // lost there
            _ => Ok(from_old),
        }
    }

    /// Moves the session, if it is in the old store and can be moved now.
    async fn fetch(&self, at: At) -> Result<bool, Error> {
        Ok(self.freeze(at).await? && self.carry(at.op, at.key).await? == Carried::Over)
    }

    /// Freezes an open record, if its session can be moved now.
    async fn freeze(&self, at: At) -> Result<bool, Error> {
        let At { op, key, presented } = at;
        if presented.issued + self.quiet > op.now || op.now.as_millis() < self.paused_until.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let Loaded::Live(live) = self.old.load(op, key, presented, None).await? else { return Ok(false) };
        if live.proof != Proof::Current || live.grace_until.is_some_and(|until| until > op.now) {
            return Ok(false);
        }
        let rotation = Rotation {
            secret: hidden(&key).secret,
            grace_until: None,
            principal: None,
            idle_deadline: live.idle_deadline,
            overlap_since: op.now,
        };
        let mark = Change::new().set(MARK, presented.secret.as_bytes().to_vec());
        let frozen = self.old.rotate(beside(op, 126), key, presented, &rotation, &mark).await?;
        Ok(matches!(frozen, Rotated::Done { rotated: true, .. }))
    }

    /// Brings a frozen record to the new store.
    pub(super) async fn carry(&self, op: OpCtx, key: RecordKey) -> Result<Carried, Error> {
        let live = match self.in_old(op, key).await? {
            Loaded::Live(live) => live,
            Loaded::Ended { at: MOVED } => return Ok(Carried::Over),
            Loaded::Ended { .. } => return Ok(Carried::Ended),
            _ => return Ok(Carried::No),
        };
        let until = live.idle_deadline + SLACK;
        let created = self.new.create(beside(op, 125), key, &copied(live)?).await;
        if created.is_err() {
            self.paused_until.store((op.now + PAUSE).as_millis(), Ordering::Relaxed);
        }
        let created = created?;
        self.say_moved(op, key, until).await;
        if created == Created::Done {
            self.events.emit_with(EventKind::SessionMoved, || Some(key.tag()), "");
        }
        Ok(Carried::Over)
    }

    /// Leaves the tombstone that says that the session has moved. Without it the next request only takes longer.
    pub(super) async fn say_moved(&self, op: OpCtx, key: RecordKey, until: Timestamp) {
        drop(self.old.end(OpCtx { now: MOVED, ..op }, key, None, until).await);
    }

    /// What the old store says of a session, whoever asks.
    pub(super) async fn in_old(&self, op: OpCtx, key: RecordKey) -> Result<Loaded, Error> {
        self.old.load(op, key, hidden(&key), None).await
    }

    /// What the new store says of a session, whoever asks.
    pub(super) async fn in_new(&self, op: OpCtx, key: RecordKey) -> Result<Loaded, Error> {
        self.new.load(op, key, hidden(&key), None).await
    }
}

fn copied(live: LiveSession) -> Result<NewRecord, Error> {
    let secret = live.fields.get(MARK).and_then(|field| <[u8; 16]>::try_from(&*field.value).ok());
    let secret = secret.ok_or_else(|| Error::new(ErrorKind::Corrupt, "a session that was being moved does not say whose it is"))?;
    let kept = live.fields.iter().filter(|(name, _)| ***name != *MARK);
    let fields: Fields = kept.map(|(name, field)| (Arc::clone(name), field.clone())).collect();
    Ok(NewRecord {
        secret: SecretHash::from_bytes(secret),
        principal: live.principal,
        created: live.created,
        idle_deadline: live.idle_deadline,
        absolute_deadline: live.absolute_deadline,
        fields,
    })
}
