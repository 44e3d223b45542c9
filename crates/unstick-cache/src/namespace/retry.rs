//! Invalidations that the level or the bus has not confirmed: repeated until they are. Bounded; what is too much for that
//! becomes one invalidation of everything.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::select;
use tokio::sync::{Notify, watch};
use unstick_core::{EventKind, PendingGuard, Target};

use super::{
    invalidate::publish,
    shared::{Shared, op_of},
};
use crate::{
    distrust::Unheard,
    mark::{MarkId, Print},
    notice::Message,
    stats::count,
    sync::Mutex,
};

const MOST: usize = 4096;
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: MarkId,
    pub(crate) targets: Arc<[Target]>,
    pub(crate) needs_level: bool,
    pub(crate) needs_bus: bool,
    /// Of this node's own: a notice of another node is repeated by all that heard it.
    pub(crate) _own: Option<PendingGuard>,
}

#[derive(Debug, Default)]
pub(crate) struct Retries {
    jobs: Mutex<VecDeque<Job>>,
    come: Arc<Notify>,
}

impl Retries {
    pub(crate) fn push(&self, shared: &Shared, job: Job) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() >= MOST {
            jobs.clear();
            let everything = Job {
                id: shared.next_id(),
                targets: [Target::All].into(),
                needs_level: shared.level.is_some(),
                needs_bus: true,
                _own: Some(shared.pending.enter()),
            };
            shared.invalidate_here(Print::All, Some(Unheard::New(op_of(everything.id))));
            jobs.push_back(everything);
            drop(jobs);
            count(&shared.counters.overflows);
            shared.events.emit(EventKind::CacheOverflow, None, "");
        } else {
            jobs.push_back(job);
            drop(jobs);
        }
        self.come.notify_one();
    }

    fn take(&self) -> Vec<Job> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// Repeats until everything is confirmed, again and again, as long as the namespace lives.
pub(crate) async fn run(shared: Weak<Shared>, alive: watch::Receiver<()>) {
    let mut gone = alive.clone();
    _ = select(std::pin::pin!(repeat(shared)), std::pin::pin!(gone.changed())).await;
}

async fn repeat(weak: Weak<Shared>) {
    let mut pause = PAUSES.0;
    loop {
        let Some((come, runtime)) = weak.upgrade().map(|shared| (shared.retries.come.clone(), shared.runtime.clone())) else { return };
        come.notified().await;
        runtime.sleep(pause).await;
        let Some(shared) = weak.upgrade() else { return };
        let (mut left, mut bus_answers) = (false, true);
        for job in shared.retries.take() {
            let job = attempt(&shared, job, &mut bus_answers).await;
            if job.needs_level || job.needs_bus {
                left = true;
                shared.retries.push(&shared, job);
            }
        }
        pause = if left { (pause * 2).min(PAUSES.1) } else { PAUSES.0 };
    }
}

/// A bus that has not answered in this round is not asked again in it: others wait for the level.
async fn attempt(shared: &Shared, mut job: Job, bus_answers: &mut bool) -> Job {
    if let Some(side) = &shared.level
        && job.needs_level
        && side.invalidate(op_of(job.id), &job.targets).await
    {
        job.needs_level = false;
        for target in &*job.targets {
            shared.confirmed(Print::of(target), op_of(job.id));
        }
    }
    if job.needs_bus && *bus_answers {
        let (namespace, targets) = (shared.hash, job.targets.clone());
        let message = Message::Invalidated { namespace, id: job.id, targets, level_pending: job.needs_level };
        *bus_answers = publish(shared, &message).await;
        job.needs_bus = !*bus_answers;
    }
    job
}
