//! Stores from outside the family, boxed: the contract's futures are not nameable, so a trait object needs a box per call.

use std::fmt;

use unstick_core::{
    Applied, AtHand, BoxFuture, Change, Created, Decide, Ended, Error, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey,
    Renewal, Rotated, Rotation, Scope, Store, Timestamp,
};

type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// [`Store`] as a trait object.
pub(crate) trait DynStore: fmt::Debug + Send + Sync + 'static {
    fn scope(&self) -> Scope;
    fn name(&self) -> &'static str;
    fn create<'a>(&'a self, op: OpCtx, key: RecordKey, new: &'a NewRecord) -> Answer<'a, Created>;
    fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Answer<'_, Loaded>;
    fn apply<'a>(&'a self, op: OpCtx, key: RecordKey, presented: Presented, change: &'a Change) -> Answer<'a, Applied>;
    fn rotate<'a>(
        &'a self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &'a Rotation,
        change: &'a Change,
    ) -> Answer<'a, Rotated>;
    fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Answer<'_, Ended>;
    fn sweep(&self, op: OpCtx, limit: usize) -> Answer<'_, usize>;
    fn update_locked<'a>(&'a self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'a>) -> Answer<'a, Option<Applied>>;
    fn principal_index(&self) -> Option<&dyn PrincipalIndex>;
    fn at_hand(&self) -> Option<&dyn AtHand>;
}

impl<S: Store> DynStore for S {
    fn scope(&self) -> Scope {
        Store::scope(self)
    }
    fn name(&self) -> &'static str {
        Store::name(self)
    }
    fn create<'a>(&'a self, op: OpCtx, key: RecordKey, new: &'a NewRecord) -> Answer<'a, Created> {
        Box::pin(Store::create(self, op, key, new))
    }
    fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Answer<'_, Loaded> {
        Box::pin(Store::load(self, op, key, presented, renewal))
    }
    fn apply<'a>(&'a self, op: OpCtx, key: RecordKey, presented: Presented, change: &'a Change) -> Answer<'a, Applied> {
        Box::pin(Store::apply(self, op, key, presented, change))
    }
    fn rotate<'a>(
        &'a self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &'a Rotation,
        change: &'a Change,
    ) -> Answer<'a, Rotated> {
        Box::pin(Store::rotate(self, op, key, presented, rotation, change))
    }
    fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Answer<'_, Ended> {
        Box::pin(Store::end(self, op, key, presented, until))
    }
    fn sweep(&self, op: OpCtx, limit: usize) -> Answer<'_, usize> {
        Box::pin(Store::sweep(self, op, limit))
    }
    fn update_locked<'a>(&'a self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'a>) -> Answer<'a, Option<Applied>> {
        Box::pin(Store::update_locked(self, op, key, presented, decide))
    }
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        Store::principal_index(self)
    }
    fn at_hand(&self) -> Option<&dyn AtHand> {
        Store::at_hand(self)
    }
}
