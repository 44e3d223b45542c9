//! Where values come from.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

/// What is kept.
pub(crate) type Value = Arc<[u8; 256]>;

/// A database: it counts how often it is asked, and may let its readers wait after they have read.
pub(crate) struct Source {
    loads: AtomicUsize,
    version: AtomicU8,
    gate: Semaphore,
    /// Readers that wait.
    waiting: AtomicUsize,
    answers: Answers,
}

/// When readers are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    AtOnce,
    /// All, from then on.
    WhenOpened,
    /// One by one.
    WhenLet,
}

impl Source {
    /// Answers at once, every time with a value of its own.
    pub(crate) fn ready() -> &'static Self {
        Self::leaked(Answers::AtOnce)
    }

    /// Answers when it is [opened](Self::open).
    pub(crate) fn gated() -> &'static Self {
        Self::leaked(Answers::WhenOpened)
    }

    /// Answers one reader at a time, when it is [told to](Self::answer_one).
    pub(crate) fn stepped() -> &'static Self {
        Self::leaked(Answers::WhenLet)
    }

    /// For ever, so that a loader is a pointer, and costs a hit nothing.
    fn leaked(answers: Answers) -> &'static Self {
        let (loads, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Box::leak(Box::new(Self { loads, version: AtomicU8::new(1), gate: Semaphore::new(0), waiting, answers }))
    }

    pub(crate) async fn read(&self) -> Value {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let value = Arc::new([self.version.load(Ordering::SeqCst); 256]);
        if self.answers == Answers::AtOnce {
            return value;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if let Ok(permit) = self.gate.acquire().await
            && self.answers == Answers::WhenLet
        {
            permit.forget();
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        value
    }

    /// From now on readers see another value.
    pub(crate) fn write(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Which version readers see.
    pub(crate) fn version(&self) -> u8 {
        self.version.load(Ordering::SeqCst)
    }

    /// Readers that have read, and wait to be answered.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Answers the reader that has waited longest.
    pub(crate) fn answer_one(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn open(&self) {
        self.gate.close();
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}
