//! Connections of the bus: one that speaks, and one per subscription that listens.

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use unstick_core::{ConfigError, Runtime};

use super::{super::error, wire};

/// One notification; the channel and the text.
pub(super) const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// Between attempts to connect.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// How to connect, and how long to wait for it and for answers.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) options: PgConnectOptions,
    pub(super) place: String,
    pub(super) patience: Duration,
    pub(super) runtime: Runtime,
}

impl Link {
    /// The answer of `future`, or `None` when it took longer than the patience.
    pub(super) async fn bounded<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), pin!(self.runtime.sleep(self.patience))).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        }
    }

    fn answered<T>(&self, answer: Option<Result<T, sqlx::Error>>) -> Result<T, ConfigError> {
        match answer {
            Some(answer) => answer.map_err(|error| error::start_up(&self.place, &error)),
            None => Err(ConfigError::new(format!("{} did not answer within {:?}", self.place, self.patience))),
        }
    }

    /// The connection that speaks. A notice need not survive the server, whose end is a gap to everybody: so none waits for the disk.
    pub(super) async fn speak(&self) -> Result<PgConnection, ConfigError> {
        let connected = self.bounded(async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            connection.execute("SET synchronous_commit = off").await?;
            Ok(connection)
        });
        self.answered(connected.await)
    }

    /// Whether this server takes notices: a standby does not.
    pub(super) async fn try_out(&self, connection: &mut PgConnection, channel: &str, frame: &[u8]) -> Result<(), ConfigError> {
        let notify = sqlx::query(NOTIFY).bind(channel).bind(wire::text(frame));
        self.answered(self.bounded(notify.execute(connection)).await).map(drop)
    }

    /// A connection that listens to these channels. When it is lost, its listener is of no more use: the driver's own way to
    /// connect again would not tell when it did.
    pub(super) async fn listen(&self, channels: [&str; 2]) -> Result<PgListener, ConfigError> {
        let [shared, own] = channels;
        // From PostgreSQL 14 on, connections that only listen may be closed for being idle. And one that no longer answers must not
        // keep the server waiting, which holds every notification until all who listen have it.
        let listen = format!(
            "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 2; SET tcp_user_timeout = 30000; \
             SELECT set_config('idle_session_timeout', '0', false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL; \
             LISTEN \"{shared}\"; LISTEN \"{own}\""
        );
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(self.patience);
        let pool = pool.connect_lazy_with(self.options.clone());
        let connected = self.bounded(async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.execute(AssertSqlSafe(listen)).await?;
            Ok(listener)
        });
        self.answered(connected.await)
    }

    pub(super) async fn goodbye(&self, connection: PgConnection) {
        let _ = select(pin!(connection.close()), pin!(self.runtime.sleep(GOODBYE))).await;
    }
}

/// Pauses between attempts: at once, then 50 ms, doubling up to a second, each between half and all of that.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    pub(super) fn succeeded(&mut self) {
        self.0 = 0;
    }

    pub(super) fn pause(&mut self) -> Duration {
        let failed = self.0;
        self.0 = failed.saturating_add(1);
        let Some(doublings) = failed.checked_sub(1) else { return Duration::ZERO };
        let most = (SHORTEST * 2_u32.pow(doublings.min(10))).min(LONGEST);
        let mut random = [0; 1];
        // without randomness all wait the same time, which is harmless
        let _ = getrandom::fill(&mut random);
        most / 2 + most * u32::from(random[0]) / 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_start_over() {
        let mut attempts = Attempts::default();
        for _ in 0..2 {
            assert_eq!(attempts.pause(), Duration::ZERO);
            let mut most = SHORTEST;
            for _ in 0..40 {
                let pause = attempts.pause();
                assert!(pause >= most / 2 && pause <= most, "{pause:?}");
                most = (most * 2).min(LONGEST);
            }
            attempts.succeeded();
        }
    }
}
