//! The two stores as one [`Store`].

use unstick_core::{
    Applied, Change, Created, Decide, Ended, Error, Loaded, NewRecord, OpCtx, Presented, PrincipalIndex, RecordKey, Renewal, Rotated,
    Rotation, Scope, Store, Timestamp,
};

use super::{
    Migrate, Step,
    moving::{Carried, MOVED},
    question::{Apply, At, Load, Locked, Rotate},
};

fn reach(scope: Scope) -> u8 {
    match scope {
        Scope::Process => 0,
        Scope::Host => 1,
        _ => 2,
    }
}

fn was_live(ended: Ended) -> bool {
    matches!(ended, Ended::Done { was_live: true })
}

impl<Old: Store, New: Store> Migrate<Old, New> {
    /// Ends by a client's id.
    async fn end_by(&self, at: At, until: Timestamp) -> Result<Ended, Error> {
        let At { op, key, presented } = at;
        if self.step == Step::PreferOld && matches!(self.old.load(op, key, presented, None).await?, Loaded::Live(_)) {
            // Open a moment ago. If it was to the end, nothing can be copied from it any more; a frozen one refuses, and a moved one is not live.
            let ended = self.old.end(op, key, Some(presented), until).await?;
            if was_live(ended) {
                return Ok(ended);
            }
        }
        if self.new.load(op, key, presented, None).await? != Loaded::Missing {
            return self.new.end(op, key, Some(presented), until).await;
        }
        let in_old = self.old.end(op, key, Some(presented), until).await?;
        if matches!(in_old, Ended::Superseded { .. }) && self.carry(op, key).await? == Carried::No {
            return Ok(in_old);
        }
        match self.new.end(op, key, Some(presented), until).await? {
            Ended::Done { was_live: live } => Ok(Ended::Done { was_live: live || was_live(in_old) }),
            superseded => Ok(superseded),
        }
    }
}

impl<Old: Store, New: Store> Store for Migrate<Old, New> {
    /// The lesser of both: that is how far all of the sessions reach.
    fn scope(&self) -> Scope {
        let (old, new) = (self.old.scope(), self.new.scope());
        if reach(old) <= reach(new) { old } else { new }
    }

    fn name(&self) -> &'static str {
        "migrate"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        if self.step == Step::Move {
            return self.new.create(op, key, new).await;
        }
        match self.old.create(op, key, new).await? {
            // The key was used before, and its session may have moved.
            Created::Exists | Created::Ended { at: MOVED } => match self.in_new(op, key).await? {
                Loaded::Ended { at } => Ok(Created::Ended { at }),
                _ => Ok(Created::Exists),
            },
            created => Ok(created),
        }
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        self.ask(At { op, key, presented }, &mut Load(renewal)).await
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        self.ask(At { op, key, presented }, &mut Apply(change)).await
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        self.ask(At { op, key, presented }, &mut Rotate(rotation, change)).await
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        let Some(presented) = presented else {
            // In this order: what is copied after the first is stopped, or ended, by the second.
            let in_old = self.old.end(op, key, None, until).await?;
            let in_new = self.new.end(op, key, None, until).await?;
            return Ok(Ended::Done { was_live: was_live(in_old) || was_live(in_new) });
        };
        Box::pin(self.end_by(At { op, key, presented }, until)).await
    }

    /// Half of the limit for each, and what one leaves for the other. An error of one does not keep the other from being swept.
    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        let half = limit.div_ceil(2);
        let in_old = self.old.sweep(op, half).await;
        let rest = limit - in_old.as_ref().map_or(0, |swept| *swept);
        let in_new = self.new.sweep(op, rest).await?;
        let in_old = in_old?;
        let left = rest - in_new;
        let more = if in_old == half && left > 0 { self.old.sweep(op, left).await? } else { 0 };
        Ok(in_old + in_new + more)
    }

    async fn update_locked(&self, op: OpCtx, key: RecordKey, presented: Presented, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        self.ask(At { op, key, presented }, &mut Locked(decide)).await
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        (self.old.principal_index().is_some() && self.new.principal_index().is_some()).then_some(self)
    }
}
