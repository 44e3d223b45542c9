//! The background sweeper of every dialect. See [`cases::sweeper`].

mod cases;
mod common;

macro_rules! sweeper {
    ($dialect:ident, $place:expr) => {
        mod $dialect {
            #[allow(unused_imports, reason = "the place may need a server")]
            use unstick_testkit::require_server;

            #[tokio::test]
            async fn expired_rows_go_live_ones_stay() {
                crate::cases::sweeper::expired_rows_go_live_ones_stay(&$place).await;
            }

            #[tokio::test]
            async fn a_sweep_takes_no_more_than_it_may_and_spares_other_formats() {
                crate::cases::sweeper::a_sweep_takes_no_more_than_it_may_and_spares_other_formats(&$place).await;
            }

            #[tokio::test]
            async fn a_failed_sweep_is_told_and_tried_again() {
                crate::cases::sweeper::a_failed_sweep_is_told_and_tried_again(&$place).await;
            }

            #[tokio::test]
            async fn one_of_two_sweeps_until_its_lease_ends() {
                crate::cases::sweeper::one_of_two_sweeps_until_its_lease_ends(&$place).await;
            }

            #[tokio::test]
            async fn it_ends_with_the_last_store() {
                crate::cases::sweeper::it_ends_with_the_last_store(&$place).await;
            }
        }
    };
}

#[cfg(feature = "sqlite")]
sweeper!(sqlite, crate::common::sqlite::Place::new());

#[cfg(feature = "postgres")]
sweeper!(postgres, crate::common::postgres::Place::new(require_server!(crate::common::postgres::SERVER.get())));

#[cfg(feature = "mysql")]
sweeper!(mysql, crate::common::mysql::Place::new(crate::common::mysql::url!()));

#[cfg(feature = "sqlite")]
impl cases::sweeper::Place for common::sqlite::Place {
    type Store = unstick_sql::sqlite::SqliteStore;

    const MANY: &'static str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234) \
        INSERT INTO unstick_sessions (key, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied) \
        SELECT randomblob(32), 1, randomblob(16), 0, 0, i % 10, 1000, 2000, '{}', '{}' FROM n; \
        INSERT OR IGNORE INTO unstick_reservations VALUES ('ann', x'01', 5), ('ann', x'02', 9999999999999)";

    async fn swept(&self, runtime: unstick_core::Runtime, events: unstick_core::Events) -> unstick_sql::sqlite::SqliteStore {
        unstick_sql::sqlite::SqliteStore::builder(&self.address()).runtime(runtime).events(events).connect().await.unwrap()
    }

    async fn run(&self, sql: &str) {
        Self::run(self, sql).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        Self::number(self, sql).await
    }
}

#[cfg(feature = "postgres")]
impl cases::sweeper::Place for common::postgres::Place {
    type Store = unstick_sql::postgres::PostgresStore;

    const MANY: &'static str = "INSERT INTO unstick_sessions (key, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied) \
        SELECT sha256(gen_random_uuid()::text::bytea), 1, '', 0, 0, i % 10, 1000, 2000, '{}', '{}' FROM generate_series(1, 1234) AS i; \
        INSERT INTO unstick_reservations VALUES ('ann', '\\x01', 5), ('ann', '\\x02', 9999999999999) ON CONFLICT DO NOTHING";

    async fn swept(&self, runtime: unstick_core::Runtime, events: unstick_core::Events) -> unstick_sql::postgres::PostgresStore {
        self.builder().sweep_interval(std::time::Duration::from_secs(60)).runtime(runtime).events(events).connect().await.unwrap()
    }

    async fn run(&self, sql: &str) {
        Self::run(self, sql).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        Self::number(self, sql).await
    }
}

#[cfg(feature = "mysql")]
impl cases::sweeper::Place for common::mysql::Place {
    type Store = unstick_sql::mysql::MySqlStore;

    const MANY: &'static str = "INSERT INTO unstick_sessions (`key`, format, secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields, applied) \
        SELECT UNHEX(SHA2(UUID(), 256)), 1, '', 0, 0, i.n % 10, 1000, 2000, '{}', '{}' FROM \
        (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM digits AS a, digits AS b, digits AS c, digits AS e) AS i WHERE i.n < 1234; \
        INSERT IGNORE INTO unstick_reservations VALUES ('ann', X'01', 5), ('ann', X'02', 9999999999999)";

    async fn swept(&self, runtime: unstick_core::Runtime, events: unstick_core::Events) -> unstick_sql::mysql::MySqlStore {
        self.builder().sweep_interval(std::time::Duration::from_secs(60)).runtime(runtime).events(events).connect().await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 \
                      UNION SELECT 8 UNION SELECT 9)";
        Self::run(self, &sql.replace("digits", digits)).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        Self::number(self, sql).await
    }
}
