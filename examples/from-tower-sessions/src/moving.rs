//! A session of the old store, and what it is in the new one.
//!
//! The new session's id is computed from the old one. So whichever node moves a session, and however often, it creates the same
//! record, which the new store does once; and a session that ended there has left its tombstone under that very key.

use std::time::Duration;

use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};
use unstick::core::{
    Created, Credential, Field, Fields, Lifetimes, Lineage, Loaded, NewRecord, OpCtx, OpId, Presented, Proof, Secret, Store, Timestamp,
};

/// How far the migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sessions stay where they are, and those that have moved are found. Rolled out first, everywhere.
    PreferOld,
    /// Sessions begin in the new store, and move there when they are used.
    Move,
}

/// Where the session of an old cookie is.
#[derive(Debug)]
pub enum Place {
    /// In the old store, where it stays for now.
    Old,
    /// In the new store, for this credential.
    New(Credential),
    /// There under another id by now, after a login for example, which this client may have or not: for the session layer to judge.
    Replaced(Credential),
    /// Nowhere: it has ended or expired, or never was.
    Gone,
}

/// A store did not answer, or holds what it cannot read.
#[derive(Debug)]
pub struct Unavailable;

/// Both stores.
#[derive(Debug, Clone)]
pub struct Moving<Old, New> {
    /// How far the migration is.
    pub step: Step,
    /// The store of the old release.
    pub old: Old,
    /// The store of the new release.
    pub new: New,
    /// Those of the new release. `idle` is not shorter than the expiry of old sessions.
    pub lifetimes: Lifetimes,
}

impl<O: SessionStore, N: Store> Moving<O, N> {
    /// Finds the session of an old id, and moves it when it is time.
    ///
    /// # Errors
    /// When one of the stores did not answer. Nothing is lost; the next request tries again.
    pub async fn find(&self, id: Id) -> Result<Place, Unavailable> {
        let op = op();
        let probe = credential(id, op.now, op.now, op.now);
        let key = probe.lineage().record_key();
        match self.new.load(op, key, Presented::from(&probe), None).await.map_err(|_| Unavailable)? {
            Loaded::Live(live) => {
                let credential = credential(id, op.now, live.idle_deadline, live.absolute_deadline);
                return Ok(if live.proof == Proof::Current { Place::New(credential) } else { Place::Replaced(credential) });
            }
            Loaded::Superseded { .. } => {
                let absolute = self.lifetimes.absolute_deadline(op.now);
                return Ok(Place::Replaced(credential(id, op.now, self.lifetimes.idle_deadline(op.now, absolute), absolute)));
            }
            Loaded::Ended { .. } | Loaded::Expired => return Ok(Place::Gone),
            Loaded::Missing if self.step == Step::PreferOld => return Ok(Place::Old),
            Loaded::Missing => {}
            _ => return Err(Unavailable),
        }
        let Some(record) = self.old.load(&id).await.map_err(|_| Unavailable)? else { return Ok(Place::Gone) };
        let (new, credential) = self.copied(&record, op);
        match self.new.create(op, key, &new).await.map_err(|_| Unavailable)? {
            Created::Done | Created::Exists => Ok(Place::New(credential)), // by us or, at the same moment, by another node
            Created::Ended { .. } => Ok(Place::Gone),
            _ => Err(Unavailable),
        }
    }

    /// Ends what an old id has become, or would become.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn end_new(&self, id: Id) -> Result<(), Unavailable> {
        let op = op();
        let key = credential(id, op.now, op.now, op.now).lineage().record_key();
        let ended = self.new.end(op, key, None, self.lifetimes.tombstone_until(op.now, op.now)).await;
        ended.map(drop).map_err(|_| Unavailable)
    }

    fn copied(&self, record: &Record, op: OpCtx) -> (NewRecord, Credential) {
        let expiry = i64::try_from(record.expiry_date.unix_timestamp_nanos() / 1_000_000).map_or(op.now, Timestamp::from_millis);
        // Never over before the old record is, which could be copied a second time otherwise.
        let absolute = self.lifetimes.absolute_deadline(op.now).max(expiry);
        let credential = credential(record.id, op.now, self.lifetimes.idle_deadline(op.now, absolute).max(expiry), absolute);
        let version = op.op_id.field_version();
        // Both keep JSON: what the old release wrote under a name, the new one reads under that name.
        let fields = record.data.iter().map(|(name, value)| (name.as_str().into(), Field { version, value: value.to_string().into() }));
        let new = NewRecord {
            secret: credential.secret().hash(),
            principal: record.data.get("user").and_then(|user| user.as_str()).map(Into::into),
            created: op.now,
            idle_deadline: credential.idle_deadline(),
            absolute_deadline: absolute,
            fields: fields.collect::<Fields>(),
        };
        (new, credential)
    }
}

/// The same for one old id on every node, but for its times.
fn credential(id: Id, issued: Timestamp, idle: Timestamp, absolute: Timestamp) -> Credential {
    let derived = blake3::derive_key("example-from-tower-sessions: the new id of an old session", &id.0.to_le_bytes());
    let (mut lineage, mut secret) = ([0; 16], [0; 16]);
    lineage.copy_from_slice(&derived[..16]);
    secret.copy_from_slice(&derived[16..]);
    Credential::from_parts(Lineage::from_bytes(lineage), Secret::from_bytes(secret), issued, idle, absolute)
}

fn op() -> OpCtx {
    let now = Timestamp::system_now();
    let random = u128::from_le_bytes(Id::default().0.to_le_bytes());
    OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(random) }
}
