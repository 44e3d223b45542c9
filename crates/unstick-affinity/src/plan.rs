//! Which lines a response gets.

use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use unstick_core::HeaderBudget;

use crate::{
    decide::{Carried, Origin, Own, SeenPin, is_set_by_handler},
    form::{self, Deletion},
    judge::{self, Telling, Verdict},
    marker::{self, Entry, Key, Marker, Run, State},
    percent::BUCKET,
    tally::Row,
};

/// Lines per response.
pub(crate) const MAX_LINES: usize = 8;
/// Bytes of these lines.
pub(crate) const MAX_BYTES: usize = 1024;
/// Room for deletions that the marker leaves: without one it would have nothing to remember.
const FOR_DELETIONS: usize = 128;

const ATTRIBUTES: &str = "; HttpOnly; SameSite=Lax";
/// Seconds that a client remembers what it was told.
const REMEMBERED: u32 = 15 * 60;
/// Seconds until everything is tried anew with a client for which nothing worked.
const GIVEN_UP: u32 = 6 * 60 * 60;
/// Seconds that a client keeps its bucket: 180 days.
const BUCKET_KEPT: u32 = 180 * 24 * 60 * 60;

/// What is known when the response is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) own: &'a [Own],
    pub(crate) rows: &'a [Row],
    pub(crate) carried: &'a Carried,
    pub(crate) host: Option<&'a str>,
    /// What a proxy says that the browser asked, if that is another host.
    pub(crate) outer: Option<&'a str>,
    pub(crate) path: &'a str,
    /// What the client's run becomes, if it is watched.
    pub(crate) run: Option<Run>,
    /// The bucket that the client must be told.
    pub(crate) bucket: Option<u8>,
}

/// What to do with a response.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In their order.
    pub(crate) lines: Vec<HeaderValue>,
    /// Rows that a line tells of.
    pub(crate) told: Vec<usize>,
    /// Rows that a likely form had no room of.
    pub(crate) dropped: Vec<usize>,
    /// What became of pins since the last response.
    pub(crate) verdicts: Vec<(usize, Verdict)>,
    /// The client will remember its run.
    pub(crate) is_run_told: bool,
}

/// What one cookie needs.
struct Wish<'a> {
    row: usize,
    likely: std::vec::IntoIter<Deletion<'a>>,
    further: std::vec::IntoIter<Deletion<'a>>,
    /// For a cookie that the request carried.
    telling: Option<(Telling, Key, u16)>,
    is_told: bool,
    sent: u8,
}

/// The room for lines: ours, and what all layers share.
struct Room<'a> {
    lines: usize,
    bytes: usize,
    shared: &'a mut HeaderBudget,
}

impl Room<'_> {
    fn take(&mut self, line: &HeaderValue) -> bool {
        let bytes = HeaderBudget::line(SET_COOKIE.as_str().len(), line.len());
        let has_room = self.lines > 0 && self.bytes >= bytes && self.shared.take(bytes);
        if has_room {
            self.lines -= 1;
            self.bytes -= bytes;
        }
        has_room
    }
}

