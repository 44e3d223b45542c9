//! What a request brings along.

use http::{HeaderMap, header::COOKIE};
use unstick_core::{EventKind, Timestamp, cookie};

use super::{
    plan::Slot,
    shared::{Shared, Transport},
    text::{Content, Opened, Signer, Verdict},
};

/// Longer names are not ours.
const LONGEST_NAME: usize = 64;

/// What a request brought along, judged.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Authentic and in time, of the transport that the client is answered in; those of the other are applied and left alone.
    pub(super) carried: Vec<Slot>,
    /// Authentic, and past the age limit.
    pub(super) expired: Vec<Box<str>>,
    /// The client keeps slots by headers, and is answered so.
    has_header: bool,
    pub(super) bypasses: bool,
    seen: usize,
    now: Option<Timestamp>,
}

/// Judges the request's slots, at most so many as the limit says, with one MAC each. More of them bypass the cache: that concerns
/// nobody but the client that sent them.
pub(super) fn look(shared: &Shared, headers: &HeaderMap, is_grpc: bool) -> Intake {
    let mut intake = Intake { has_header: is_grpc, ..Intake::default() };
    for value in headers.get_all(&shared.header) {
        intake.has_header = true;
        // proxies may join lines
        for slot in value.as_bytes().split(|byte| *byte == b',') {
            let text = slot.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            // a value without `=` says no more than that the client keeps slots
            if let Some(at) = text.iter().position(|byte| *byte == b'=') {
                intake.look_at(shared, &shared.headers, Transport::Headers, &text[..at], &text[at + 1..]);
            }
        }
    }
    for line in headers.get_all(COOKIE) {
        for (name, text) in cookie::with_prefix(line.as_bytes(), shared.prefix.as_bytes()) {
            intake.look_at(shared, &shared.cookies, Transport::Cookies, &name[shared.prefix.len()..], text);
        }
    }
    intake
}

impl Intake {
    pub(super) const fn transport(&self) -> Transport {
        if self.has_header { Transport::Headers } else { Transport::Cookies }
    }

    fn look_at(&mut self, shared: &Shared, signer: &Signer, from: Transport, name: &[u8], text: &[u8]) {
        if self.seen == shared.limits.slots {
            self.bypasses = true;
            return;
        }
        self.seen += 1;
        let forged = |detail| shared.events.emit_with(EventKind::CacheWritesForged, || None, detail);
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| name.len() <= LONGEST_NAME) else { return forged("malformed") };
        match signer.open(name.as_bytes(), text) {
            Verdict::Authentic(opened) => self.admit(shared, from, name, text.len(), opened),
            // what it says is not known, only that there is something
            Verdict::Newer => self.bypasses = true,
            Verdict::UnknownKey => forged("unknown key"),
            Verdict::Forged => forged("forged"),
            Verdict::Malformed => forged("malformed"),
        }
    }

    fn admit(&mut self, shared: &Shared, from: Transport, name: &str, len: usize, opened: Opened) {
        let now = *self.now.get_or_insert_with(|| shared.runtime.wall());
        if opened.issued > now + shared.skew {
            shared.events.emit(EventKind::ClockSkew, None, "a client's list of writes was issued in the future");
            self.bypasses = true;
            return;
        }
        let is_in_time = |issued: Timestamp, pending_for| now <= issued + shared.life(pending_for) + shared.skew;
        let content = match opened.content {
            Content::Bypass { pending_for } => {
                let is_in_time = is_in_time(opened.issued, pending_for);
                self.bypasses |= is_in_time;
                is_in_time.then_some(Content::Bypass { pending_for })
            }
            Content::Marks(mut marks) => {
                marks.retain(|dated| is_in_time(dated.issued, dated.pending_for));
                for dated in &marks {
                    shared.sites.iter().for_each(|site| site.apply(&dated.mark));
                }
                (!marks.is_empty()).then_some(Content::Marks(marks))
            }
        };
        if from != self.transport() {
            return;
        }
        match content {
            Some(content) => self.carried.push(Slot { name: name.into(), len, content }),
            None => self.expired.push(name.into()),
        }
    }
}
