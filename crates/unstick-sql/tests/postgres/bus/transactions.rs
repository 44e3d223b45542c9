//! Notices that are part of a transaction.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
};

use unstick_core::{
    bus::{read_plain, write_plain},
    *,
};
use unstick_sql::{
    postgres::bus::{PostgresBus, PostgresSubscription},
    sqlx::{self, AssertSqlSafe, Connection, Executor, PgConnection},
};
use unstick_testkit::require_server;

use super::{App, notice, publish};
use crate::common::postgres::SERVER;

async fn carried(events: &mut PostgresSubscription) -> Vec<u8> {
    let notice = notice(events).await;
    assert_eq!(notice.seq, None);
    notice.payload.to_vec()
}

#[tokio::test]
async fn a_commit_tells_everybody_and_a_rollback_nobody() {
    let app = App::new(require_server!(SERVER.get()).url());
    let (ann, bob) = (app.bus().await, app.bus().await);
    let (mut of_ann, mut of_bob) = (ann.subscribe().await.unwrap(), bob.subscribe().await.unwrap());
    let mut connection = app.connection().await;

    let mut transaction = connection.begin().await.unwrap();
    ann.notify_in(&mut *transaction, b"rolled back").await.unwrap();
    transaction.rollback().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    ann.notify_in(&mut *transaction, b"\x01committed\0\xff").await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    ann.notify_in(&mut *savepoint, b"in a savepoint that is rolled back").await.unwrap();
    savepoint.rollback().await.unwrap();
    publish(&bob, "before the commit").await;
    publish(&ann, "before the commit").await;
    assert_eq!(notice(&mut of_ann).await.payload, "before the commit", "nothing arrives early");
    assert_eq!(notice(&mut of_bob).await.payload, "before the commit", "nothing arrives early");
    transaction.commit().await.unwrap();
    ann.notify_in(&mut connection, b"without a transaction").await.unwrap();
    for events in [&mut of_ann, &mut of_bob] {
        assert_eq!(carried(events).await, b"\x01committed\0\xff");
        assert_eq!(carried(events).await, b"without a transaction");
    }
}

#[tokio::test]
async fn transactions_are_told_apart_and_repetitions_in_one_are_told_once() {
    let app = App::new(require_server!(SERVER.get()).url());
    let bus = app.bus().await;
    let mut events = bus.subscribe().await.unwrap();
    let (mut first, mut second) = (app.connection().await, app.connection().await);
    let (mut one, mut two) = (first.begin().await.unwrap(), second.begin().await.unwrap());
    for _ in 0..3 {
        bus.notify_in(&mut *one, b"same").await.unwrap();
    }
    bus.notify_in(&mut *one, b"one").await.unwrap();
    bus.notify_in(&mut *two, b"same").await.unwrap();
    bus.notify_in(&mut *two, b"two").await.unwrap();
    two.commit().await.unwrap();
    one.commit().await.unwrap();
    for expected in ["same", "two", "same", "one"] {
        assert_eq!(carried(&mut events).await, expected.as_bytes());
    }
}

#[tokio::test]
async fn other_drivers_send_the_statement() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let bus = app.bus().await;
    let mut events = bus.subscribe().await.unwrap();
    let statement = bus.notify_statement(b"\x02opaque").unwrap();
    assert!(!format!("{statement:?}").contains(&statement.text));
    let sql = statement.sql.replace("$1", &format!("'{}'", statement.channel)).replace("$2", &format!("'{}'", statement.text));
    server.sql("app", &sql).unwrap();
    assert_eq!(carried(&mut events).await, b"\x02opaque");
}

/// As the module's documentation says.
#[tokio::test]
async fn a_trigger_tells_of_writes_by_anybody() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let bus = app.bus().await;
    let mut events = bus.subscribe().await.unwrap();
    let (name, channel) = (&app.name, bus.channel());
    let mut connection = app.connection().await;
    let setup = format!(
        "CREATE TABLE {name}carts (id bigint PRIMARY KEY, customer bigint NOT NULL, lines text NOT NULL);
         CREATE FUNCTION {name}cart_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_notify('{channel}', 'k:shop:carts:' || OLD.id);
             PERFORM pg_notify('{channel}', 't:shop:customer:' || OLD.customer);
             RETURN NULL;
         END $$;
         CREATE TRIGGER cart_changed AFTER UPDATE OR DELETE ON {name}carts FOR EACH ROW EXECUTE FUNCTION {name}cart_changed();
         INSERT INTO {name}carts VALUES (7, 1, ''), (8, 1, '');"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(setup))).await.unwrap();
    server.sql("app", &format!("UPDATE {name}carts SET lines = 'tea'")).unwrap();
    let (cart, customer) =
        (|id: u32| Target::Key(LevelKey::from(&*format!("shop:carts:{id}"))), Target::Tag(TagKey::from("shop:customer:1")));
    for expected in [cart(7), customer, cart(8)] {
        assert_eq!(read_plain(&carried(&mut events).await), Some(expected), "the tag once: both rows are of one transaction");
    }
    for target in [cart(9), Target::All] {
        bus.notify_in(&mut connection, write_plain(&target).as_bytes()).await.unwrap();
        assert_eq!(read_plain(&carried(&mut events).await), Some(target));
    }
}

const CHILD: &str = "UNSTICK_TEST_BUS_CHILD";

/// The child: writes, and waits to be killed at the point in question.
async fn write_and_hang(app: &App, at: &str) {
    let bus = app.bus().await;
    let mut connection = app.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    bus.notify_in(&mut *transaction, at.as_bytes()).await.unwrap();
    if at == "after the commit" {
        transaction.commit().await.unwrap();
    }
    println!("\nready");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_behind_its_commit_has_told_everybody() {
    if let Ok(child) = std::env::var(CHILD) {
        let parts: Vec<_> = child.split('|').collect();
        return write_and_hang(&App { url: parts[0].into(), name: parts[1].into() }, parts[2]).await;
    }
    let app = App::new(require_server!(SERVER.get()).url());
    let bus = app.bus().await;
    let mut events = bus.subscribe().await.unwrap();
    for at in ["before the commit", "after the commit"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bus::transactions::a_process_that_is_killed_behind_its_commit_has_told_everybody", "--nocapture"])
            .env(CHILD, format!("{}|{}|{at}", app.url, app.name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"), "the child ended early");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(carried(&mut events).await, b"after the commit", "the only one");
}

#[tokio::test]
async fn a_connection_that_is_dropped_behind_its_commit_has_told_everybody() {
    let app = App::new(require_server!(SERVER.get()).url());
    let bus: PostgresBus = app.bus().await;
    let mut events = bus.subscribe().await.unwrap();
    for n in 0..20 {
        let mut connection: PgConnection = app.connection().await;
        connection.execute("BEGIN").await.unwrap();
        bus.notify_in(&mut connection, format!("{n}").as_bytes()).await.unwrap();
        connection.execute("COMMIT").await.unwrap();
        drop(connection);
        assert_eq!(carried(&mut events).await, n.to_string().as_bytes());
    }
}