/// Lines for a response that may have them. The likeliest form of every cookie comes before the second of any, configured cookies before
/// seen ones, likely forms before further ones; the bucket and the marker come last, and have their room kept while there is any.
pub(crate) fn plan(case: Case<'_>, response: &HeaderMap, shared: &mut HeaderBudget) -> Plan {
    let mut plan = Plan::default();
    let mut wishes = wishes(case, response);
    let is_marker_ours = !is_set_by_handler(response, marker::NAME);
    let before = case.carried.marker.as_ref();
    let unseen = absent(case, &mut plan.verdicts);
    let seen = case.carried.pins.iter();
    plan.verdicts.extend(seen.map(|pin| {
        let entry = before.and_then(|marker| marker.entry(key(case.rows, pin)));
        (pin.row, judge::present(entry, matches!(pin.origin, Origin::Configured(_))))
    }));

    let bucket =
        case.bucket.filter(|_| !is_set_by_handler(response, BUCKET)).and_then(|bucket| line(BUCKET, &bucket.to_string(), BUCKET_KEPT));
    let told = wishes.iter().filter(|wish| wish.telling.is_some()).count();
    let entries = told + before.map_or(0, |marker| marker.entries.len());
    let is_marked = is_marker_ours && (entries > 0 || case.run.is_some() || case.carried.has_marker);
    let longest = marker_line(&"0".repeat(Marker::length(entries, case.run.is_some())), GIVEN_UP);
    let reserved = [longest.filter(|_| is_marked), bucket.clone()];
    let reserved = reserved.iter().flatten().map(|line| HeaderBudget::line(SET_COOKIE.as_str().len(), line.len()));
    let (count, bytes) = reserved.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
    let kept = if bytes + FOR_DELETIONS <= shared.left() { bytes } else { 0 };

    let left = shared.left();
    let mut room = Room { lines: MAX_LINES - count, bytes: MAX_BYTES.min(left) - kept, shared };
    delete(&mut wishes, &mut room, &mut plan);

    room.lines += count;
    room.bytes += kept;
    plan.lines.extend(bucket.filter(|line| room.take(line)));
    let after = Marker { run: case.run, entries: remembered(case, &wishes, unseen) };
    let is_news = case.run.is_some() || after.is_empty() || before.is_none_or(|before| *before != after);
    if is_marked && is_news && (case.carried.has_marker || !after.is_empty()) {
        let gave_up = after.entries.iter().any(|entry| entry.state == State::Stopped);
        let seconds = if after.is_empty() {
            0
        } else if gave_up {
            GIVEN_UP
        } else {
            REMEMBERED
        };
        let value = if after.is_empty() { String::new() } else { after.value() };
        let line = marker_line(&value, seconds).filter(|line| room.take(line));
        plan.is_run_told = line.is_some() && case.run.is_some();
        plan.lines.extend(line);
    }
    plan
}

fn marker_line(value: &str, seconds: u32) -> Option<HeaderValue> {
    line(marker::NAME, value, seconds)
}

fn line(name: &str, value: &str, seconds: u32) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{name}={value}; Path=/; Max-Age={seconds}{ATTRIBUTES}")).ok()
}

fn key(rows: &[Row], pin: &SeenPin) -> Key {
    Key::new(rows.get(pin.row).map_or("", |row| &row.label), &pin.name)
}

fn wishes<'a>(case: Case<'a>, response: &HeaderMap) -> Vec<Wish<'a>> {
    let pin_of = |index| case.carried.pins.iter().find(|pin| pin.origin == Origin::Configured(index));
    let own = case.own.iter().enumerate().filter(|(_, own)| !own.is_theirs()).map(|(index, own)| {
        let likely = form::configured(&own.pin, case.host);
        (own.row, own.pin.name.as_str(), likely, pin_of(index), true)
    });
    let found = case.carried.pins.iter().filter_map(|pin| match pin.origin {
        Origin::Catalogue(cookie) if cookie.is_deleted_when_seen => {
            Some((pin.row, pin.name.as_str(), form::catalogued(&pin.name, cookie, case.host), Some(pin), false))
        }
        _ => None,
    });
    let theirs = |name: &str| is_set_by_handler(response, name);
    own.chain(found)
        .filter(|(_, name, ..)| !theirs(name))
        .map(|(row, _, likely, pin, is_always)| {
            let Some(pin) = pin else {
                return Wish { row, likely: likely.into_iter(), further: Vec::new().into_iter(), telling: None, is_told: false, sent: 0 };
            };
            let key = key(case.rows, pin);
            let entry = case.carried.marker.as_ref().and_then(|marker| marker.entry(key));
            // Needed only for a client that was told before.
            let further = entry.map_or_else(Vec::new, |_| form::further(&likely, [case.host, case.outer], case.path));
            let telling = judge::telling(entry, further.len());
            let here = if pin.has_any_path { marker::place(case.path) } else { 0 };
            let place = judge::seen_at(entry.map(|entry| entry.place), here);
            let further: Vec<_> = further.into_iter().skip(telling.from.into()).take(telling.limit.into()).collect();
            let likely = if is_always || telling.likely { likely } else { Vec::new() };
            Wish {
                row,
                likely: likely.into_iter(),
                further: further.into_iter(),
                telling: Some((telling, key, place)),
                is_told: false,
                sent: 0,
            }
        })
        .collect()
}

