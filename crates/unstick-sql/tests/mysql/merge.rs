//! Changes of every kind are merged by the server as the core's record merges them, whatever the session of the pool is set to.

use std::{sync::Arc, time::Duration};

use unstick_core::*;
use unstick_sql::{
    mysql::MySqlStore,
    sqlx::{
        self, AssertSqlSafe, Executor,
        mysql::{MySqlConnectOptions, MySqlPoolOptions},
    },
};

use crate::common::{
    SECOND, Session,
    mysql::{Place, url},
    op,
};

/// Names that are all removed and set in every order, which trips MariaDB's merge where several are removed by one patch.
#[tokio::test]
async fn removals_in_any_order() {
    let place = Place::new(url!());
    let store = place.store().await;
    let session = Session::create(&store).await;
    let names = ["a", "b\"", "c\\", "$.d[0]", "\u{e9}\u{1f980}", "a b", "null", "\u{2028}"];
    let mut expected = Fields::default();
    let mut seed = 7_usize;
    for step in 0..150 {
        let mut change = Change::new();
        for _ in 0..=step % names.len() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let name = names[(seed >> 33) % names.len()];
            let value = step.to_string();
            change.put(name.into(), if (seed >> 40).is_multiple_of(2) { FieldChange::Remove } else { FieldChange::Set(value.into()) });
        }
        let op = op();
        change.merge_into(&mut expected, op.op_id.field_version());
        assert!(store.apply(op, session.key, session.presented, &change).await.unwrap().is_done());
        assert_eq!(session.fields(&store).await, expected, "step {step}: {change:?}");
    }
}

#[tokio::test]
async fn more_removals_than_a_statement_takes() {
    let place = Place::new(url!());
    let store = place.store().await;
    let session = Session::create(&store).await;
    let all = (0..300).fold(Change::new(), |all, n| all.set(&format!("n{n}"), n.to_string()));
    assert!(session.apply(&store, &all).await.is_done());
    let before = session.fields(&store).await;
    let kept = before.get("n299").cloned();
    let less = (0..200).fold(Change::new().set("new", "1").remove("none"), |less, n| less.remove(&format!("n{n}")));
    let conflicting = less.clone().expect("n5", FieldVersion::ABSENT);
    assert!(matches!(session.apply(&store, &conflicting).await, Applied::Conflict(fields) if fields == before));
    let limited = Change { max_size: 5, ..less.clone() };
    assert!(session.apply(&store, &limited).await.is_done(), "over the limit, but smaller than before");
    let fields = session.fields(&store).await;
    assert_eq!((fields.len(), fields.get("n299").cloned()), (101, kept), "what stays keeps its version");
    let repeated = op();
    let less = (200..250).fold(Change::new().set("n299", "x"), |less, n| less.remove(&format!("n{n}")));
    for _ in 0..2 {
        let mut decide = |_: &Fields| Ok(less.clone());
        let answer = store.update_locked(repeated, session.key, session.presented, &mut decide).await.unwrap();
        assert!(answer.unwrap().is_done());
    }
    let (next, rotation) = session.rotation(Some(30 * SECOND), None);
    let less = (250..299).fold(Change::new(), |less, n| less.remove(&format!("n{n}")));
    let rotated = store.rotate(op(), session.key, session.presented, &rotation, &less).await.unwrap();
    assert!(matches!(rotated, Rotated::Done { rotated: true, .. }));
    let again = store.rotate(op(), session.key, session.presented, &next.rotation(Some(SECOND), None).1, &less).await.unwrap();
    assert!(matches!(again, Rotated::Done { rotated: false, .. }), "in its grace");
    assert_eq!(next.fields(&store).await.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["n299", "new"]);
    let other = Session::new();
    assert_eq!(store.apply(op(), other.key, other.presented, &all.clone().remove("x")).await.unwrap(), Applied::Missing);
    let many = (0..100).fold(Change::new(), |many, n| many.remove(&format!("n{n}")));
    assert_eq!(store.apply(op(), other.key, other.presented, &many).await.unwrap(), Applied::Missing);
}

