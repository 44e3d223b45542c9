//! Lifeboats in the handle: served when the backend cannot be asked, changed meanwhile, merged when it is back.
//!
//! The decisions are those of [`lifeboat`](crate::lifeboat); here they meet the request.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use unstick_core::{
    Carrier, Change, ErrorKind, EventKind, FieldVersion, Fields, Lifecycle, LiveSession, OpId, Proof, SecretHash, Ticket, Timestamp,
};

use super::{Session, state::State};
use crate::{
    SessionError, Status,
    env::Env,
    lifeboat::{Fleet, MARKER, Manifest, Opened, Voyage, is_newer, is_underway, marker_of_clear},
};

/// The lifeboat of a request, if it came with one or is to leave with one; and whether the response's headers have been
/// made, so that none can leave any more.
pub(crate) struct Aboard(pub(super) Option<Box<Boat>>, pub(super) bool);

#[derive(Default)]
pub(super) struct Boat {
    /// What the request carried, as long as nobody has had to open it.
    texts: Vec<Bytes>,
    /// The request carried one, so that an end has something to take away.
    carried: bool,
    /// Only a newer release can read it: it is left alone.
    pub(super) foreign: bool,
    pub(super) manifest: Option<Manifest>,
    /// The operation that merges what was carried.
    pub(super) merge: Option<OpId>,
    /// The secret of the credential that `manifest` was sealed for.
    bound: Option<SecretHash>,
    /// Why the backend could not be asked.
    pub(super) outage: Option<SessionError>,
    /// The keys that can be read and changed meanwhile.
    pub(super) known: Vec<std::sync::Arc<str>>,
    /// The voyage of this request's own local changes.
    pub(super) voyage: Option<Voyage>,
    pub(super) send: Send,
}

/// What the response brings.
#[derive(Default)]
pub(super) enum Send {
    #[default]
    Nothing,
    Set {
        text: String,
        max_age: Duration,
    },
    Remove,
}

impl Aboard {
    pub(crate) const fn none() -> Self {
        Self(None, false)
    }

    pub(crate) fn find(env: &Env, headers: &HeaderMap) -> Self {
        let Some(fleet) = &env.lifeboat else { return Self::none() };
        let texts = fleet.texts(headers);
        if texts.is_empty() {
            return Self::none();
        }
        let foreign = texts.iter().all(|text| is_newer(text));
        Self(Some(Box::new(Boat { texts, carried: true, foreign, ..Boat::default() })), false)
    }
}

impl Boat {
    /// Opens what was carried, if nobody has: of several, the newest.
    pub(super) fn open(&mut self, fleet: &Fleet, ticket: &Ticket, now: Timestamp) {
        for text in std::mem::take(&mut self.texts) {
            let Some(Opened { manifest, merge }) = fleet.open(&text, &ticket.credential, now) else { continue };
            if self.manifest.as_ref().is_none_or(|known| known.issued < manifest.issued) {
                (self.manifest, self.merge) = (Some(manifest), Some(merge));
                self.bound = Some(ticket.credential.secret().hash());
            }
        }
    }

    /// Whether there may be local changes that the backend has not been told of.
    fn is_underway(&self) -> bool {
        let carried = self.manifest.as_ref().is_some_and(|manifest| manifest.voyage.is_some());
        self.outage.is_none() && (carried || self.texts.iter().any(|text| is_underway(text)))
    }

    /// Seals what is to be sent.
    pub(super) fn pack(&mut self, fleet: &Fleet, mut manifest: Manifest, ticket: &Ticket, now: Timestamp) -> Result<(), SessionError> {
        manifest.issued = now;
        let text = fleet.seal(&mut manifest, &ticket.credential)?;
        let max_age = manifest.expires.since(now).max(Duration::from_secs(1));
        if self.carried || !manifest.entries.is_empty() {
            self.send = Send::Set { text, max_age };
        }
        self.bound = Some(ticket.credential.secret().hash());
        self.manifest = Some(manifest);
        Ok(())
    }

