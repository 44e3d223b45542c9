//! The backend: judging, merging and sealing, all in the request.

use std::sync::Arc;

use unstick_core::{
    Applied, Carriage, Carrier, Change, Committed, Credential, Error, ErrorKind, FieldChange, Fields, HeaderBudget, Intent, Lifecycle,
    Lifetimes, Loaded, OpCtx, Opening, Presented, PrincipalIndex, RecordKey, Scope, SessionBackend, Ticket, Timestamp,
};

use crate::{
    TokenBuilder, TokenKeys,
    claims::{self, Claims, Names, Read},
    deny::DenyList,
    keys::Opened,
    size,
};

/// No text beyond this is looked at, whatever the limit on what is sent.
pub(crate) const MAX_TEXT: usize = 32 * 1024;

/// Sessions that travel whole in their carrier. See the [crate docs](crate).
#[derive(Debug)]
pub struct Token {
    pub(crate) keys: TokenKeys,
    pub(crate) issuer: String,
    pub(crate) audiences: Audiences,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) max_token: usize,
    pub(crate) deny: Option<DenyList>,
}

/// The `aud` claims, by carriage.
#[derive(Debug)]
pub(crate) struct Audiences {
    cookie: String,
    header: String,
}

impl Audiences {
    pub(crate) fn new(purpose: &str, cookie: &str, header: &str) -> Self {
        Self { cookie: format!("{purpose}:cookie:{cookie}"), header: format!("{purpose}:header:{header}") }
    }

    pub(crate) fn longest(&self) -> usize {
        self.cookie.len().max(self.header.len())
    }
}

impl Token {
    /// 2800 characters: with name, attributes and our other header lines they stay within [`HeaderBudget::DEFAULT`].
    pub const DEFAULT_MAX: usize = HeaderBudget::DEFAULT - 272;

    /// Sessions sealed by `keys`.
    pub fn builder(keys: TokenKeys) -> TokenBuilder {
        TokenBuilder::new(keys)
    }