/// The server's own merge reads the session anew for each field, and would take longer than the operation has.
#[tokio::test]
async fn ten_thousand_fields_over_as_many() {
    let place = Place::new(url!());
    let store = place.store().await;
    let session = Session::create(&store).await;
    let all = |value: &'static str| Change {
        fields: (0..10_000).map(|n| (format!("field-{n:05}").into(), FieldChange::Set(value.into()))).collect(),
        ..Change::new()
    };
    let mut expected = Fields::default();
    for change in [all("first"), Change { max_size: 1 << 20, ..all("second") }] {
        let op = op();
        change.merge_into(&mut expected, op.op_id.field_version());
        assert!(store.apply(op, session.key, session.presented, &change).await.unwrap().is_done());
    }
    assert!(session.fields(&store).await == expected, "the second of both");
    let limited = Change { max_size: 1 << 10, ..all("the longest") };
    assert_eq!(session.apply(&store, &limited).await, Applied::TooLarge);
}

/// A store whose connections are set up by `setting`.
async fn store_with(place: &Place, setting: &'static str) -> MySqlStore {
    let options: MySqlConnectOptions = place.url.parse().unwrap();
    let options = options.pipes_as_concat(false).no_engine_substitution(false).timezone(None);
    let pool = MySqlPoolOptions::new()
        .max_connections(4)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(AssertSqlSafe(setting))).await.map(drop) })
        })
        .connect_with(options)
        .await
        .unwrap();
    MySqlStore::builder("")
        .prefix(&place.prefix)
        .sweep_interval(Duration::ZERO)
        .connect_pool(pool)
        .await
        .unwrap_or_else(|error| panic!("{setting}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_users_pool_do_not_matter() {
    let url = url!();
    let maria = Place::new(url.clone()).rows("SELECT VERSION() LIKE '%MariaDB%'").await[0].get_is_one();
    let settings = [
        ("SET SESSION sql_mode = ''", true),
        (
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE,IGNORE_SPACE,ONLY_FULL_GROUP_BY,NO_UNSIGNED_SUBTRACTION'",
            true,
        ),
        ("SET SESSION sql_mode = 'ANSI'", true),
        ("SET SESSION sql_mode = 'SIMULTANEOUS_ASSIGNMENT,EMPTY_STRING_IS_NULL,TIME_ROUND_FRACTIONAL'", maria),
        ("SET SESSION sql_mode = 'ORACLE'", maria),
        ("SET SESSION time_zone = '+05:30'", true),
        ("SET SESSION time_zone = '-11:00', div_precision_increment = 0, group_concat_max_len = 4", true),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", true),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", true),
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", true),
        ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", true),
        ("SET SESSION innodb_snapshot_isolation = ON; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", maria),
    ];
    for (setting, here) in settings {
        if !here {
            continue;
        }
        let place = Place::new(url.clone());
        let store = store_with(&place, setting).await;
        everything(&Arc::new(store), setting).await;
    }
}

trait One {
    fn get_is_one(&self) -> bool;
}

impl One for sqlx::mysql::MySqlRow {
    fn get_is_one(&self) -> bool {
        sqlx::Row::get_unchecked::<i64, _>(self, 0) == 1
    }
}

