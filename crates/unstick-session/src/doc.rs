//! A store for the examples in these docs.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use unstick_core::{
    Applied, Change, Created, Ended, Error, Life, Loaded, NewRecord, OpCtx, Presented, Record, RecordKey, Renewal, Rotated, Rotation,
    Scope, Store, Timestamp, end_in_place,
};

/// One lock around a map. For examples only: it never forgets by itself.
#[derive(Debug, Default)]
pub struct ExampleStore(Mutex<HashMap<RecordKey, Record>>);

impl ExampleStore {
    fn with<T>(&self, with: impl FnOnce(&mut HashMap<RecordKey, Record>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Store for ExampleStore {
    fn scope(&self) -> Scope {
        Scope::Process
    }

    fn name(&self) -> &'static str {
        "example"
    }

    async fn create(&self, _: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        Ok(self.with(|all| match all.get(&key) {
            Some(Record { life: Life::Ended { at, .. }, .. }) => Created::Ended { at: *at },
            Some(_) => Created::Exists,
            None => {
                all.insert(key, Record::new(new.clone()));
                Created::Done
            }
        }))
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        Ok(self.with(|all| {
            let Some(record) = all.get_mut(&key) else { return Loaded::Missing };
            if renewal.is_some() {
                record.apply(&op, &presented, &Change { renewal, ..Change::new() });
            }
            Loaded::judge(record, &presented, op.now)
        }))
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        Ok(self.with(|all| all.get_mut(&key).map_or(Applied::Missing, |record| record.apply(&op, &presented, change))))
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        let missing = Rotated::Refused(Applied::Missing);
        Ok(self.with(|all| all.get_mut(&key).map_or(missing, |record| record.rotate(&op, &presented, rotation, change))))
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        Ok(self.with(|all| {
            let record = all.entry(key).or_insert_with(|| Record::tombstone(op.now, until));
            end_in_place(record, op.now, presented.as_ref(), until)
        }))
    }

    async fn sweep(&self, op: OpCtx, _: usize) -> Result<usize, Error> {
        Ok(self.with(|all| {
            let before = all.len();
            all.retain(|_, record| !record.is_collectable(op.now, Duration::from_secs(300)));
            before - all.len()
        }))
    }
}
