//! One store as a register: read, and replace only what was read.

use std::sync::Arc;

use unstick_core::{
    Applied, Change, Created, Ended, Error, ErrorKind, Field, FieldVersion, Fields, Life, Loaded, NewRecord, OpCtx, Presented, Record,
    RecordKey, Renewal, Rotated, Rotation, SecretHash, Store, Timestamp,
};

use crate::{
    entry::{Entry, foreign},
    verdict::SLACK,
};

/// The one field that is used.
const FIELD: &str = "r";

/// No credential leads to the stores' sessions but this one.
const SECRET: SecretHash = SecretHash::from_bytes(*b"unstick replica!");

/// The last second of the year 9999: only the idle deadline says how long a store keeps a record.
const FOR_EVER: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// What a store has under a key.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Nothing,
    /// Something that has served, and that the store will sweep.
    Spent,
    Kept(Kept),
    /// The store's own tombstone: nothing can take its place.
    Buried {
        at: Timestamp,
    },
}

/// An entry, and what it takes to replace it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) entry: Arc<Entry>,
    version: FieldVersion,
    principal: Option<Arc<str>>,
}

impl Held {
    pub(crate) fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Kept(kept) => Some(&kept.entry),
            _ => None,
        }
    }

    /// Whether an entry can be put in its place.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Nothing | Self::Kept(_))
    }
}

/// Until when a store has to keep a record.
fn keep(record: &Record, in_witness: bool) -> Timestamp {
    let served = match record.life {
        Life::Ended { until, .. } => until,
        // The witness does not hear of most renewals: what it holds must not look spent while the session lives.
        Life::Live if in_witness => record.absolute_deadline,
        Life::Live => record.idle_deadline.min(record.absolute_deadline),
    };
    (served + SLACK).min(FOR_EVER)
}

fn presented(op: &OpCtx) -> Presented {
    Presented { secret: SECRET, issued: op.now, idle_deadline: FOR_EVER }
}

pub(crate) async fn read(store: &impl Store, op: OpCtx, key: RecordKey) -> Result<Held, Error> {
    Ok(match store.load(op, key, presented(&op), None).await? {
        Loaded::Live(live) => {
            let field = live.fields.get(FIELD).ok_or_else(foreign)?;
            let entry = Entry::decode(field.value.clone())?;
            Held::Kept(Kept { entry: Arc::new(entry), version: field.version, principal: live.principal })
        }
        Loaded::Missing => Held::Nothing,
        Loaded::Expired => Held::Spent,
        Loaded::Ended { at } => Held::Buried { at },
        Loaded::Unreadable(kind) => return Err(Error::new(kind, "a replicated session cannot be read")),
        _ => return Err(foreign()),
    })
}

/// Puts `entry` where `base` still is; what is held then, or `None` when something else was there. `op` must not have been used before.
pub(crate) async fn accept(
    store: &impl Store,
    op: OpCtx,
    key: RecordKey,
    base: &Held,
    entry: &Arc<Entry>,
    in_witness: bool,
) -> Result<Option<Held>, Error> {
    let keep = keep(&entry.record, in_witness);
    let version = op.op_id.field_version();
    let (accepted, principal) = match base {
        Held::Nothing => {
            let field = Field { version, value: entry.encode() };
            let new = NewRecord {
                secret: SECRET,
                principal: entry.record.principal.clone(),
                created: entry.record.created,
                idle_deadline: keep,
                absolute_deadline: FOR_EVER,
                fields: Fields::from_iter([(Arc::from(FIELD), field)]),
            };
            (store.create(op, key, &new).await? == Created::Done, new.principal)
        }
        Held::Kept(kept) => {
            let renewal = Some(Renewal { idle_deadline: keep, issued: op.now });
            let change = Change { renewal, ..Change::new().set(FIELD, entry.encode()).expect(FIELD, kept.version) };
            let principal = entry.record.principal.clone().or_else(|| kept.principal.clone());
            let applied = if principal == kept.principal {
                store.apply(op, key, presented(&op), &change).await?
            } else {
                let rotation = Rotation {
                    secret: SECRET,
                    grace_until: None,
                    principal: principal.clone(),
                    idle_deadline: keep,
                    overlap_since: op.now,
                };
                match store.rotate(op, key, presented(&op), &rotation, &change).await? {
                    Rotated::Done { idle_deadline, .. } => Applied::Done { proof: unstick_core::Proof::Current, idle_deadline },
                    Rotated::Refused(refused) => refused,
                    _ => return Err(foreign()),
                }
            };
            let accepted = match applied {
                Applied::Done { .. } => true,
                Applied::Conflict(_) | Applied::Ended { .. } | Applied::Expired | Applied::Missing => false,
                Applied::Unreadable(kind) => return Err(Error::new(kind, "a replicated session cannot be read")),
                _ => return Err(foreign()),
            };
            (accepted, principal)
        }
        Held::Spent | Held::Buried { .. } => return Err(Error::new(ErrorKind::Unavailable, "a spent session is not swept yet")),
    };
    Ok(accepted.then(|| Held::Kept(Kept { entry: entry.clone(), version, principal })))
}

/// Leaves the store's own tombstone, which also takes the session out of the store's index.
pub(crate) async fn bury(store: &impl Store, op: OpCtx, key: RecordKey, at: Timestamp, until: Timestamp) -> Result<Held, Error> {
    match store.end(OpCtx { now: at, ..op }, key, None, until).await? {
        Ended::Done { .. } => Ok(Held::Buried { at }),
        _ => Err(foreign()),
    }
}

/// As if read from a store.
#[cfg(test)]
pub(crate) fn kept(entry: Arc<Entry>) -> Held {
    Held::Kept(Kept { entry, version: FieldVersion::ABSENT, principal: None })
}
