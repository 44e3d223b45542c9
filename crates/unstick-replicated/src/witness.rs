//! No witness.

use unstick_core::{
    Applied, Change, Created, Ended, Error, ErrorKind, Loaded, NewRecord, OpCtx, Presented, RecordKey, Renewal, Rotated, Rotation, Scope,
    Store, Timestamp,
};

/// Stands where a witness would: a pair of two stores only. It holds nothing, and is never asked.
///
/// ```
/// use unstick_core::{Scope, Store};
/// use unstick_replicated::NoWitness;
/// assert_eq!(NoWitness.scope(), Scope::Shared);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWitness;

fn nobody<T>() -> Result<T, Error> {
    Err(Error::new(ErrorKind::Unavailable, "there is no witness"))
}

impl Store for NoWitness {
    fn scope(&self) -> Scope {
        Scope::Shared
    }

    fn name(&self) -> &'static str {
        "none"
    }

    async fn create(&self, _: OpCtx, _: RecordKey, _: &NewRecord) -> Result<Created, Error> {
        nobody()
    }

    async fn load(&self, _: OpCtx, _: RecordKey, _: Presented, _: Option<Renewal>) -> Result<Loaded, Error> {
        nobody()
    }

    async fn apply(&self, _: OpCtx, _: RecordKey, _: Presented, _: &Change) -> Result<Applied, Error> {
        nobody()
    }

    async fn rotate(&self, _: OpCtx, _: RecordKey, _: Presented, _: &Rotation, _: &Change) -> Result<Rotated, Error> {
        nobody()
    }

    async fn end(&self, _: OpCtx, _: RecordKey, _: Option<Presented>, _: Timestamp) -> Result<Ended, Error> {
        nobody()
    }

    async fn sweep(&self, _: OpCtx, _: usize) -> Result<usize, Error> {
        Ok(0)
    }
}
