//! A bounded number of operations by a fixed number of tasks.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Tasks that send at the same time.
pub(crate) const CONCURRENT: usize = 64;

/// What is repeated. Every task has its own clone.
pub(crate) trait Operation: Clone + Send + 'static {
    /// Does it for the `at`-th time; operations with different numbers are those of different clients.
    fn run(&mut self, at: usize) -> impl Future<Output = Result<(), String>> + Send;
}

/// How long `count` operations take.
pub(crate) async fn timed<O: Operation>(operation: &O, count: usize) -> Result<Duration, String> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..CONCURRENT)
        .map(|task| {
            let mut operation = operation.clone();
            tokio::spawn(async move {
                for at in (task..count).step_by(CONCURRENT) {
                    operation.run(at).await?;
                }
                Ok::<_, String>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|error| error.to_string())??;
    }
    Ok(start.elapsed())
}