    fn take_away(&mut self) {
        if self.carried || matches!(self.send, Send::Set { .. }) {
            self.send = Send::Remove;
        }
    }
}

/// Whether an error means that the backend could not be asked, rather than that it gave an answer.
pub(super) fn is_outage(error: &SessionError) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Late)
}

/// What handlers see meanwhile. Nobody is logged in by what a client carries.
pub(super) fn view(ticket: &Ticket, fields: Fields) -> LiveSession {
    let credential = &ticket.credential;
    LiveSession {
        proof: Proof::Current,
        fields,
        principal: None,
        created: Timestamp::ZERO,
        idle_deadline: credential.idle_deadline(),
        absolute_deadline: credential.absolute_deadline(),
        grace_until: None,
    }
}

impl State {
    pub(super) fn outage(&self) -> Option<&SessionError> {
        self.aboard.0.as_ref().and_then(|boat| boat.outage.as_ref())
    }

    /// Refuses keys of which nothing is known while the backend is away.
    pub(super) fn check_known(&self, key: &str) -> Result<(), SessionError> {
        let Some(boat) = &self.aboard.0 else { return Ok(()) };
        match &boat.outage {
            Some(outage) if !boat.known.iter().any(|known| **known == *key) => Err(outage.clone()),
            _ => Ok(()),
        }
    }

    /// Goes on with what is aboard; whether anything is.
    pub(super) fn board(&mut self, env: &Env, error: &SessionError) -> bool {
        let (Some(fleet), Some(ticket), Some(boat)) = (&env.lifeboat, &self.ticket, &mut self.aboard.0) else { return false };
        if !is_outage(error) {
            return false;
        }
        let now = env.now();
        boat.open(fleet, ticket, now);
        let Some(manifest) = boat.manifest.clone() else { return false };
        self.live = Some(view(ticket, manifest.fields()));
        self.status = Status::Degraded;
        boat.known = fleet.names().filter(|name| manifest.get(name).is_some()).cloned().collect();
        boat.outage = Some(error.clone());
        // The id was replaced with the load, and what is aboard must go on under the new one.
        if boat.bound != Some(ticket.credential.secret().hash())
            && let Err(error) = boat.pack(fleet, manifest, ticket, now)
        {
            self.failed = Some(error);
        }
        env.emit(EventKind::SessionDegraded, Some(ticket), error.kind().as_str());
        true
    }

    /// The session was loaded, and what the client carries may be another credential from now on.
    pub(super) fn lifeboat_follows(&mut self, env: &Env, before: Option<&Ticket>, is_new: bool) {
        let Some(fleet) = &env.lifeboat else { return };
        if let (Some(boat), Some(before)) = (&mut self.aboard.0, before)
            && boat.is_underway()
        {
            boat.open(fleet, before, env.now());
            if boat.is_underway() {
                return; // it is merged next
            }
        }
        if is_new {
            self.pack_loaded(env, fleet);
        }
    }

    /// What the request carried is for a newer release to merge: this one neither reads nor replaces it.
    pub(super) fn leave_alone(&mut self) {
        if let Some(boat) = &mut self.aboard.0 {
            (boat.foreign, boat.manifest, boat.merge) = (true, None, None);
        }
    }

    /// Sends all chosen values as they were loaded.
    pub(super) fn pack_loaded(&mut self, env: &Env, fleet: &Fleet) {
        let (Some(ticket), Some(live)) = (&self.ticket, &self.live) else { return };
        let now = env.now();
        let boat = self.aboard.0.get_or_insert_default();
        let manifest = Manifest::of(fleet.names(), &live.fields, now, fleet.expires(now));
        if live.proof == Proof::Grace {
            // Another response has brought the client its new id, and a lifeboat with that.
            boat.manifest = Some(manifest);
        } else if !boat.foreign {
            // Without randomness, which is all that can be missing, the client keeps what it has; this request is done with it.
            boat.manifest = None;
            drop(boat.pack(fleet, manifest, ticket, now));
        }
    }