    fn names(&self, carriage: Carriage) -> Names<'_> {
        let audience = match carriage {
            Carriage::Header => &self.audiences.header,
            _ => &self.audiences.cookie,
        };
        Names { issuer: &self.issuer, audience }
    }

    /// Seals the session under `credential`; nothing has happened yet when it turns out too large.
    fn seal(&self, op: OpCtx, carriage: Carriage, credential: Credential, claims: Claims) -> Result<(Carrier, Ticket), Error> {
        if !claims::is_nameable(credential.issued()) || !claims::is_nameable(credential.absolute_deadline()) {
            return Err(Error::new(ErrorKind::Unavailable, "this node's clock is centuries off; no token it seals could be read"));
        }
        let not_before = claims::whole_seconds(op.now - self.lifetimes.tolerated_skew());
        let mut claims = Claims { credential, not_before, ..claims };
        claims.record.secret = credential.secret().hash();
        claims.record.idle_deadline = credential.idle_deadline();
        claims.record.applied.clear();
        let fields = &claims.record.fields;
        let key = self.keys.sealing();
        // At least so long; spares a session of megabytes the work.
        if fields.size() > self.max_token {
            return Err(size::too_large(fields, key.sealed_len(fields.size()), self.max_token));
        }
        let written = claims::write(self.names(carriage), &claims);
        let length = key.sealed_len(written.len());
        if length > self.max_token {
            return Err(size::too_large(fields, length, self.max_token));
        }
        let text = key.seal(written)?;
        let max_age = credential.idle_deadline().since(op.now);
        Ok((Carrier::Set { text, max_age }, Ticket { credential, reissue: false, payload: claims::payload(&claims) }))
    }

    /// The session of a ticket, judged by time and deny-list; inner `Err`: it is no longer.
    async fn admit(&self, op: OpCtx, ticket: &Ticket) -> Result<Result<Claims, Applied>, Error> {
        let claims = match claims::from_payload(ticket.credential, ticket.payload.clone()) {
            Ok(claims) => claims,
            Err(kind) => return Ok(Err(Applied::Unreadable(kind))),
        };
        // Either way outside of its time.
        if ticket.credential.is_expired(op.now) || op.now < claims.not_before {
            return Ok(Err(Applied::Expired));
        }
        if let Some(deny) = &self.deny {
            let principal = claims.record.principal.as_deref();
            if let Some(at) = deny.revoked_at(op, key(ticket), principal, claims.epoch).await? {
                return Ok(Err(Applied::Ended { at }));
            }
        }
        Ok(Ok(claims))
    }

    /// Never earlier than it was, as in a record, also when the timeout is shorter now than when the token was sealed: a denial
    /// reaches as far as the token that was ended, and must outlive those before it.
    fn idle_deadline(&self, now: Timestamp, credential: &Credential) -> Timestamp {
        self.lifetimes.idle_deadline(now, credential.absolute_deadline()).max(credential.idle_deadline())
    }

    async fn create(&self, op: OpCtx, carriage: Carriage, intent: &Intent) -> Result<Committed, Error> {
        let absolute = self.lifetimes.absolute_deadline(op.now);
        let credential = Credential::issue(op.now, self.lifetimes.idle_deadline(op.now, absolute), absolute)?;
        let principal = match &intent.lifecycle {
            Lifecycle::Promote(principal) => Some(principal.clone()),
            _ => None,
        };
        let mut fields = Fields::default();
        intent.change.merge_into(&mut fields, op.op_id.field_version());
        if intent.change.max_size > 0 && fields.size() > intent.change.max_size {
            return Ok(Committed::Refused(Applied::TooLarge));
        }
        let epoch = self.epoch(op, &credential, principal.as_deref()).await?;
        let record = claims::record(&credential, op.now, principal, fields);
        let claims = Claims { credential, not_before: op.now, epoch, record };
        Ok(done(self.seal(op, carriage, credential, claims)?))
    }

    async fn epoch(&self, op: OpCtx, credential: &Credential, principal: Option<&str>) -> Result<Timestamp, Error> {
        match (&self.deny, principal) {
            (Some(deny), Some(principal)) => {
                deny.epoch(op, credential.lineage().record_key(), principal, self.lifetimes.tolerated_skew()).await
            }
            _ => Ok(Timestamp::ZERO),
        }
    }

    /// A change, and a renewal with it: the token is sealed anew in any case.
    async fn replace(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, change: &Change) -> Result<Committed, Error> {
        let mut claims = match self.admit(op, ticket).await? {
            Ok(claims) => claims,
            Err(refused) => return Ok(Committed::Refused(refused)),
        };
        let old = &ticket.credential;
        match claims.record.apply(&op, &presented(&claims), change) {
            Applied::Done { .. } => {}
            refused => return Ok(Committed::Refused(refused)),
        }
        // A new secret with every change: a client that could not be sent this token does not have the session's last state.
        let new = old.rotate(op.now, self.idle_deadline(op.now, old))?;
        Ok(done(self.seal(op, carriage, new, claims)?))
    }

    /// A fresh lineage, so that no copy of the token from before the login shares anything with it.
    async fn promote(
        &self,
        op: OpCtx,
        carriage: Carriage,
        ticket: &Ticket,
        principal: Arc<str>,
        change: &Change,
    ) -> Result<Committed, Error> {
        let mut claims = match self.admit(op, ticket).await? {
            Ok(claims) => claims,
            Err(refused) => return Ok(Committed::Refused(refused)),
        };
        let old = &ticket.credential;
        match claims.record.apply(&op, &presented(&claims), change) {
            Applied::Done { .. } => {}
            refused => return Ok(Committed::Refused(refused)),
        }
        let before = claims.record.principal.replace(principal.clone());
        let new = Credential::issue(op.now, self.idle_deadline(op.now, old), old.absolute_deadline())?;
        claims.epoch = self.epoch(op, &new, Some(&principal)).await?;
        let sealed = self.seal(op, carriage, new, claims)?;
        if let Some(deny) = &self.deny {
            deny.replace(op, key(ticket), before.as_deref(), self.until(op, old)).await?;
        }
        Ok(done(sealed))
    }

    async fn end(&self, op: OpCtx, ticket: &Ticket) -> Result<Committed, Error> {
        let claims = match claims::from_payload(ticket.credential, ticket.payload.clone()) {
            Ok(claims) => claims,
            Err(kind) => return Ok(Committed::Refused(Applied::Unreadable(kind))),
        };
        if let Some(deny) = &self.deny {
            deny.list.revoke(op, key(ticket), claims.record.principal.as_deref(), self.until(op, &ticket.credential)).await?;
        }
        Ok(Committed::Done { carrier: Carrier::Remove, ticket: None })
    }

    /// When the last token of this session expires, one that is being sealed at this moment included.
    fn until(&self, op: OpCtx, credential: &Credential) -> Timestamp {
        self.lifetimes.tombstone_until(op.now, credential.idle_deadline())
    }
}

fn key(ticket: &Ticket) -> RecordKey {
    ticket.credential.lineage().record_key()
}

/// What a record is asked with: the hash is the record's, as both are of one token.
fn presented(claims: &Claims) -> Presented {
    let credential = &claims.credential;
    Presented { secret: claims.record.secret, issued: credential.issued(), idle_deadline: credential.idle_deadline() }
}

fn done((carrier, ticket): (Carrier, Ticket)) -> Committed {
    Committed::Done { carrier, ticket: Some(ticket) }
}

