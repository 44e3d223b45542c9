use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};

use super::{Call, Record};

/// When calls start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLoop {
    /// The time between two starts. Default: 10 ms.
    pub period: Duration,
    /// The most calls under way. Default: 2000.
    pub in_flight: usize,
    /// The most calls in all; the load ends by itself there. Default: 100 000.
    pub total: usize,
}

impl Default for OpenLoop {
    fn default() -> Self {
        Self { period: Duration::from_millis(10), in_flight: 2000, total: 100_000 }
    }
}

/// A load that is going on, on the runtime that it was started on. It ends when it is dropped.
#[derive(Debug)]
pub struct Load<E> {
    begin: Instant,
    record: Arc<Mutex<Record<E>>>,
    stop: watch::Sender<bool>,
    starter: JoinHandle<()>,
}

impl<E: Clone + Send + 'static> Load<E> {
    /// Starts calling. `call` is given the number of the call, from 0; it should bound its own time, or the call is counted as unanswered.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer.
    #[must_use]
    pub fn start<F>(schedule: OpenLoop, call: impl FnMut(usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let begin = Instant::now();
        let record = Arc::new(Mutex::new(Record { calls: Vec::new(), left_out: 0, length: Duration::ZERO }));
        let (stop, stopped) = watch::channel(false);
        let starter = tokio::spawn(run(schedule, call, begin, Arc::clone(&record), stopped));
        Self { begin, record, stop, starter }
    }

    /// The time since the load began: the instant of a fault, for [`Fault`](super::Fault).
    #[must_use]
    pub fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// What there is so far.
    #[must_use]
    pub fn so_far(&self) -> Record<E> {
        let mut record = lock(&self.record).clone();
        record.length = self.now();
        record
    }

    /// Waits until as many calls as named have succeeded that were started from now on; `false` when `patience` was over first.
    pub async fn await_successes(&self, count: usize, patience: Duration) -> bool {
        let from = self.now();
        let has_them = async {
            let mut tick = interval(Duration::from_millis(5));
            while lock(&self.record).calls.iter().rev().take_while(|call| call.start >= from).filter(|call| call.succeeded()).count()
                < count
            {
                tick.tick().await;
            }
        };
        tokio::time::timeout(patience, has_them).await.is_ok()
    }

    /// Starts no more calls, gives those under way up to `patience` to be answered, and answers the record.
    pub async fn finish(mut self, patience: Duration) -> Record<E> {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(patience, &mut self.starter).await;
        self.so_far()
    }

    /// Waits until all calls were started and answered, and answers the record.
    pub async fn join(mut self) -> Record<E> {
        let _ = (&mut self.starter).await;
        self.so_far()
    }
}

impl<E> Drop for Load<E> {
    fn drop(&mut self) {
        self.starter.abort();
    }
}

async fn run<F, E: Clone + Send + 'static>(
    schedule: OpenLoop,
    mut call: impl FnMut(usize) -> F,
    begin: Instant,
    record: Arc<Mutex<Record<E>>>,
    mut stopped: watch::Receiver<bool>,
) where
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    let mut tick = interval(schedule.period);
    // Late is late: calls that were due meanwhile start at once, as requests of independent clients would.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    let mut started = 0;
    while started < schedule.total {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = tick.tick() => {}
        }
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= schedule.in_flight {
            lock(&record).left_out += 1;
            continue;
        }
        let answer = call(started);
        lock(&record).calls.push(Call { start: begin.elapsed(), end: None });
        let (record, n) = (Arc::clone(&record), started);
        under_way.spawn(async move {
            let outcome = answer.await;
            let end = begin.elapsed();
            lock(&record).calls[n].end = Some((end, outcome));
        });
        started += 1;
    }
    while under_way.join_next().await.is_some() {}
}

fn lock<E>(record: &Mutex<Record<E>>) -> MutexGuard<'_, Record<E>> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
