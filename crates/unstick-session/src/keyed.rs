//! The session backend over a server-side [`Store`]: credentials in front, one record per session behind.

use std::num::NonZeroU32;

use bytes::Bytes;
use unstick_core::{
    Applied, Carriage, Carrier, Change, Committed, Created, Credential, Decide, Ended, Error, ErrorKind, Fields, Intent, Lifecycle,
    Lifetimes, Loaded, NewRecord, OpCtx, OpId, Opening, Presented, PrincipalIndex, Proof, RecordKey, Renewal, Reservation, Rotated,
    Rotation, Runtime, Scope, Sealer, SessionBackend, Store, Ticket, Timestamp, Verdict,
};

use crate::Setup;

/// A server-side store as a [`SessionBackend`]. Made by [`SessionLayer::new`](crate::SessionLayer::new).
///
/// Every intent is one store operation on one key; a promotion with a limit on sessions per principal is two.
#[derive(Debug)]
pub struct Keyed<S> {
    store: S,
    cookie: Sealer,
    header: Sealer,
    lifetimes: Lifetimes,
    max_sessions: Option<NonZeroU32>,
}

impl<S: Store> Keyed<S> {
    pub(crate) fn new(store: S, setup: &Setup<'_>) -> Self {
        let purpose = |carriage: &str, name: &str| setup.keys.for_purpose(&format!("{carriage}:{name}"));
        let (cookie, header) = (purpose("cookie", setup.cookie), purpose("header", setup.header));
        Self { store, cookie, header, lifetimes: setup.lifetimes, max_sessions: setup.max_sessions }
    }

    fn sealer(&self, carriage: Carriage) -> &Sealer {
        match carriage {
            Carriage::Header => &self.header,
            _ => &self.cookie,
        }
    }

    fn carrier(&self, carriage: Carriage, credential: &Credential, now: Timestamp) -> Carrier {
        Carrier::Set { text: self.sealer(carriage).seal(credential), max_age: credential.idle_deadline().since(now) }
    }

    fn renewal(&self, credential: &Credential, now: Timestamp) -> Renewal {
        Renewal { idle_deadline: self.lifetimes.idle_deadline(now, credential.absolute_deadline()), issued: now }
    }

    fn rotation(&self, new: &Credential, now: Timestamp, principal: Option<std::sync::Arc<str>>) -> Rotation {
        let grace_until = self.lifetimes.grace_until(now);
        Rotation {
            secret: new.secret().hash(),
            grace_until: principal.is_none().then_some(grace_until),
            principal,
            idle_deadline: new.idle_deadline(),
            overlap_since: now - grace_until.since(now),
        }
    }

    async fn reserve(&self, op: OpCtx, principal: &str, key: RecordKey) -> Result<(), Error> {
        let Some(max) = self.max_sessions else { return Ok(()) };
        let index =
            self.store.principal_index().ok_or_else(|| Error::new(ErrorKind::Unsupported, "the store keeps no index by principal"))?;
        let until = op.deadline + self.lifetimes.tolerated_skew();
        match index.reserve(op, principal, key, max, until).await? {
            Reservation::Granted => Ok(()),
            _ => Err(Error::new(ErrorKind::TooManySessions, "the principal has as many sessions as the limit allows")),
        }
    }

