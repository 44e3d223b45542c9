//! One backend behind one pointer: the handle is not generic, and each trip costs one box.

use std::{pin::pin, sync::Arc};

use unstick_core::{
    Applied, BoxFuture, Carriage, Carrier, Ended, Error, EventKind, Fields, Lifecycle, Loaded, OpCtx, Opening, PrincipalIndex, RecordKey,
    Scope, SessionBackend, Ticket, Timestamp,
};

use crate::{
    commit::{self, Attempt, Outcome},
    deadline::within,
    env::Env,
    trace,
};

pub(crate) type BoxedDecide<'a> = &'a mut (dyn FnMut(&Fields) -> Result<unstick_core::Change, Error> + Send);

/// A [`SessionBackend`] with its type erased.
pub(crate) trait Engine: Send + Sync {
    fn scope(&self) -> Scope;
    fn name(&self) -> &'static str;
    fn open(&self, carriage: Carriage, text: &[u8]) -> Opening;
    fn is_renewal_due(&self, ticket: &Ticket, now: Timestamp) -> bool;
    fn load_now(&self, env: &Env, ticket: &Ticket) -> Option<Loaded>;
    fn load<'a>(&'a self, env: &'a Env, carriage: Carriage, ticket: Ticket) -> BoxFuture<'a, Result<(Loaded, Carrier), Error>>;
    fn commit(self: Arc<Self>, env: Arc<Env>, attempt: Attempt) -> BoxFuture<'static, Outcome>;
    fn update_locked<'a>(
        &'a self,
        op: OpCtx,
        env: &'a Env,
        ticket: Ticket,
        decide: BoxedDecide<'a>,
    ) -> BoxFuture<'a, Result<Option<Applied>, Error>>;
    fn end_by_key<'a>(&'a self, env: &'a Env, key: RecordKey) -> BoxFuture<'a, Result<Ended, Error>>;
    /// Applies a change under an operation id of its own.
    #[cfg(feature = "lifeboat")]
    fn merge<'a>(
        &'a self,
        env: &'a Env,
        op: OpCtx,
        carriage: Carriage,
        ticket: Ticket,
        change: unstick_core::Change,
    ) -> BoxFuture<'a, Result<unstick_core::Committed, Error>>;
    fn principal_index(&self) -> Option<&dyn PrincipalIndex>;
}

impl<B: SessionBackend> Engine for B {
    fn scope(&self) -> Scope {
        SessionBackend::scope(self)
    }

    fn name(&self) -> &'static str {
        SessionBackend::name(self)
    }

    fn open(&self, carriage: Carriage, text: &[u8]) -> Opening {
        SessionBackend::open(self, carriage, text)
    }

    fn is_renewal_due(&self, ticket: &Ticket, now: Timestamp) -> bool {
        SessionBackend::is_renewal_due(self, ticket, now)
    }

    fn load_now(&self, env: &Env, ticket: &Ticket) -> Option<Loaded> {
        if trace::is_wanted() {
            return None; // the span of a load is around its future
        }
        let loaded = SessionBackend::load_now(self, &env.runtime, ticket)?;
        env.answered(&Ok(()));
        Some(loaded)
    }

    fn load<'a>(&'a self, env: &'a Env, carriage: Carriage, ticket: Ticket) -> BoxFuture<'a, Result<(Loaded, Carrier), Error>> {
        let span = trace::load(env, SessionBackend::name(self), &ticket);
        let trip = async move {
            let op = env.op();
            let renew = SessionBackend::is_renewal_due(self, &ticket, op.now);
            let answer = pin!(within(env, env.deadline, SessionBackend::load(self, op, carriage, &ticket, renew))).await;
            env.answered(&answer);
            if let Err(error) = &answer {
                env.emit(EventKind::LoadFailed, Some(&ticket), error.kind().as_str());
            }
            answer
        };
        trace::within(span, trip, trace::loaded)
    }

    fn commit(self: Arc<Self>, env: Arc<Env>, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let span = trace::commit(&env, SessionBackend::name(&*self), &attempt);
        match (&attempt.ticket, &attempt.intent.lifecycle) {
            (Some(_), Lifecycle::Keep) => trace::within(span, commit::apply(self, env, attempt), trace::committed),
            _ => trace::within(span, commit::run(self, env, attempt), trace::committed),
        }
    }

    fn update_locked<'a>(
        &'a self,
        op: OpCtx,
        env: &'a Env,
        ticket: Ticket,
        decide: BoxedDecide<'a>,
    ) -> BoxFuture<'a, Result<Option<Applied>, Error>> {
        let span = trace::update(env, SessionBackend::name(self), &ticket);
        let trip = async move { within(env, op.budget(), SessionBackend::update_locked(self, op, &ticket, decide)).await };
        trace::within(span, trip, trace::updated)
    }

    fn end_by_key<'a>(&'a self, env: &'a Env, key: RecordKey) -> BoxFuture<'a, Result<Ended, Error>> {
        Box::pin(async move { within(env, env.deadline, SessionBackend::end_by_key(self, env.op(), key)).await })
    }

    #[cfg(feature = "lifeboat")]
    fn merge<'a>(
        &'a self,
        env: &'a Env,
        op: OpCtx,
        carriage: Carriage,
        ticket: Ticket,
        change: unstick_core::Change,
    ) -> BoxFuture<'a, Result<unstick_core::Committed, Error>> {
        Box::pin(async move {
            let answer = within(env, env.deadline, SessionBackend::apply(self, op, carriage, &ticket, &change)).await;
            env.answered(&answer);
            answer
        })
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        SessionBackend::principal_index(self)
    }
}

/// What a request's handle keeps of its layer.
pub(crate) struct Shared {
    pub(crate) env: Arc<Env>,
    pub(crate) engine: Arc<dyn Engine>,
}