/// One of each operation, and some at the same time.
async fn everything(store: &Arc<MySqlStore>, setting: &str) {
    use std::num::NonZeroU32;
    let index = store.principal_index().unwrap();
    let session = Session::create_for(&**store, Some("ann")).await;
    let (key, by) = (session.key, session.presented);
    let odd = Change::new().set("it's \"\\n", "'\"\\ %_?\u{1f980}\n".as_bytes().to_vec()).set("b", vec![0xff, 0]).set("c", "");
    assert!(session.apply(store, &odd).await.is_done(), "{setting}");
    let fields = session.fields(store).await;
    assert_eq!(fields.get("it's \"\\n").unwrap().value, "'\"\\ %_?\u{1f980}\n".as_bytes(), "{setting}");
    let renewal = Some(Renewal { idle_deadline: session.credential.idle_deadline() + SECOND, issued: op().now });
    let Loaded::Live(live) = store.load(op(), key, by, renewal).await.unwrap() else { panic!("{setting}") };
    assert_eq!(live.idle_deadline, session.credential.idle_deadline() + SECOND, "{setting}");
    let tight = Change { max_size: fields.size() + 1, ..Change::new().set("c", "1") };
    assert!(session.apply(store, &tight.clone().expect("c", fields.version("c")).expect("none", FieldVersion::ABSENT)).await.is_done());
    assert_eq!(
        session.apply(store, &Change { max_size: fields.size() + 1, ..Change::new().set("c", "12") }).await,
        Applied::TooLarge,
        "{setting}"
    );
    let (next, rotation) = session.rotation(Some(30 * SECOND), Some("bob"));
    let rotated = store.rotate(op(), key, by, &rotation, &Change::new().remove("b").remove("c").set("d", "1")).await.unwrap();
    assert!(matches!(rotated, Rotated::Done { rotated: true, .. }), "{setting}");
    let Applied::Done { proof, .. } = session.apply(store, &Change::new().set("e", "1")).await else { panic!("{setting}") };
    assert_eq!(proof, Proof::Grace, "{setting}");
    let late = store.apply(OpCtx { now: op().now - 9 * SECOND, deadline: op().now - SECOND, ..op() }, key, by, &odd).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Late, "{setting}");
    assert_eq!(index.list(op(), "bob").await.unwrap().len(), 1, "{setting}");
    assert!(index.list(op(), "bob ").await.unwrap().is_empty() && index.list(op(), "Bob").await.unwrap().is_empty(), "{setting}");

    // eight logins for three places, and eight writers of one field
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        let max = NonZeroU32::new(3).unwrap();
        tasks.spawn(async move {
            let session = Session::new();
            let until = op().now + 60 * SECOND;
            let index = store.principal_index().unwrap();
            let granted = index.reserve(op(), "carl", session.key, max, until).await.unwrap() == Reservation::Granted;
            if granted {
                let new = session.record(Some("carl"), Fields::default());
                assert_eq!(store.create(op(), session.key, &new).await.unwrap(), Created::Done);
            }
            granted
        });
    }
    let mut granted = 0;
    while let Some(one) = tasks.join_next().await {
        granted += u64::from(one.unwrap());
    }
    assert_eq!((granted, index.end_others(op(), "carl", None, SECOND).await.unwrap()), (3, 3), "{setting}");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (store, next) = (store.clone(), next);
        tasks.spawn(async move { next.apply(&*store, &Change::new().set(&format!("w{n}"), "1")).await.is_done() });
    }
    while let Some(one) = tasks.join_next().await {
        assert!(one.unwrap(), "{setting}");
    }
    assert_eq!(next.fields(store).await.iter().filter(|(name, _)| name.starts_with('w')).count(), 8, "{setting}");
    let ended = store.end(op(), key, Some(next.presented), op().now + 900 * SECOND).await.unwrap();
    assert_eq!(ended, Ended::Done { was_live: true }, "{setting}");
    assert!(matches!(next.load(store).await, Loaded::Ended { .. }), "{setting}");
    let far = op().now + 900_000 * SECOND;
    assert_eq!(store.sweep(OpCtx { now: far, deadline: far + 10 * SECOND, ..op() }, 99).await.unwrap(), 4, "{setting}");
}

#[tokio::test]
async fn what_the_server_cannot_take_is_refused_and_nothing_changed() {
    let place = Place::new(url!());
    let store = place.store().await;
    let session = Session::create(&store).await;
    let most = usize::try_from(place.number("SELECT @@max_allowed_packet").await).unwrap();
    let error = store.apply(op(), session.key, session.presented, &Change::new().set("n", vec![b'x'; most])).await.unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge && error.to_string().contains("max_allowed_packet"), "{error}");
    // each fits, both together don't
    let half = |name: &str| Change::new().set(name, vec![b'x'; most * 2 / 3]);
    let patient = |n: u32| OpCtx { deadline: op().now + n * SECOND, ..op() };
    assert!(store.apply(patient(60), session.key, session.presented, &half("a")).await.unwrap().is_done());
    let both = store.apply(patient(60), session.key, session.presented, &half("b")).await;
    let Loaded::Live(live) = store.load(patient(60), session.key, session.presented, None).await.unwrap() else { panic!("live") };
    let sizes: Vec<usize> = live.fields.iter().map(|(_, field)| field.value.len()).collect();
    match both {
        // MySQL's own limit on a document; MariaDB has none, but sends what it stored
        Err(error) => assert_eq!((error.kind(), sizes), (ErrorKind::TooLarge, vec![most * 2 / 3]), "{error}"),
        Ok(applied) => assert!(applied.is_done() && sizes == [most * 2 / 3; 2], "{sizes:?}"),
    }
}
