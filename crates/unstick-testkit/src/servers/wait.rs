//! Waiting for a condition, with a bound.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a server may take for anything before the test gives up: generous, since machines are busy when they test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks every 20 ms until there is an answer; `None` when there was none within `patience`.
///
/// For conditions on servers, where nothing can be awaited. Blocks the thread: in asynchronous tests use `spawn_blocking`.
///
/// ```
/// use std::time::{Duration, Instant};
/// use unstick_testkit::servers::poll;
///
/// let begin = Instant::now();
/// let waited = poll(Duration::from_secs(5), || Some(begin.elapsed()).filter(|waited| waited.as_millis() >= 30));
/// assert!(waited >= Some(Duration::from_millis(30)));
/// assert_eq!(poll(Duration::from_millis(30), || None::<()>), None);
/// ```
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
