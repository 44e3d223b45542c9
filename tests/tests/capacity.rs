//! How much room sessions take, on real servers. The guide on capacity multiplies these numbers.
//!
//! `UNSTICK_SESSIONS=100000 cargo test -p unstick-stories --test capacity -- --nocapture` prints what the guide says; without the variable
//! there are fewer sessions, and the numbers differ by what a server sets aside in advance.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use unstick::{
    sql::sqlx::{self, Connection, MySqlConnection, PgConnection},
    store::{AnyStore, from_url},
};
use unstick_core::*;
use unstick_testkit::{
    require_server,
    servers::{MariaDbServer, PostgresServer, RedisServer, slot_of},
};

/// What a shop keeps: a cart of five things, a token for forms, a language, where the visitor was last.
const VALUES: [(&str, &str); 4] = [
    (
        "cart",
        r#"[{"sku":"TEA-0100","count":2,"price":1290},{"sku":"CUP-0007","count":1,"price":1450},{"sku":"POT-0031","count":1,"price":4900},{"sku":"SPO-0002","count":6,"price":290},{"sku":"TIN-0115","count":1,"price":890}]"#,
    ),
    ("csrf", r#""4f1c0b6d9a7e4c35b0d28f6e1a3c5b7d""#),
    ("language", r#""de-AT""#),
    ("last_page", r#""/tea/black/assam?sort=price&page=2""#),
];

fn sessions() -> usize {
    std::env::var("UNSTICK_SESSIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(2000)
}

fn values() -> Fields {
    let field = |(name, value): (&str, &'static str)| {
        (name.into(), Field { version: OpId::from_u128(7).field_version(), value: bytes::Bytes::from_static(value.as_bytes()) })
    };
    VALUES.into_iter().map(field).collect()
}

fn op() -> OpCtx {
    let (now, random) = (Timestamp::system_now(), Key::generate().unwrap().derive("op"));
    let op_id = OpId::from_u128(u128::from_le_bytes(random[..16].try_into().unwrap()));
    OpCtx { now, deadline: now + Duration::from_secs(20), op_id }
}

fn new_record(credential: &Credential, principal: Option<Arc<str>>) -> NewRecord {
    NewRecord {
        secret: credential.secret().hash(),
        principal,
        created: credential.issued(),
        idle_deadline: credential.idle_deadline(),
        absolute_deadline: credential.absolute_deadline(),
        fields: values(),
    }
}

async fn begin(store: &AnyStore, principal: Option<Arc<str>>) -> Result<Credential, Error> {
    let op = op();
    let credential = Credential::issue(op.now, op.now + Duration::from_secs(3600), op.now + Duration::from_secs(14 * 24 * 3600))?;
    let created = store.create(op, credential.lineage().record_key(), &new_record(&credential, principal)).await?;
    assert_eq!(created, Created::Done);
    Ok(credential)
}

/// Begins `count` sessions, eight at a time; of principals of their own when `name` is given.
async fn fill(store: &AnyStore, count: usize, name: Option<&str>) -> Vec<Credential> {
    let principals = (0..count).map(|n| name.map(|name| Arc::from(format!("{name}-{n:012}"))));
    stream::iter(principals.map(|principal| begin(store, principal))).buffer_unordered(8).try_collect().await.unwrap()
}

async fn end(store: &AnyStore, credentials: &[Credential]) {
    let ends = credentials.iter().map(|credential| async move {
        let until = Lifetimes::new().tombstone_until(op().now, credential.idle_deadline());
        store.end(op(), credential.lineage().record_key(), Some(Presented::from(credential)), until).await
    });
    let ended: Vec<Ended> = stream::iter(ends).buffer_unordered(8).try_collect().await.unwrap();
    assert!(ended.iter().all(|ended| *ended == Ended::Done { was_live: true }));
}

/// Prints bytes for each guest's session, each logged-in one and each tombstone, and checks that they are of the right order.
async fn measure<F: Future<Output = u64>>(what: &str, url: &str, count: usize, taken: impl Fn() -> F) {
    let store = from_url(url).await.unwrap().into_store().unwrap();
    fill(&store, 16, Some("first")).await; // scripts, connections and tables are there
    let per = |before: u64, after: u64| (after.saturating_sub(before) + count as u64 / 2) / count as u64;
    let mut marks = vec![taken().await];
    let mut sessions = fill(&store, count, None).await;
    marks.push(taken().await);
    sessions.extend(fill(&store, count, Some("customer")).await);
    marks.push(taken().await);
    let before = marks[0];
    end(&store, &sessions).await;
    let (guest, customer) = (per(marks[0], marks[1]), per(marks[1], marks[2]));
    let tombstone = per(before, taken().await) / 2;
    println!("| {what} | {count} | {guest} | {customer} | {tombstone} |");
    let values = values().size() as u64;
    assert!((values..8 * values).contains(&guest), "{what}: {guest} bytes for {values} bytes of values");
    assert!((guest..16 * values).contains(&customer), "{what}: {customer} bytes with a principal, {guest} without");
    assert!(tombstone < guest, "{what}: {tombstone} bytes for a tombstone, {guest} for a session");
}

#[tokio::test]
async fn in_redis() {
    let redis = require_server!(RedisServer::start());
    let taken = || async {
        let info = redis.command(&["INFO", "memory"]).unwrap().text();
        info.lines().find_map(|line| line.trim().strip_prefix("used_memory:")?.parse().ok()).unwrap()
    };
    measure("Redis", &redis.url(), sessions(), taken).await;
}

/// On a busy machine a connection may take its time.
fn patient(url: &str) -> String {
    format!("{url}{}acquire_timeout_ms=10000", if url.contains('?') { '&' } else { '?' })
}

#[tokio::test]
async fn in_postgres() {
    let postgres = require_server!(PostgresServer::start());
    let url = postgres.url();
    let taken = || async {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query("VACUUM FULL unstick_sessions").execute(&mut connection).await.unwrap();
        let bytes = sqlx::query_scalar::<_, i64>("SELECT pg_total_relation_size('unstick_sessions')").fetch_one(&mut connection).await;
        u64::try_from(bytes.unwrap()).unwrap()
    };
    measure("PostgreSQL", &patient(&url), sessions().div_ceil(10), taken).await;
}

#[tokio::test]
async fn in_mariadb() {
    let mariadb = require_server!(MariaDbServer::start());
    let url = mariadb.url();
    let taken = || async {
        let mut connection = MySqlConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("OPTIMIZE TABLE unstick_sessions").execute(&mut connection).await.unwrap();
        let sizes = "SELECT CAST(data_length + index_length AS UNSIGNED) FROM information_schema.tables \
                     WHERE table_schema = DATABASE() AND table_name = 'unstick_sessions'";
        sqlx::query_scalar::<_, u64>(sizes).fetch_one(&mut connection).await.unwrap()
    };
    measure("MariaDB", &patient(&url), sessions().div_ceil(10), taken).await;
}

#[tokio::test]
async fn in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.sqlite");
    let url = format!("sqlite:{}", path.display());
    let taken = || async {
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
        std::fs::metadata(&path).unwrap().len()
    };
    measure("SQLite", &url, sessions().div_ceil(10), taken).await;
}

fn connections(redis: &RedisServer) -> usize {
    // What asks is a connection, too.
    redis.command(&["CLIENT", "LIST"]).unwrap().text().lines().filter(|line| !line.contains("cmd=client")).count()
}

#[tokio::test]
async fn connections_of_a_node_to_redis() {
    let redis = require_server!(RedisServer::start());
    let before = connections(&redis);
    let store = from_url(&redis.url()).await.unwrap().into_store().unwrap();
    fill(&store, 64, None).await;
    let of_sessions = connections(&redis) - before;
    let (bus, level) = (unstick::bus::from_url(&redis.url()).await.unwrap(), unstick::level::from_url(&redis.url()).await.unwrap());
    let namespace = unstick_cache::Namespace::builder("shop").bus(bus).level(level).build().await.unwrap();
    let (all, of_cache) = (connections(&redis) - before, connections(&redis) - before - of_sessions);
    println!("connections of a node to Redis: {of_sessions} for sessions, {of_cache} more for bus and level of a cache");
    assert!((1..=4).contains(&of_sessions) && (1..=8).contains(&of_cache), "{of_sessions} and {of_cache}, {all} in all");
    drop((store, namespace));
}

/// Keys are hashes, so a Cluster's masters get even shares, as even as chance allows.
#[test]
fn over_the_slots_of_a_cluster() {
    const KEYS: u32 = 100_000;
    let slots: Vec<u32> = (0..KEYS)
        .map(|n| {
            let mut lineage = [0; 16];
            lineage[..4].copy_from_slice(&n.to_le_bytes());
            let key = Lineage::from_bytes(lineage).record_key();
            let digits: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            u32::from(slot_of(&format!("unstick:s:{{{digits}}}")))
        })
        .collect();
    for masters in [3, 30, 300] {
        let mut shares = vec![0; masters as usize];
        slots.iter().for_each(|slot| shares[(slot * masters / 16_384) as usize] += 1);
        let even = f64::from(KEYS / masters);
        let (least, most) = (*shares.iter().min().unwrap(), *shares.iter().max().unwrap());
        let percent = |share: u32| 100.0 * f64::from(share) / even - 100.0;
        println!("{masters} masters: {:+.1} % to {:+.1} % of an even share", percent(least), percent(most));
        // Five deviations of a share that chance alone decides, and the slots that do not divide evenly.
        let allowed = even.sqrt().mul_add(5.0, even * f64::from(masters) / 16_384.0);
        assert!(f64::from(most) < even + allowed && f64::from(least) > even - allowed, "{masters} masters: {least} to {most}");
    }
}

#[test]
fn what_a_client_and_a_node_hold() {
    let now = Timestamp::from_millis(1_790_000_000_000);
    let credential = Credential::issue(now, now + Duration::from_secs(3600), now + Duration::from_secs(86_400)).unwrap();
    let record = |principal: Option<&str>| Record::new(new_record(&credential, principal.map(Arc::from)));
    let bytes = |record: &Record| encode_record(record).len();
    let (guest, customer) = (bytes(&record(None)), bytes(&record(Some("customer-000000000001"))));
    let tombstone = bytes(&Record::tombstone(now, now + Duration::from_secs(3900)));
    let sealed = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:__Host-id").seal(&credential).len();
    println!("values {}, record of a guest {guest}, of a customer {customer}, tombstone {tombstone}, credential {sealed}", values().size());
    assert_eq!(sealed, SEALED_LEN);
    assert!(tombstone < 128 && (values().size()..values().size() + 256).contains(&guest) && guest < customer);
}
