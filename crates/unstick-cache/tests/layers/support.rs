//! What a namespace's hooks are told, and waiting for it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use unstick_cache::{Namespace, Reached};

/// Keys, `#` and tags, or `*`, in the order in which they were invalidated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(String, Reached)>>>);

impl Seen {
    pub(crate) fn by(namespace: &Namespace) -> Self {
        let seen = Self::default();
        let log = seen.clone();
        namespace.on_invalidate(move |told| {
            let what = match (told.key(), told.tag()) {
                (Some(key), _) => key.to_owned(),
                (_, Some(tag)) => format!("#{tag}"),
                _ => "*".to_owned(),
            };
            log.0.lock().unwrap().push((what, told.reached()));
        });
        seen
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(what, _)| what.clone()).collect()
    }

    pub(crate) fn reached(&self, reached: Reached) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|(_, by)| *by == reached).map(|(what, _)| what.clone()).collect()
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().map(|(what, _)| what).collect()
    }
}

/// Waits until `condition` holds, for as long as a busy machine may take.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "it has never come true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
