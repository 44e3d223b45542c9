//! What a client keeps.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use unstick_core::Runtime;

/// More than any server looks at: a client that has so many bypasses the cache.
const MOST: usize = 65;
/// Of name and text.
const LONGEST: usize = 2200;
/// As browsers do.
const MAX_AGE: u64 = 400 * 24 * 3600;

#[derive(Debug)]
pub(super) struct Slots {
    pub(super) header: HeaderName,
    pub(super) runtime: Runtime,
    kept: Mutex<Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    /// Name, `=`, text.
    pair: HeaderValue,
    until: Duration,
}

impl Slots {
    pub(super) fn new(header: HeaderName, runtime: Runtime) -> Self {
        Self { header, runtime, kept: Mutex::default() }
    }

    pub(super) fn attach(&self, headers: &mut HeaderMap) {
        let now = self.runtime.monotonic();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|slot| slot.until > now);
        if kept.is_empty() {
            // so that the server knows how to answer
            headers.insert(&self.header, HeaderValue::from_static("new"));
        }
        for slot in &*kept {
            headers.append(&self.header, slot.pair.clone());
        }
    }

    pub(super) fn receive(&self, headers: &HeaderMap) {
        for value in headers.get_all(&self.header) {
            for line in value.as_bytes().split(|byte| *byte == b',') {
                self.take(line);
            }
        }
    }

    fn take(&self, line: &[u8]) -> Option<()> {
        let mut parts = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let pair = parts.next()?;
        let seconds = parts.find_map(|part| std::str::from_utf8(part.strip_prefix(b"max-age=")?).ok()?.parse::<u64>().ok())?;
        let name = &pair[..=pair.iter().position(|byte| *byte == b'=')?];
        if pair.len() > LONGEST {
            return None;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|slot| !slot.pair.as_bytes().starts_with(name));
        if seconds > 0 {
            let until = self.runtime.monotonic() + Duration::from_secs(seconds.min(MAX_AGE));
            if kept.len() >= MOST {
                // Not kept. The others stay as long as it would have: so many of them make the server bypass the cache.
                kept.iter_mut().for_each(|slot| slot.until = slot.until.max(until));
            } else {
                kept.push(Slot { pair: HeaderValue::from_bytes(pair).ok()?, until });
            }
        }
        Some(())
    }
}
