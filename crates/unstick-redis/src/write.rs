//! Arguments of the scripts.

use std::{collections::HashMap, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use unstick_core::{
    Change, Error, FieldChange, FieldVersion, Fields, NewRecord, OpCtx, Presented, RecordKey, Renewal, Rotation, Timestamp,
};

use crate::{
    error,
    read::{FORMAT, HEAD, MAGIC},
};

/// Scripts count in doubles: whole numbers up to here are exact.
const EXACT: i64 = (1 << 53) - 1;
/// A value of Redis must stay below 512 MB.
const MOST: usize = 500 << 20;

/// Times beyond the year 280 000 are cut off there.
fn time(to: &mut BytesMut, at: Timestamp) {
    to.put_i64(at.as_millis().clamp(-EXACT, EXACT));
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).map_or(EXACT, |number| number.min(EXACT))
}

fn length(to: &mut BytesMut, bytes: usize) -> Result<(), Error> {
    to.put_u32(u32::try_from(bytes).map_err(|_| error::too_large())?);
    Ok(())
}

/// A number as text.
pub(crate) fn number(at: Timestamp) -> Bytes {
    at.as_millis().clamp(-EXACT, EXACT).to_string().into()
}

pub(crate) fn operation(op: &OpCtx) -> Bytes {
    Bytes::copy_from_slice(&op.op_id.as_u128().to_be_bytes())
}

/// How long after its deadline an operation is remembered: the time of a second delivery.
fn remembered(op: &OpCtx) -> i64 {
    i64::try_from(op.budget().as_millis()).map_or(EXACT, |budget| budget.min(EXACT / 2))
}

fn field(to: &mut BytesMut, name: &str, version: FieldVersion, value: &[u8]) -> Result<(), Error> {
    if name.is_empty() {
        return Err(error::empty_name());
    }
    length(to, name.len())?;
    length(to, value.len())?;
    to.put_u64(version.as_u64());
    to.put_slice(name.as_bytes());
    to.put_slice(value);
    Ok(())
}

pub(crate) fn create(op: &OpCtx, new: &NewRecord) -> Result<Vec<Bytes>, Error> {
    let principal = new.principal.as_deref().unwrap_or_default();
    let size = new.fields.size() + new.fields.len() * 16;
    if size > MOST || principal.len() > 1 << 16 {
        return Err(error::too_large());
    }
    let idle = new.idle_deadline.min(new.absolute_deadline);
    let mut head = BytesMut::with_capacity(HEAD + principal.len());
    head.put_slice(MAGIC);
    head.put_u8(FORMAT);
    head.put_u8(0);
    time(&mut head, idle);
    time(&mut head, Timestamp::ZERO);
    head.put_slice(new.secret.as_bytes());
    time(&mut head, new.absolute_deadline);
    time(&mut head, Timestamp::ZERO);
    length(&mut head, HEAD + principal.len())?;
    length(&mut head, HEAD + principal.len() + 24)?;
    time(&mut head, new.created);
    time(&mut head, new.created);
    head.put_bytes(0, 16 + 8 + 8 + 1);
    head.put_u8(new.principal.is_some().into());
    head.put_slice(principal.as_bytes());
    Ok(vec![head.freeze(), operation(op), remembered(op).to_string().into(), fields(&new.fields, size)?, number(idle)])
}

fn fields(all: &Fields, size: usize) -> Result<Bytes, Error> {
    let mut to = BytesMut::with_capacity(size);
    for (name, field) in all.iter() {
        self::field(&mut to, name, field.version, &field.value)?;
    }
    Ok(to.freeze())
}

/// Nothing is moved by what was so long ago.
fn renewal(to: &mut BytesMut, renewal: Option<Renewal>) {
    let never = Timestamp::from_millis(-EXACT);
    time(to, renewal.map_or(never, |renewal| renewal.idle_deadline));
    time(to, renewal.map_or(never, |renewal| renewal.issued));
}

fn credential(to: &mut BytesMut, presented: &Presented) {
    to.put_slice(presented.secret.as_bytes());
    time(to, presented.issued);
}

pub(crate) fn renew(op: &OpCtx, presented: &Presented, due: Renewal) -> Vec<Bytes> {
    let mut to = BytesMut::with_capacity(48);
    time(&mut to, op.now);
    credential(&mut to, presented);
    renewal(&mut to, Some(due));
    vec![to.freeze()]
}