/// One form of every cookie after another, while there is room.
fn delete(wishes: &mut [Wish<'_>], room: &mut Room<'_>, plan: &mut Plan) {
    let value = |deletion: Deletion<'_>| HeaderValue::try_from(deletion.line()).ok();
    let mut is_any = true;
    while std::mem::take(&mut is_any) {
        for wish in &mut *wishes {
            let Some(line) = wish.likely.next() else { continue };
            is_any = true;
            if let Some(line) = value(line).filter(|line| room.take(line)) {
                plan.lines.push(line);
                wish.is_told = true;
                note(&mut plan.told, wish.row);
            } else {
                note(&mut plan.dropped, wish.row);
            }
        }
    }
    is_any = true;
    while std::mem::take(&mut is_any) {
        for wish in &mut *wishes {
            // The first without room ends its cookie's turn: the next response goes on with it.
            let line = wish.further.next().and_then(value).filter(|line| room.take(line));
            if let Some(line) = line {
                is_any = true;
                plan.lines.push(line);
                wish.is_told = true;
                wish.sent = wish.sent.saturating_add(1);
                note(&mut plan.told, wish.row);
            } else {
                wish.further = Vec::new().into_iter();
            }
        }
    }
}

fn note(rows: &mut Vec<usize>, row: usize) {
    if !rows.contains(&row) {
        rows.push(row);
    }
}

/// What the marker says about pins that the request does not carry. Pins of rows that this node does not know are forgotten.
fn absent(case: Case<'_>, verdicts: &mut Vec<(usize, Verdict)>) -> Vec<Entry> {
    let here = marker::place(case.path);
    let entries = case.carried.marker.iter().flat_map(|marker| &marker.entries);
    let unseen = entries.filter(|entry| !case.carried.pins.iter().any(|pin| key(case.rows, pin) == entry.key));
    let known = unseen.filter_map(|entry| {
        let row = case.rows.iter().position(|row| Key::new(&row.label, "").label == entry.key.label)?;
        Some((row, entry))
    });
    known
        .map(|(row, entry)| match judge::absent(entry, here) {
            Some(verdict) => {
                verdicts.push((row, verdict));
                Entry { state: State::Gone, ..*entry }
            }
            None => *entry,
        })
        .collect()
}

/// The marker's next entries, those of pins at hand first.
fn remembered(case: Case<'_>, wishes: &[Wish<'_>], unseen: Vec<Entry>) -> Vec<Entry> {
    let before = |key| case.carried.marker.as_ref().and_then(|marker| marker.entry(key)).copied();
    let at_hand = case.carried.pins.iter().filter_map(|pin| {
        let key = key(case.rows, pin);
        let wish = wishes.iter().find_map(|wish| wish.telling.filter(|(_, known, _)| *known == key).map(|told| (wish, told)));
        match wish {
            Some((wish, (telling, _, place))) if wish.is_told || telling.state == State::Stopped => {
                Some(judge::next(key, telling, wish.sent, place))
            }
            // Nothing was told: it is the handler's now, or there was no room.
            _ => before(key),
        }
    });
    let mut entries: Vec<Entry> = at_hand.chain(unseen).collect();
    entries.truncate(marker::MAX_ENTRIES);
    entries
}

#[cfg(test)]
mod tests;
