//! Caches of two nodes over the bus: what was committed is not read stale for long, whoever wrote it and whatever became of him.

use unstick_cache::{Cache, Namespace};
use unstick_core::{Bus, BusEvent, bus::Pace};
use unstick_sql::{
    postgres::bus::PostgresBus,
    sqlx::{self, AssertSqlSafe, Executor, PgPool, Row, postgres::PgPoolOptions},
};
use unstick_testkit::{
    require_server,
    servers::{Mode, Proxy},
};

use super::{App, PATIENCE, until};
use crate::common::{SECOND, postgres::SERVER};

struct Node {
    bus: PostgresBus,
    shop: Namespace,
    carts: Cache<i64, String>,
}

impl Node {
    async fn new(app: &App) -> Self {
        let bus = app.builder().pace(Pace::every(SECOND / 2)).connect().await.unwrap();
        let shop = Namespace::builder("shop").bus(bus.clone()).build().await.unwrap();
        let carts = shop.cache("carts").ttl(3600 * SECOND).build().unwrap();
        Self { bus, shop, carts }
    }

    async fn read(&self, table: &Table, id: i64) -> String {
        let load = table.load(id);
        self.carts.get_or_load(id, move || load).await.unwrap()
    }

    /// What it reads is this, after a while.
    async fn reads(&self, table: &Table, id: i64, expected: &str) {
        eventually(expected, async || self.read(table, id).await == expected).await;
    }

    /// It holds what was read: the next read is a hit, unless a gap came in between.
    async fn holds(&self, table: &Table, id: i64) {
        eventually("a hit", async || {
            let before = self.carts.stats().hits;
            self.read(table, id).await;
            self.carts.stats().hits > before
        })
        .await;
    }
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(std::time::Instant::now() < end, "{what} did not come");
        tokio::time::sleep(SECOND / 100).await;
    }
}

#[derive(Clone)]
struct Table {
    pool: PgPool,
    name: String,
}

impl Table {
    async fn new(app: &App) -> Self {
        let pool = PgPoolOptions::new().max_connections(3).connect(&app.url).await.unwrap();
        let name = format!("{}carts", app.name);
        let create = format!("CREATE TABLE {name} (id bigint PRIMARY KEY, lines text NOT NULL); INSERT INTO {name} VALUES (7, 'old')");
        pool.execute(sqlx::raw_sql(AssertSqlSafe(create))).await.unwrap();
        Self { pool, name }
    }

    fn load(&self, id: i64) -> impl Future<Output = Result<String, sqlx::Error>> + Send + 'static {
        let Self { pool, name } = self.clone();
        async move {
            let select = AssertSqlSafe(format!("SELECT lines FROM {name} WHERE id = $1"));
            Ok(sqlx::query(select).bind(id).fetch_one(&pool).await?.get(0))
        }
    }

    /// Writes with the notice in the transaction, and then the process is no more: nobody does what comes after a commit.
    async fn write(&self, node: &Node, id: i64, lines: &str) {
        let mut transaction = self.pool.begin().await.unwrap();
        let update = AssertSqlSafe(format!("UPDATE {} SET lines = $1 WHERE id = $2", self.name));
        sqlx::query(update).bind(lines).bind(id).execute(&mut *transaction).await.unwrap();
        let staged = node.shop.stage([node.carts.target(&id)]);
        node.bus.notify_in(&mut *transaction, &staged.payload()).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_seen_everywhere_even_when_its_writer_is_gone() {
    let app = App::new(require_server!(SERVER.get()).url());
    let table = Table::new(&app).await;
    let (ann, bob) = (Node::new(&app).await, Node::new(&app).await);
    for round in 0..20 {
        let lines = format!("of round {round}");
        for node in [&ann, &bob] {
            node.holds(&table, 7).await;
        }
        table.write(&ann, 7, &lines).await;
        for node in [&ann, &bob] {
            node.reads(&table, 7, &lines).await;
        }
    }
    let applied = |node: &Node| node.shop.stats().notices;
    assert!(applied(&ann) > 0 && applied(&bob) > 0, "{} and {}", applied(&ann), applied(&bob));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_during_a_cut_is_seen_after_it() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let table = Table::new(&app).await;
    let proxy = Proxy::start(server.port()).unwrap();
    let (ann, bob) = (Node::new(&app).await, Node::new(&App { url: proxy.url(&app.url), ..app.clone() }).await);
    let mut events = bob.bus.subscribe().await.unwrap();
    for mode in [Mode::Refuse, Mode::BlackHole] {
        bob.holds(&table, 7).await;
        let lines = format!("during {mode:?}");
        proxy.set(mode);
        if mode == Mode::Refuse {
            proxy.cut();
        }
        table.write(&ann, 7, &lines).await;
        // while cut it trusts what it holds only for moments
        bob.reads(&table, 7, &lines).await;
        until(&mut events, |event| *event == BusEvent::Cut).await;
        proxy.set(Mode::Pass);
        until(&mut events, |event| *event == BusEvent::Restored).await;
        let notices = bob.shop.stats().notices;
        eventually("notices arrive again", async || {
            table.write(&ann, 7, "at last").await;
            bob.shop.stats().notices > notices
        })
        .await;
        bob.reads(&table, 7, "at last").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_tells_caches_of_writes_by_hand() {
    let app = App::new(require_server!(SERVER.get()).url());
    let table = Table::new(&app).await;
    let node = Node::new(&app).await;
    let (name, channel) = (&table.name, node.bus.channel());
    let trigger = format!(
        "CREATE FUNCTION {name}_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_notify('{channel}', 'k:shop:carts:' || OLD.id); RETURN NULL;
         END $$;
         CREATE TRIGGER changed AFTER UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {name}_changed()"
    );
    table.pool.execute(sqlx::raw_sql(AssertSqlSafe(trigger))).await.unwrap();
    for n in 0..10 {
        node.holds(&table, 7).await;
        let update = format!("UPDATE {name} SET lines = 'by hand {n}'");
        app.connection().await.execute(AssertSqlSafe(update)).await.unwrap();
        node.reads(&table, 7, &format!("by hand {n}")).await;
    }
    assert!(node.shop.stats().notices > 0);
}
