//! What a request knows of its session and wants done to it: plain data behind the handle's lock.

use bytes::Bytes;
use unstick_core::{Applied, Carrier, Change, ErrorKind, FieldChange, Fields, Intent, Lifecycle, LiveSession, OpId, Ticket};

use super::{Aboard, buffer::Buffer, turn::Trip};
use crate::{SessionError, Status, commit::Outcome};

pub(super) struct State {
    pub(super) ticket: Option<Ticket>,
    pub(super) status: Status,
    /// The request carried something under our name, so that an end has something to take away.
    pub(super) presented: bool,
    pub(super) live: Option<LiveSession>,
    /// This request has met the session alive, or made it.
    pub(super) seen_live: bool,
    pub(super) failed: Option<SessionError>,
    /// The id was replaced so recently that the client may have its replacement by now: a new session must not displace it.
    pub(super) stale: bool,
    pub(super) lifecycle: Lifecycle,
    pub(super) change: Buffer,
    pub(super) pending_size: usize,
    pub(super) carrier: Carrier,
    pub(super) touched: bool,
    pub(super) closed: bool,
    pub(super) ended: bool,
    pub(super) trip: Trip,
    /// The buffer was cleared while a copy of it was under way.
    pub(super) cleared_again: bool,
    /// How many saves have failed, and the last one's error, for those who waited to save the same.
    pub(super) failed_saves: (u32, Option<SessionError>),
    pub(super) aboard: Aboard,
}

/// What is left to do when the handler has answered.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Nothing, and nothing to add to the answer.
    Untouched,
    /// Nothing but what the answer needs.
    Nothing,
    /// Only the idle deadline is to be extended; failing that is no failure of the request.
    Renew(Ticket),
    /// The buffered intent is to be committed.
    Commit { ticket: Option<Ticket>, intent: Intent, seen_live: bool },
    /// It cannot be: the session could not be read before.
    Fail(SessionError),
}

/// What the response gets.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) carrier: Carrier,
    pub(crate) touched: bool,
    /// The line of the lifeboat.
    pub(crate) lifeboat: Option<http::HeaderValue>,
}

impl State {
    #[inline]
    pub(super) fn new(ticket: Option<Ticket>, status: Status, presented: bool, aboard: Aboard) -> Self {
        Self {
            ticket,
            status,
            presented,
            live: None,
            seen_live: false,
            failed: None,
            stale: false,
            lifecycle: Lifecycle::Keep,
            change: Buffer::default(),
            pending_size: 0,
            carrier: Carrier::Unchanged,
            touched: false,
            closed: false,
            ended: false,
            trip: Trip::None,
            cleared_again: false,
            failed_saves: (0, None),
            aboard,
        }
    }

    /// What was loaded. A load whose merge was dropped under way is to be made again: what it brought is not what the client has.
    pub(super) fn loaded(&self) -> Option<&LiveSession> {
        self.live.as_ref().filter(|_| !self.is_underway())
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.change.is_empty() || self.lifecycle != Lifecycle::Keep
    }

    /// The value as this request sees it, if that is known without loading.
    pub(super) fn peek(&self, key: &str) -> Option<Option<Bytes>> {
        match self.change.get(key) {
            Some(FieldChange::Set(value)) => return Some(Some(value.clone())),
            Some(FieldChange::Remove) => return Some(None),
            None if self.change.clear => return Some(None),
            None => {}
        }
        match (self.loaded(), &self.ticket) {
            (Some(_), _) if self.check_known(key).is_err() => None,
            (Some(live), _) => Some(live.fields.get(key).map(|field| field.value.clone())),
            (None, None) => Some(None),
            (None, Some(_)) => None,
        }
    }

    pub(super) fn fields(&self) -> Fields {
        self.live.as_ref().map(|live| live.fields.clone()).unwrap_or_default()
    }

    /// Refuses changes that can no longer be saved.
    pub(super) fn writable(&self) -> Result<(), SessionError> {
        if self.closed {
            return Err(SessionError::new(ErrorKind::HeadersSent, "the response headers have left; the session can no longer be changed"));
        }
        if self.ended || self.lifecycle == Lifecycle::End {
            return Err(SessionError::new(ErrorKind::Refused, "this request has ended the session"));
        }
        Ok(())
    }

    /// Refuses what only the backend can do, when it is known to be away.
    pub(super) fn with_backend(&self) -> Result<(), SessionError> {
        self.outage().map_or(Ok(()), |outage| Err(outage.clone()))
    }

    pub(super) fn put(&mut self, key: &str, change: FieldChange, limit: usize) -> Result<(), SessionError> {
        let size = |change: Option<&FieldChange>| change.map_or(0, |change| change.len() + key.len());
        let after = self.pending_size - size(self.change.get(key)) + size(Some(&change));
        if after > limit {
            return Err(SessionError::new(
                ErrorKind::TooLarge,
                format!("the session key {key:?} would take the session over its limit of {limit} bytes"),
            ));
        }
        self.pending_size = after;
        match self.change.fields.iter_mut().find(|(name, _)| **name == *key) {
            Some((_, old)) => *old = change,
            None => self.change.fields.push((key.into(), change)),
        }
        Ok(())
    }

