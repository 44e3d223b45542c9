//! Callers with little time at a server whose connections take longer to open than that: openings are carried on without them,
//! so that there are connections before long.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use unstick_core::*;
use unstick_testkit::servers::{Mode, Proxy};

use crate::common::{Session, op};

/// Time of an operation: enough for one statement that is prepared first, not for opening a connection before.
const BRIEF: Duration = Duration::from_secs(1);

/// Each way. Opening takes three trips at least, after which a statement takes two.
const DELAY: Duration = Duration::from_millis(130);

const CALLERS: usize = 12;

/// How often all callers ask before they must have been answered.
const ROUNDS: usize = 30;

fn brief() -> OpCtx {
    let op = op();
    OpCtx { deadline: op.now + BRIEF, ..op }
}

/// The store opens connections through the proxy, and none in advance.
pub(crate) async fn callers_with_little_time_get_connections<S: Store + 'static>(proxy: &Proxy, store: S) {
    let store = Arc::new(store);
    let session = Session::create(&*store).await;
    proxy.set(Mode::delay(DELAY));
    for broken in ["slow", "slow, and all connections broke"] {
        let mut answered = 0;
        for _ in 0..ROUNDS {
            let mut callers = JoinSet::new();
            for _ in 0..CALLERS {
                let store = Arc::clone(&store);
                callers.spawn(async move { store.load(brief(), session.key, session.presented, None).await });
            }
            answered = 0;
            while let Some(answer) = callers.join_next().await {
                match answer.unwrap() {
                    Ok(loaded) => answered += usize::from(matches!(loaded, Loaded::Live(_))),
                    Err(error) => assert!(error.is_backend(), "{error}"),
                }
            }
            if answered == CALLERS {
                break;
            }
        }
        assert_eq!(answered, CALLERS, "{broken}: there are not enough connections after {ROUNDS} rounds of {BRIEF:?}");
        proxy.cut();
    }
    proxy.set(Mode::Pass);
}