    async fn create(&self, op: OpCtx, carriage: Carriage, intent: &Intent) -> Result<Committed, Error> {
        let absolute = self.lifetimes.absolute_deadline(op.now);
        let credential = Credential::issue(op.now, self.lifetimes.idle_deadline(op.now, absolute), absolute)?;
        let key = credential.lineage().record_key();
        let principal = match &intent.lifecycle {
            Lifecycle::Promote(principal) => {
                self.reserve(op, principal, key).await?;
                Some(principal.clone())
            }
            _ => None,
        };
        let mut fields = Fields::default();
        intent.change.merge_into(&mut fields, op.op_id.field_version());
        if intent.change.max_size > 0 && fields.size() > intent.change.max_size {
            return Ok(Committed::Refused(Applied::TooLarge));
        }
        let new = NewRecord {
            secret: credential.secret().hash(),
            principal,
            created: op.now,
            idle_deadline: credential.idle_deadline(),
            absolute_deadline: absolute,
            fields,
        };
        match self.store.create(op, key, &new).await? {
            Created::Done => Ok(self.done(op, carriage, Some(credential))),
            Created::Ended { at } => Ok(Committed::Refused(Applied::Ended { at })),
            _ => Err(Error::new(ErrorKind::Internal, "a fresh random session id was taken")),
        }
    }

    fn done(&self, op: OpCtx, carriage: Carriage, credential: Option<Credential>) -> Committed {
        let carrier = credential.map_or(Carrier::Unchanged, |credential| self.carrier(carriage, &credential, op.now));
        Committed::Done { carrier, ticket: credential.map(fresh) }
    }

    async fn rotate(
        &self,
        op: OpCtx,
        carriage: Carriage,
        ticket: &Ticket,
        principal: Option<std::sync::Arc<str>>,
        change: &Change,
    ) -> Result<Committed, Error> {
        let old = &ticket.credential;
        let key = old.lineage().record_key();
        if let Some(principal) = &principal {
            self.reserve(op, principal, key).await?;
        }
        let new = old.rotate(op.now, self.lifetimes.idle_deadline(op.now, old.absolute_deadline()))?;
        let rotation = self.rotation(&new, op.now, principal);
        match self.store.rotate(op, key, Presented::from(old), &rotation, change).await? {
            Rotated::Done { rotated: true, .. } => Ok(self.done(op, carriage, Some(new))),
            Rotated::Done { .. } => Ok(Committed::Done { carrier: Carrier::Unchanged, ticket: Some(ticket.clone()) }),
            Rotated::Refused(refused) => Ok(Committed::Refused(refused)),
            _ => Err(Error::new(ErrorKind::Internal, "the store gave an answer that this release does not know")),
        }
    }
}

/// The second operation of one trip under an id of its own: a renewal that rode along with the load has used the first.
/// The half of the id that is flipped is random per layer, so no other operation has it.
fn second(op: OpCtx) -> OpCtx {
    OpCtx { op_id: OpId::from_u128(op.op_id.as_u128() ^ (1 << 127)), ..op }
}

fn fresh(credential: Credential) -> Ticket {
    Ticket { credential, reissue: false, payload: Bytes::new() }
}

impl<S: Store> SessionBackend for Keyed<S> {
    fn scope(&self) -> Scope {
        self.store.scope()
    }

    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn open(&self, carriage: Carriage, text: &[u8]) -> Opening {
        match self.sealer(carriage).open(text) {
            Verdict::Authentic(opened) => {
                Opening::Authentic(Ticket { credential: opened.credential, reissue: opened.reissue, payload: Bytes::new() })
            }
            Verdict::Forged => Opening::Forged,
            Verdict::UnknownKey => Opening::UnknownKey,
            _ => Opening::Malformed,
        }
    }

    fn is_renewal_due(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let credential = &ticket.credential;
        ticket.reissue
            || self.lifetimes.is_renewal_due(now, credential.issued(), credential.idle_deadline(), credential.absolute_deadline())
    }

    async fn load(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, renew: bool) -> Result<(Loaded, Carrier), Error> {
        let credential = &ticket.credential;
        let renewal = renew.then(|| self.renewal(credential, op.now));
        let loaded = self.store.load(op, credential.lineage().record_key(), Presented::from(credential), renewal).await?;
        let Loaded::Live(live) = &loaded else { return Ok((loaded, Carrier::Unchanged)) };
        let carrier = match live.proof {
            Proof::Current if renew => self.carrier(carriage, &credential.renew(op.now, live.idle_deadline), op.now),
            // Rare, and a trip of its own: in a box, so that it does not make every load larger.
            Proof::Reordered => match Box::pin(self.rotate(second(op), carriage, ticket, None, &Change::new())).await? {
                Committed::Done { carrier, .. } => carrier,
                _ => Carrier::Unchanged,
            },
            _ => Carrier::Unchanged,
        };
        Ok((loaded, carrier))
    }

