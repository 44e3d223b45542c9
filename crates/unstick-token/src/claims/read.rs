//! Claims out of bytes that were sealed by a known key.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use unstick_core::{Credential, Field, FieldVersion, Fields, Life, Lineage, NewRecord, Record, Secret, SecretHash, Timestamp};

use super::{Claims, Names, VERSION, is_nameable, members::Members};
use crate::jose;

/// What the bytes turned out to be.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for a moment, and the large one is the common one")]
pub(crate) enum Read {
    Claims(Claims),
    /// Of a newer release: only which session, and until when.
    Newer(Credential),
    /// For somebody else.
    Foreign,
    Malformed,
}

pub(crate) fn read(names: Names<'_>, json: &[u8]) -> Read {
    claims(names, json).unwrap_or(Read::Malformed)
}

fn time(millis: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(millis)).filter(|time| is_nameable(*time))
}

fn seconds(seconds: i64) -> Option<Timestamp> {
    time(seconds.checked_mul(1000)?)
}

fn claims(names: Names<'_>, json: &[u8]) -> Option<Read> {
    let mut members = Members::of(json)?;
    let issuer: String = members.required("iss")?;
    let audience: String = members.required("aud")?;
    let version: u64 = members.required("v")?;
    let (iat, exp): (i64, i64) = (members.required("iat")?, members.required("exp")?);
    let (issued_at, expires) = (seconds(iat)?, seconds(exp)?);
    let lineage = Lineage::from_bytes(sixteen(members.required("sid")?)?);
    if issuer != names.issuer || audience != names.audience {
        return Some(Read::Foreign);
    }
    match version {
        0 => return None,
        VERSION => {}
        _ => return Some(Read::Newer(Credential::from_parts(lineage, Secret::from_bytes([0; 16]), issued_at, expires, expires))),
    }
    let secret = Secret::from_bytes(sixteen(members.required("gen")?)?);
    let not_before = seconds(members.required("nbf")?)?;
    let [issued, idle, absolute, created] = members.required::<[i64; 4]>("ms")?;
    let (issued, idle, absolute, created) = (time(issued)?, time(idle)?, time(absolute)?, time(created)?);
    let epoch = members.optional("epoch")?.map_or(Some(Timestamp::ZERO), time)?;
    let principal: Option<Arc<str>> = members.optional::<String>("sub")?.map(Arc::from);
    let named = principal.as_ref().is_none_or(|principal| (1..=255).contains(&principal.len()));
    // What is said twice must agree.
    let agrees = issued.as_millis().div_euclid(1000) == iat && round_up(idle) == exp && not_before <= issued;
    if !named || !agrees || idle > absolute || issued > idle {
        return None;
    }
    let credential = Credential::from_parts(lineage, secret, issued, idle, absolute);
    let (data, raw) = (members.optional("data")?, members.optional("raw")?);
    if !members.0.is_empty() {
        return None;
    }
    let hash = credential.secret().hash();
    let fields = fields(data, raw, state(&hash))?;
    let mut record = record(&credential, created, principal, fields);
    record.secret = hash;
    Some(Read::Claims(Claims { credential, not_before, epoch, record }))
}

/// A token's session as a record.
pub(crate) fn record(credential: &Credential, created: Timestamp, principal: Option<Arc<str>>, fields: Fields) -> Record {
    let record = Record::new(NewRecord {
        secret: SecretHash::from_bytes([0; 16]),
        principal,
        created,
        idle_deadline: credential.idle_deadline(),
        absolute_deadline: credential.absolute_deadline(),
        fields,
    });
    debug_assert_eq!(record.life, Life::Live);
    record
}

/// Milliseconds as seconds, rounded up.
pub(super) fn round_up(time: Timestamp) -> i64 {
    time.as_millis().saturating_add(999).div_euclid(1000)
}

fn sixteen(text: &str) -> Option<[u8; 16]> {
    jose::decode_exactly(text.as_bytes())
}

fn fields(data: Option<&RawValue>, raw: Option<&RawValue>, version: FieldVersion) -> Option<Fields> {
    let mut all = Vec::new();
    for (object, is_json) in [(data, true), (raw, false)] {
        let Some(object) = object else { continue };
        for (name, value) in Members::of(object.get().as_bytes())?.0 {
            Fields::check_name(&name).ok()?;
            let value = if is_json {
                Bytes::copy_from_slice(value.get().as_bytes())
            } else {
                jose::decode(serde_json::from_str::<&str>(value.get()).ok()?.as_bytes())?.into()
            };
            all.push((Arc::from(&*name), Field { version, value }));
        }
    }
    let count = all.len();
    let fields = Fields::from_iter(all);
    (fields.len() == count).then_some(fields) // a name stands in one of both
}

/// The version of all fields of a token is which state of the session it holds: every change makes another.
fn state(secret: &SecretHash) -> FieldVersion {
    let mut first = [0; 8];
    first.copy_from_slice(&secret.as_bytes()[..8]);
    match FieldVersion::from_u64(u64::from_be_bytes(first)) {
        FieldVersion::ABSENT => FieldVersion::from_u64(1),
        version => version,
    }
}
