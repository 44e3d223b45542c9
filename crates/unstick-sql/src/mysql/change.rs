//! Changes as statements.

use sqlx::{MySql, mysql::MySqlQueryResult};
use unstick_core::{Change, Error, Presented, Proof, RecordKey, Renewal, Rotation, Timestamp};

use super::{
    numbered::Value,
    patch,
    read::seen,
    statements::Shapes,
    store::{Inner, principal},
};
use crate::{
    delta,
    engine::{Call, Written},
    row,
    server::Lease,
};

/// A change to a session.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) call: Call<'a>,
    pub(super) key: &'a RecordKey,
    pub(super) presented: &'a Presented,
    pub(super) change: &'a Change,
}

/// What the fields become, in texts.
struct Patch {
    clear: bool,
    sets: String,
    removals: Vec<String>,
    sizes: patch::Sizes,
}

impl Patch {
    fn of(request: Request<'_>) -> Result<Self, Error> {
        let change = request.change;
        let sets = delta::sets(change, request.call.op.op_id.field_version())?;
        Ok(Self { clear: change.clear, sets, removals: patch::removals(change)?, sizes: patch::sizes(change)? })
    }
}

/// From the answer of a change: four times the idle deadline, and the proof.
fn written(answer: &MySqlQueryResult) -> Option<Written> {
    let id = answer.last_insert_id();
    let proof = match id % 4 {
        0 => Proof::Current,
        1 => Proof::Grace,
        _ => Proof::Reordered,
    };
    let idle_deadline = Timestamp::from_millis(i64::try_from(id / 4).unwrap_or(i64::MAX));
    (answer.rows_affected() > 0).then_some(Written { idle_deadline, proof })
}

/// The most fields that a statement is left to merge. MariaDB reads the whole session once for each of them: 10 000 over as many
/// would keep it busy for a minute, with the session locked, long after the caller gave up.
const MOST_FIELDS: usize = 32;

/// Whether a change is too much for one statement.
fn is_heavy(shapes: &Shapes, change: &Change) -> bool {
    let removals = change.fields.iter().filter(|(_, one)| matches!(one, unstick_core::FieldChange::Remove)).count();
    shapes.of(removals).is_none() || (change.fields.len() > MOST_FIELDS && !change.clear)
}

impl Inner {
    /// In one statement, or where that would take too long in one transaction.
    pub(super) async fn change(
        &self,
        shapes: &Shapes,
        request: Request<'_>,
        rotation: Option<&Rotation>,
    ) -> Result<Option<Written>, Error> {
        let call = request.call;
        if !is_heavy(shapes, request.change) {
            return self.send(&mut self.pooled.lease(call).await?, shapes, request, rotation, Patch::of(request)?).await;
        }
        let mut locked = self.begin(call).await?;
        let written = self.change_in(locked.lease()?, shapes, request, rotation).await?;
        if written.is_some() {
            locked.commit(call).await?;
        }
        Ok(written)
    }

    /// Inside a transaction.
    pub(super) async fn change_in(
        &self,
        lease: &mut Lease<MySql>,
        shapes: &Shapes,
        request: Request<'_>,
        rotation: Option<&Rotation>,
    ) -> Result<Option<Written>, Error> {
        if !is_heavy(shapes, request.change) {
            return self.send(lease, shapes, request, rotation, Patch::of(request)?).await;
        }
        let select = self.sql.read_locking.with(&[Value::Bytes(request.key.as_bytes())]);
        let rows = lease.rows(request.call, select).await?;
        let Some(row) = seen(rows.first().ok_or_else(row::corrupt)?)?.row else { return Ok(None) };
        // what cannot be read is told by the read that follows a change that did nothing
        let Ok(record) = row::record(row) else { return Ok(None) };
        let mut fields = record.fields;
        request.change.merge_into(&mut fields, request.call.op.op_id.field_version());
        let patch = Patch { clear: true, sets: delta::fields(&fields)?, removals: Vec::new(), sizes: patch::whole(&fields) };
        self.send(lease, shapes, request, rotation, patch).await
    }

    async fn send(
        &self,
        lease: &mut Lease<MySql>,
        shapes: &Shapes,
        request: Request<'_>,
        rotation: Option<&Rotation>,
        patch: Patch,
    ) -> Result<Option<Written>, Error> {
        let Request { call, key, presented, change } = request;
        let Some((sql, slots)) = shapes.of(patch.removals.len()) else { return Ok(None) };
        let op = call.op;
        let (operation, applied) = (delta::operation(op.op_id), delta::applied(op.op_id, delta::remembered_until(call)));
        let preconditions = patch::preconditions(&change.preconditions)?;
        let renewal = change.renewal.unwrap_or(Renewal { idle_deadline: Timestamp::ZERO, issued: Timestamp::ZERO });
        let mut values = vec![
            Value::Bytes(key.as_bytes()),
            Value::from(op.now),
            Value::Bytes(presented.secret.as_bytes()),
            Value::from(presented.issued),
            Value::from(call.deadline),
            Value::Text(&operation),
            Value::Text(&applied),
            Value::Number(patch.clear.into()),
            Value::Text(&patch.sets),
            Value::from(preconditions.present.as_deref()),
            Value::from(preconditions.absent.as_deref()),
            Value::Number(i64::try_from(change.max_size).unwrap_or(i64::MAX)),
            Value::Number(patch.sizes.added),
            Value::Text(&patch.sizes.touched),
            Value::from(renewal.idle_deadline),
            Value::from(renewal.issued),
        ];
        values.extend(match rotation {
            None => [Value::Null; 5],
            Some(rotation) => [
                Value::Bytes(rotation.secret.as_bytes()),
                rotation.grace_until.map_or(Value::Null, Value::from),
                rotation.principal.as_deref().map(principal).transpose()?.unwrap_or(Value::Null),
                Value::from(rotation.idle_deadline),
                Value::from(rotation.overlap_since),
            ],
        });
        values.push(Value::Number(patch.sizes.beside));
        let nothing = std::iter::repeat("{}");
        values.extend(patch.removals.iter().map(String::as_str).chain(nothing).take(slots).map(Value::Text));
        let update = self.statement(sql, &values)?;
        lease.execute(call, update).await.map(|answer| written(&answer))
    }
}