/// The last delta of each name, as they count when they are applied one after another.
fn deltas(change: &Change) -> Vec<(&str, &FieldChange)> {
    if change.fields.len() < 2 {
        return change.fields.iter().map(|(name, delta)| (&**name, delta)).collect();
    }
    let last: HashMap<&str, usize> = change.fields.iter().enumerate().map(|(at, (name, _))| (&**name, at)).collect();
    let deltas = change.fields.iter().enumerate().filter(|(at, (name, _))| last.get(&**name) == Some(at));
    deltas.map(|(_, (name, delta))| (&**name, delta)).collect()
}

pub(crate) fn change(op: &OpCtx, presented: &Presented, change: &Change, rotation: Option<&Rotation>) -> Result<Vec<Bytes>, Error> {
    let deltas = deltas(change);
    let added = |(name, delta): &(&str, &FieldChange)| matches!(delta, FieldChange::Set(_)).then(|| name.len() + delta.len());
    let (count, size) = deltas.iter().filter_map(added).fold((0, 0), |(count, size), added| (count + 1, size + added));
    if size > MOST {
        return Err(error::too_large());
    }
    let mut entries = BytesMut::with_capacity(size + count * 16);
    for (name, delta) in &deltas {
        match delta {
            FieldChange::Set(value) => field(&mut entries, name, op.op_id.field_version(), value)?,
            FieldChange::Remove => {}
        }
    }
    let conditions = conditions(change);
    let rotation_len = |rotation: &Rotation| 42 + rotation.principal.as_deref().map_or(0, str::len);
    let mut fixed = BytesMut::with_capacity(93 + rotation.map_or(0, rotation_len));
    time(&mut fixed, op.now);
    credential(&mut fixed, presented);
    fixed.put_u128(op.op_id.as_u128());
    fixed.put_i64(remembered(op));
    fixed.put_u8(change.clear.into());
    fixed.put_i64(whole(change.max_size));
    fixed.put_i64(whole(size));
    renewal(&mut fixed, change.renewal);
    length(&mut fixed, conditions.len())?;
    if let Some(rotation) = rotation {
        self::rotation(&mut fixed, rotation)?;
    }

    let mut args = Vec::with_capacity(2 + conditions.len() * 2 + deltas.len());
    args.extend([fixed.freeze(), entries.freeze()]);
    for (name, version) in conditions {
        args.extend([Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(&version.to_be_bytes())]);
    }
    if !change.clear {
        args.extend(deltas.iter().map(|(name, _)| Bytes::copy_from_slice(name.as_bytes())));
    }
    Ok(args)
}

/// One version per name; where two are asked for, one that no field has.
fn conditions(change: &Change) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = Vec::with_capacity(change.preconditions.len());
    let mut at = HashMap::new();
    for condition in &change.preconditions {
        let version = condition.version.as_u64();
        match at.get(&*condition.name) {
            None => {
                at.insert(&*condition.name, all.len());
                all.push((&condition.name, version));
            }
            Some(&known) if all[known].1 != version => all[known].1 = u64::MAX,
            Some(_) => {}
        }
    }
    all
}

fn rotation(to: &mut BytesMut, rotation: &Rotation) -> Result<(), Error> {
    let principal = rotation.principal.as_deref().unwrap_or_default();
    if principal.len() > 1 << 16 {
        return Err(error::too_large());
    }
    to.put_slice(rotation.secret.as_bytes());
    to.put_u8(rotation.grace_until.is_some().into());
    time(to, rotation.grace_until.unwrap_or(Timestamp::ZERO));
    time(to, rotation.idle_deadline);
    time(to, rotation.overlap_since);
    to.put_u8(rotation.principal.is_some().into());
    to.put_slice(principal.as_bytes());
    Ok(())
}

pub(crate) fn end(op: &OpCtx, presented: Option<&Presented>, until: Timestamp) -> Vec<Bytes> {
    let mut to = BytesMut::with_capacity(57);
    time(&mut to, op.now);
    time(&mut to, until);
    to.put_u128(op.op_id.as_u128());
    to.put_u8(presented.is_none().into());
    match presented {
        Some(presented) => credential(&mut to, presented),
        None => to.put_bytes(0, 24),
    }
    vec![to.freeze()]
}

pub(crate) fn bury(op: &OpCtx, skew: Duration, principal: &str, entry: Bytes) -> Vec<Bytes> {
    let mut to = BytesMut::with_capacity(32);
    time(&mut to, op.now);
    to.put_i64(i64::try_from(skew.as_millis()).map_or(EXACT, |skew| skew.min(EXACT)));
    to.put_u128(op.op_id.as_u128());
    vec![to.freeze(), Bytes::copy_from_slice(principal.as_bytes()), entry]
}

pub(crate) fn member(key: &RecordKey) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}