    /// Takes in what the backend has confirmed.
    pub(super) fn confirm(&mut self, env: &Env, fleet: &Fleet, done: &super::afloat::Done<'_>) {
        if *done.lifecycle == Lifecycle::End {
            if let Some(boat) = &mut self.aboard.0 {
                boat.take_away();
            }
            return;
        }
        let Some(after) = done.after else { return };
        let replaced = matches!(done.carrier, Carrier::Set { .. });
        let in_grace = self.live.as_ref().is_some_and(|live| live.proof == Proof::Grace);
        if !(replaced || fleet.touches(done.change) && !in_grace) {
            return;
        }
        let now = env.now();
        let boat = self.aboard.0.get_or_insert_default();
        if boat.foreign {
            return;
        }
        let same = done.before.filter(|before| before.credential.lineage() == after.credential.lineage());
        let mut manifest = match (same, &self.live) {
            (None, _) => Manifest::of(fleet.names(), &Fields::default(), now, fleet.expires(now)),
            (Some(_), Some(live)) => Manifest::of(fleet.names(), &live.fields, now, fleet.expires(now)),
            (Some(before), None) => {
                boat.open(fleet, before, now);
                let carried = boat.manifest.take().map(|manifest| manifest.entries).unwrap_or_default();
                let entries = carried.into_iter().filter(|entry| fleet.is_chosen(&entry.name)).collect();
                Manifest { entries, ..Manifest::unknown(now, fleet.expires(now)) }
            }
        };
        manifest.confirm(done.change, done.version, |name| fleet.is_chosen(name));
        drop(boat.pack(fleet, manifest, after, now)); // as above
    }

    /// A logout that the backend could not be told: the client forgets all the same.
    pub(super) fn abandon(&mut self) {
        if self.presented {
            self.carrier = Carrier::Remove;
        }
        if let Some(boat) = &mut self.aboard.0 {
            boat.take_away();
        }
    }

    /// The line of the response.
    pub(super) fn lifeboat_line(&mut self, env: &Env) -> Option<HeaderValue> {
        self.aboard.1 = true;
        let (fleet, boat) = (env.lifeboat.as_ref()?, self.aboard.0.as_mut()?);
        match std::mem::take(&mut boat.send) {
            Send::Nothing => None,
            Send::Set { text, max_age } => fleet.line(&env.cookie, &text, max_age),
            Send::Remove => fleet.removal(&env.cookie),
        }
    }

    /// Whether local changes came along that a load would merge.
    pub(super) fn is_underway(&self) -> bool {
        self.aboard.0.as_ref().is_some_and(|boat| self.ticket.is_some() && self.failed.is_none() && boat.is_underway())
    }
}

impl Session {
    /// An update was placed under the engine's own lock.
    pub(super) fn lifeboat_confirms(&self, change: &Change, version: FieldVersion) {
        let env = &self.shared().env;
        let Some(fleet) = &env.lifeboat else { return };
        let mut state = self.state();
        let Some(ticket) = state.ticket.clone() else { return };
        let done = super::afloat::Done {
            before: Some(&ticket),
            after: Some(&ticket),
            carrier: &Carrier::Unchanged,
            lifecycle: &Lifecycle::Keep,
            change,
            version,
        };
        state.confirm(env, fleet, &done);
    }
}

/// Whether sessions have lifeboats at all.
pub(super) fn has_lifeboats(env: &Env) -> bool {
    env.lifeboat.is_some()
}

/// Lets a `clear` leave what must outlive it: that nothing from before it is merged.
pub(super) fn mark_clear(env: &Env, change: &mut Change) {
    if change.clear && env.lifeboat.is_some() {
        change.put(MARKER.into(), marker_of_clear(env.now()));
    }
}

/// Whether the application may not use a session key of this name.
pub(super) fn is_reserved(env: &Env, key: &str) -> bool {
    env.lifeboat.is_some() && is_ours(key)
}

/// Whether a stored field is ours and none of the application's.
pub(crate) fn is_ours(key: &str) -> bool {
    key == MARKER
}

/// Says nothing of what is aboard.
impl fmt::Debug for Aboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aboard({})", self.0.is_some())
    }
}
