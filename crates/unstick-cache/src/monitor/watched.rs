//! Which keys are watched: those whose hash falls into the share, so that all nodes watch the same.

use std::{collections::HashMap, sync::PoisonError};

use unstick_core::Target;

use crate::{
    generations::{Generations, Stripe},
    mark::Print,
    sync::Mutex,
};

/// Told of every value that the cache keeps.
pub(crate) type Watch<K> = Box<dyn Fn(&K, u64, &[Stripe]) + Send + Sync>;

#[derive(Debug)]
pub(super) struct Watched<K> {
    /// Hashes below are in the share.
    below: u64,
    most: usize,
    keys: Mutex<HashMap<u64, Seen<K>>>,
}

#[derive(Debug)]
struct Seen<K> {
    key: K,
    tags: Box<[Stripe]>,
}

impl<K: Clone> Watched<K> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of all hashes")]
    pub(super) fn new(share: f64, most: usize) -> Self {
        Self { below: (share * u64::MAX as f64) as u64, most, keys: Mutex::new(HashMap::new()) }
    }

    pub(super) fn note(&self, key: &K, hash: u64, tags: &[Stripe]) {
        // the stripes use the low bits
        if hash.reverse_bits() > self.below {
            return;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() < self.most || keys.contains_key(&hash) {
            keys.insert(hash, Seen { key: key.clone(), tags: tags.into() });
        }
    }

    /// The watched keys that an invalidation reaches.
    pub(super) fn reached(&self, target: &Target, generations: &Generations) -> Vec<(u64, K)> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let all = keys.iter().map(|(hash, seen)| (*hash, seen));
        match Print::of(target) {
            Print::Key(hash) => keys.get(&hash).map(|seen| (hash, seen.key.clone())).into_iter().collect(),
            Print::Tag(hash) => {
                let tag = generations.tag(hash);
                all.filter(|(_, seen)| seen.tags.contains(&tag)).map(|(hash, seen)| (hash, seen.key.clone())).collect()
            }
            Print::All => all.map(|(hash, seen)| (hash, seen.key.clone())).collect(),
        }
    }
}