impl SessionBackend for Token {
    /// [`Scope::Client`]; with a deny-list that reaches one process or host, its scope: elsewhere, ended sessions live on.
    fn scope(&self) -> Scope {
        match self.deny.as_ref().map(|deny| deny.list.scope()) {
            Some(scope) if !scope.reaches_other_hosts() => scope,
            _ => Scope::Client,
        }
    }

    fn name(&self) -> &'static str {
        "token"
    }

    fn max_text(&self) -> usize {
        self.max_token
    }

    fn name_of(&self, carriage: Carriage) -> Option<&str> {
        // All of it that follows purpose and carriage, which hold no colon.
        self.names(carriage).audience.splitn(3, ':').nth(2)
    }

    fn open(&self, carriage: Carriage, text: &[u8]) -> Opening {
        if text.len() > MAX_TEXT {
            return Opening::Malformed;
        }
        let (written, reissue) = match self.keys.open(text) {
            Opened::Claims { claims, reissue } => (claims, reissue),
            Opened::Forged => return Opening::Forged,
            Opened::UnknownKey => return Opening::UnknownKey,
            Opened::Malformed => return Opening::Malformed,
        };
        match claims::read(self.names(carriage), &written) {
            Read::Claims(claims) => {
                Opening::Authentic(Ticket { credential: claims.credential, reissue, payload: claims::payload(&claims) })
            }
            // Whatever is asked of it answers that it cannot be read; it is neither renewed nor issued again.
            Read::Newer(credential) => Opening::Authentic(Ticket { credential, reissue: false, payload: bytes::Bytes::new() }),
            Read::Foreign => Opening::Forged,
            Read::Malformed => Opening::Malformed,
        }
    }

    fn is_renewal_due(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let credential = &ticket.credential;
        let due = || self.lifetimes.is_renewal_due(now, credential.issued(), credential.idle_deadline(), credential.absolute_deadline());
        !ticket.payload.is_empty() && (ticket.reissue || due())
    }

    async fn load(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, renew: bool) -> Result<(Loaded, Carrier), Error> {
        let mut claims = match self.admit(op, ticket).await? {
            Ok(claims) => claims,
            Err(refused) => return Ok((loaded(refused), Carrier::Unchanged)),
        };
        let old = &ticket.credential;
        let presented = presented(&claims);
        let mut carrier = Carrier::Unchanged;
        if renew {
            let renewed = old.renew(op.now, self.idle_deadline(op.now, old));
            claims.record.idle_deadline = renewed.idle_deadline();
            // A session that was within a larger limit when it was sealed is still read.
            carrier = match self.seal(op, carriage, renewed, claims.clone()) {
                Ok((carrier, _)) => carrier,
                Err(error) if error.kind() == ErrorKind::TooLarge => Carrier::Unchanged,
                Err(error) => return Err(error),
            };
        }
        Ok((Loaded::judge(&claims.record, &presented, op.now), carrier))
    }

    async fn apply(&self, op: OpCtx, carriage: Carriage, ticket: &Ticket, change: &Change) -> Result<Committed, Error> {
        if change.is_empty() && change.preconditions.is_empty() && !self.is_renewal_due(ticket, op.now) {
            return Ok(Committed::Done { carrier: Carrier::Unchanged, ticket: Some(ticket.clone()) });
        }
        self.replace(op, carriage, ticket, change).await
    }

    async fn commit(&self, op: OpCtx, carriage: Carriage, ticket: Option<&Ticket>, intent: &Intent) -> Result<Committed, Error> {
        let Some(ticket) = ticket else {
            let sets = intent.change.fields.iter().any(|(_, change)| matches!(change, FieldChange::Set(_)));
            let creates = intent.lifecycle != Lifecycle::End && (sets || matches!(intent.lifecycle, Lifecycle::Promote(_)));
            return if creates {
                self.create(op, carriage, intent).await
            } else {
                Ok(Committed::Done { carrier: Carrier::Unchanged, ticket: None })
            };
        };
        match &intent.lifecycle {
            Lifecycle::Keep => SessionBackend::apply(self, op, carriage, ticket, &intent.change).await,
            Lifecycle::RenewId => self.replace(op, carriage, ticket, &intent.change).await,
            Lifecycle::Promote(principal) => self.promote(op, carriage, ticket, principal.clone(), &intent.change).await,
            Lifecycle::End => self.end(op, ticket).await,
        }
    }

    /// Only to end all sessions of a principal, and only with a deny-list.
    fn principal_index(&self) -> Option<&dyn PrincipalIndex> {
        self.deny.as_ref().map(|_| self as &dyn PrincipalIndex)
    }
}

/// A refusal, as the answer to a load.
fn loaded(refused: Applied) -> Loaded {
    match refused {
        Applied::Ended { at } => Loaded::Ended { at },
        Applied::Expired => Loaded::Expired,
        Applied::Unreadable(kind) => Loaded::Unreadable(kind),
        _ => Loaded::Missing,
    }
}