    fn load_now(&self, clock: &Runtime, ticket: &Ticket) -> Option<Loaded> {
        let store = self.store.at_hand()?;
        let now = clock.wall();
        if SessionBackend::is_renewal_due(self, ticket, now) {
            return None;
        }
        let credential = &ticket.credential;
        let loaded = store.read(now, &credential.lineage().record_key(), &Presented::from(credential))?;
        match &loaded {
            Loaded::Live(live) if live.proof == Proof::Reordered => None, // is given a fresh id, which is a trip of its own
            _ => Some(loaded),
        }
    }

    async fn apply(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, change: &Change) -> Result<Committed, Error> {
        let credential = &ticket.credential;
        let renewal = self.is_renewal_due(ticket, op.now).then(|| self.renewal(credential, op.now));
        let renewed;
        let change = if renewal.is_some() {
            renewed = Change { renewal, ..change.clone() };
            &renewed
        } else {
            change
        };
        match self.store.apply(op, credential.lineage().record_key(), Presented::from(credential), change).await? {
            Applied::Done { proof: Proof::Current, idle_deadline } if renewal.is_some() => {
                Ok(self.done(op, carriage, Some(credential.renew(op.now, idle_deadline))))
            }
            Applied::Done { .. } => Ok(Committed::Done { carrier: Carrier::Unchanged, ticket: Some(ticket.clone()) }),
            refused => Ok(Committed::Refused(refused)),
        }
    }

    async fn commit(&self, op: OpCtx, carriage: Carriage, ticket: Option<&Ticket>, intent: &Intent) -> Result<Committed, Error> {
        let Some(ticket) = ticket else {
            let creates =
                matches!(intent.lifecycle, Lifecycle::Promote(_)) || intent.change.fields.iter().any(|(_, change)| is_set(change));
            return if creates && intent.lifecycle != Lifecycle::End {
                self.create(op, carriage, intent).await
            } else {
                Ok(Committed::Done { carrier: Carrier::Unchanged, ticket: None })
            };
        };
        match &intent.lifecycle {
            Lifecycle::Keep => SessionBackend::apply(self, op, carriage, ticket, &intent.change).await,
            Lifecycle::RenewId => self.rotate(op, carriage, ticket, None, &intent.change).await,
            Lifecycle::Promote(principal) => self.rotate(op, carriage, ticket, Some(principal.clone()), &intent.change).await,
            Lifecycle::End => {
                let credential = &ticket.credential;
                let until = self.lifetimes.tombstone_until(op.now, credential.idle_deadline());
                match self.store.end(op, credential.lineage().record_key(), Some(Presented::from(credential)), until).await? {
                    Ended::Superseded { at } => Ok(Committed::Refused(Applied::Superseded { at })),
                    _ => Ok(Committed::Done { carrier: Carrier::Remove, ticket: None }),
                }
            }
        }
    }

    async fn update_locked(&self, op: OpCtx, ticket: &Ticket, decide: Decide<'_>) -> Result<Option<Applied>, Error> {
        let credential = &ticket.credential;
        self.store.update_locked(op, credential.lineage().record_key(), Presented::from(credential), decide).await
    }

    async fn end_by_key(&self, op: OpCtx, key: RecordKey) -> Result<Ended, Error> {
        self.store.end(op, key, None, self.lifetimes.tombstone_until(op.now, op.now)).await
    }

    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        self.store.principal_index()
    }
}

fn is_set(change: &unstick_core::FieldChange) -> bool {
    matches!(change, unstick_core::FieldChange::Set(_))
}
