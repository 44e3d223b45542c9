//! One principal's record: its epoch, and its sessions that were denied one by one.

use std::{str, time::Duration};

use unstick_core::{Applied, Change, Created, Error, ErrorKind, FieldChange, Fields, NewRecord, OpCtx, OpId, RecordKey, Store, Timestamp};

use super::{StoreRevocations, place::Place};
use crate::jose;

const EPOCH: &str = "epoch";

/// Writers that keep meeting each other give up after so many attempts.
const ATTEMPTS: u32 = 8;

/// What a record says.
#[derive(Debug, Default)]
pub(super) struct Denials {
    fields: Fields,
    epoch: Timestamp,
    /// The session that the last raise of the epoch has left alone.
    keep: Option<String>,
}

impl Denials {
    pub(super) fn read(fields: Fields) -> Result<Self, Error> {
        let Some(field) = fields.get(EPOCH) else { return Ok(Self { fields, ..Self::default() }) };
        let (epoch, keep) = serde_json::from_slice(&field.value).map_err(corrupt)?;
        Ok(Self { fields, epoch: Timestamp::from_millis(epoch), keep })
    }

    pub(super) fn epoch(&self) -> Timestamp {
        self.epoch
    }

    /// Since when the session is denied. An entry that cannot be read denies all the same.
    pub(super) fn of(&self, key: RecordKey, epoch: Timestamp) -> Option<Timestamp> {
        let entry = entry(key);
        let denied = self.fields.get(&entry).map(|field| times(&field.value).map_or(Timestamp::ZERO, |[at, _]| at));
        denied.or_else(|| (self.epoch > epoch && self.keep.as_ref() != Some(&entry)).then_some(self.epoch))
    }

    /// Entries of sessions that have expired since.
    fn served(&self, now: Timestamp) -> Vec<&str> {
        let has_served = |value: &[u8]| times(value).is_ok_and(|[_, until]| until <= now);
        self.fields.iter().filter(|(name, field)| ***name != *EPOCH && has_served(&field.value)).map(|(name, _)| &**name).collect()
    }
}

/// Half of the session's key is more than enough to tell a principal's sessions apart.
fn entry(key: RecordKey) -> String {
    jose::encode(&key.as_bytes()[..16])
}

/// Two times, such as "since" and "until".
fn text(at: Timestamp, until: Timestamp) -> String {
    format!("[{},{}]", at.as_millis(), until.as_millis())
}

/// The decoder's own words would repeat the record.
fn corrupt(_: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "a record of the deny-list cannot be read")
}

fn times(value: &[u8]) -> Result<[Timestamp; 2], Error> {
    serde_json::from_slice::<[i64; 2]>(value).map(|times| times.map(Timestamp::from_millis)).map_err(corrupt)
}

/// What is to be written.
#[derive(Clone, Copy)]
enum Denial {
    Session(RecordKey, Timestamp),
    All(Timestamp, Option<RecordKey>),
}

impl Denial {
    /// The change that adds it to what is there; `None`: it is in.
    fn change(self, present: &Denials, op: &OpCtx, max: usize) -> Option<Change> {
        let mut change = Change::new();
        let served = present.served(op.now);
        let others = present.fields.len() - served.len();
        for name in served {
            change.put(name.into(), FieldChange::Remove);
        }
        let (epoch, keep) = match self {
            Self::Session(key, _) if present.fields.get(&entry(key)).is_some() && change.get(&entry(key)).is_none() => return None,
            Self::Session(key, until) if others < max => {
                return Some(change.set(&entry(key), text(op.now, until)));
            }
            Self::Session(..) => (op.now.max(present.epoch + Duration::from_millis(1)), None),
            // Raised by somebody else since: nobody's session is kept through two raises.
            Self::All(epoch, _) if present.epoch >= epoch => (present.epoch + Duration::from_millis(1), None),
            Self::All(epoch, keep) => (epoch, keep.map(entry)),
        };
        let value = serde_json::to_vec(&(epoch.as_millis(), keep)).unwrap_or_default();
        // Read and raised, so that of two writers the higher one stands.
        Some(change.expect(EPOCH, present.fields.version(EPOCH)).set(EPOCH, value))
    }
}

/// Each write of one call is an operation of its own.
fn numbered(op: OpCtx, number: u32) -> OpCtx {
    OpCtx { op_id: OpId::from_u128(op.op_id.as_u128() ^ (u128::from(number) << 96)), ..op }
}

impl<S: Store> StoreRevocations<S> {
    pub(super) async fn deny(&self, op: OpCtx, principal: &str, key: RecordKey, until: Timestamp) -> Result<(), Error> {
        for place in self.places(op, principal, until) {
            let present = self.denials(op, &place).await?;
            self.write(op, &place, present, Denial::Session(key, until)).await?;
        }
        Ok(())
    }

    pub(super) async fn raise(&self, op: OpCtx, principal: &str, keep: Option<RecordKey>, until: Timestamp) -> Result<(), Error> {
        let mut all = Vec::new();
        for place in self.places(op, principal, until) {
            all.push((place, self.denials(op, &place).await?));
        }
        // The same in all periods, and higher than whatever a session carries.
        let highest = all.iter().flat_map(|(_, present)| present).map(|present| present.epoch + Duration::from_millis(1)).max();
        let epoch = highest.map_or(op.now, |highest| highest.max(op.now));
        for (place, present) in all {
            self.write(op, &place, present, Denial::All(epoch, keep)).await?;
        }
        Ok(())
    }

    fn places(&self, op: OpCtx, principal: &str, until: Timestamp) -> Vec<Place> {
        Place::between(principal, op.now - self.skew, until + self.skew)
    }

    /// `present`: what the record was found to say; `None`: there was none.
    async fn write(&self, op: OpCtx, place: &Place, present: Option<Denials>, denial: Denial) -> Result<(), Error> {
        let (mut is_there, mut present) = (present.is_some(), present.unwrap_or_default());
        for attempt in 1..=ATTEMPTS {
            let Some(change) = denial.change(&present, &op, Self::MAX_DENIED) else { return Ok(()) };
            let op = numbered(op, attempt);
            if !is_there {
                if self.begin(op, place, &change).await? {
                    return Ok(());
                }
                let found = self.denials(op, place).await?;
                (is_there, present) = (found.is_some(), found.unwrap_or_default());
                continue;
            }
            match self.store.apply(op, place.key, place.presented(), &change).await? {
                Applied::Done { .. } => return Ok(()),
                Applied::Conflict(fields) => present = Denials::read(fields)?,
                Applied::Missing => (is_there, present) = (false, Denials::default()),
                _ => return Err(Error::new(ErrorKind::Corrupt, "a record of the deny-list cannot be written to")),
            }
        }
        Err(Error::new(ErrorKind::Contended, "the deny-list of one principal was written to too often at once"))
    }

    /// The first denial of a principal in a period; whether it was.
    async fn begin(&self, op: OpCtx, place: &Place, change: &Change) -> Result<bool, Error> {
        let mut fields = Fields::default();
        change.merge_into(&mut fields, op.op_id.field_version());
        let until = place.kept_until(self.skew);
        let new =
            NewRecord { secret: place.secret, principal: None, created: op.now, idle_deadline: until, absolute_deadline: until, fields };
        Ok(self.store.create(op, place.key, &new).await? == Created::Done)
    }
}