    /// Why what is buffered cannot be saved, if that is known without asking.
    pub(super) fn unsavable(&self) -> Option<SessionError> {
        let refused = self.stale && !matches!(self.lifecycle, Lifecycle::Promote(_));
        let stale =
            || SessionError::new(ErrorKind::Refused, "the session's id was replaced while the request was on its way; nothing was saved");
        self.failed.clone().or_else(|| refused.then(stale))
    }

    pub(super) fn discard(&mut self) -> bool {
        let lifecycle = if self.lifecycle == Lifecycle::End { Lifecycle::End } else { Lifecycle::Keep };
        let dropped = !self.change.is_empty() || self.lifecycle != lifecycle;
        self.lifecycle = lifecycle;
        self.change = Buffer::default();
        self.pending_size = 0;
        dropped
    }

    /// A copy of what is buffered: the buffer itself is kept until the outcome is known, so that nothing is lost when the
    /// caller is dropped under way, and reads in the meantime see it.
    pub(super) fn buffered(&mut self) -> Change {
        self.cleared_again = false;
        self.change.clone()
    }

    /// Takes the buffered intent out, for the last commit.
    pub(super) fn take_intent(&mut self, max_size: usize) -> Intent {
        self.pending_size = 0;
        let mut change = self.change.take();
        change.max_size = max_size;
        Intent { lifecycle: std::mem::replace(&mut self.lifecycle, Lifecycle::Keep), change }
    }

    #[inline]
    pub(super) fn plan(&mut self, max_size: usize, renewal_due: impl FnOnce(&Ticket) -> bool) -> Plan {
        if self.is_dirty() {
            self.touched = true;
            if let Some(error) = self.unsavable() {
                return Plan::Fail(error);
            }
            let ticket = self.ticket.clone();
            return Plan::Commit { ticket, intent: self.take_intent(max_size), seen_live: self.seen_live };
        }
        match &self.ticket {
            Some(ticket) if self.live.is_none() && self.failed.is_none() && renewal_due(ticket) => Plan::Renew(ticket.clone()),
            _ => Plan::Nothing,
        }
    }

    /// Takes in how a commit went. `change` is what was sent, if the handle is used any further.
    pub(super) fn settle(&mut self, outcome: Outcome, ends: bool, change: Option<&Change>) -> Result<(), SessionError> {
        if let Some(status) = outcome.status {
            self.status = status;
        }
        let (carrier, ticket) = match outcome.result {
            Ok(done) => done,
            Err(error) => {
                if let (Some(fields), Some(live)) = (outcome.conflict, &mut self.live) {
                    live.fields = fields;
                }
                return Err(error);
            }
        };
        if carrier != Carrier::Unchanged {
            self.carrier = carrier;
        }
        if ends {
            self.ended = true;
            self.live = None;
            self.discard();
            self.carrier = if self.presented { Carrier::Remove } else { Carrier::Unchanged };
        }
        self.seen_live |= ticket.is_some();
        self.stale &= ticket.is_none();
        let unknown_to_client = change.is_some() && self.closed && is_another(self.ticket.as_ref(), ticket.as_ref());
        if let Some(change) = change {
            self.saved(change, outcome.op_id, ticket.as_ref());
        }
        self.ticket = ticket;
        if unknown_to_client {
            let sentence = "the response headers have left: the change was saved, but the client was not given the session's new id";
            return Err(SessionError::new(ErrorKind::HeadersSent, sentence));
        }
        Ok(())
    }

    /// Takes out of the buffer what has been saved or refused, and leaves what was buffered meanwhile.
    pub(super) fn unbuffer(&mut self, saved: &Change) {
        self.change.clear &= !saved.clear || self.cleared_again;
        self.change.fields.retain(|delta| !saved.fields.contains(delta));
        self.pending_size = self.change.fields.iter().map(|(name, change)| name.len() + change.len()).sum();
    }

    /// Keeps the loaded fields in step with what was just saved.
    fn saved(&mut self, change: &Change, op: OpId, ticket: Option<&Ticket>) {
        let same = self.ticket.as_ref().zip(ticket).is_some_and(|(old, new)| old.credential.lineage() == new.credential.lineage());
        if !same {
            self.live = None; // another session now; read it anew when asked
        } else if let Some(live) = &mut self.live {
            change.merge_into(&mut live.fields, op.field_version());
        }
    }

    /// Takes in a refusal met by an update.
    pub(super) fn refuse(&mut self, refused: &Applied) {
        self.status = match refused {
            Applied::Ended { .. } => Status::Ended,
            Applied::Superseded { .. } => Status::Superseded,
            Applied::Expired => Status::Expired,
            Applied::Missing => Status::Lost,
            _ => self.status,
        };
    }
}

/// Whether `after` is an id that the client does not have.
fn is_another(before: Option<&Ticket>, after: Option<&Ticket>) -> bool {
    let secret = |ticket: &Ticket| ticket.credential.secret().hash();
    after.is_some_and(|after| before.is_none_or(|before| secret(before) != secret(after)))
}
