//! Invalidation notices over the notifications of PostgreSQL, also from inside the application's transactions.
//!
//! | sent by | confirmed | who gets it | what can be lost |
//! |---|---|---|---|
//! | [`publish`](unstick_core::Bus::publish) | by the server's answer, so that a later connection sees it | every other node | with the process, before it was sent; everybody else notices a missing number |
//! | [`notify_in`](PostgresBus::notify_in), [`notify_statement`](PostgresBus::notify_statement) | by the commit of your transaction | every node, the sender's too | nothing: committed means sent |
//! | a trigger, another service | by the commit of its transaction | every node | nothing: committed means sent |
//!
//! What was sent reaches all subscriptions whose connection lasts, in the order of the commits. A subscription whose connection is
//! replaced missed what was sent meanwhile, and is told so:
//!
//! | what happens | what a subscription yields |
//! |---|---|
//! | its connection breaks, the server restarts or fails over | [`Cut`](unstick_core::BusEvent::Cut), then [`Gap`](unstick_core::BusEvent::Gap) and [`Restored`](unstick_core::BusEvent::Restored) when it listens again |
//! | its connection is silent: half open, a stopped server, a pooler that forgot that it listens | the same, after three seconds |
//! | the publisher's connection breaks | nothing: what was not answered is sent again with its number |
//! | events are taken more slowly than they come | a gap, for those that did not fit into the [queue](PostgresBusBuilder::queue) |
//!
//! Connections are tried again without end, at first at once, then after pauses of up to a second. Meanwhile `publish` is refused.
//! A notice that was under way may still arrive late, or twice: invalidating again does no harm.
//!
//! # In your transaction
//! A notice that is published after a commit is lost when the process ends in between, and every other node then goes on with what it
//! has. One that is sent inside the transaction arrives with the commit, and not without it. It has no number; the connection's
//! loss is its gap. It reaches the sender's own node, too, which may not live to do its own bookkeeping.
//!
//! ```no_run
//! use unstick_core::{LevelKey, Target, bus::write_plain};
//! use unstick_sql::{postgres::PostgresBus, sqlx::{self, PgPool}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PgPool::connect("postgres://shop:secret@localhost/shop").await?;
//! let bus = PostgresBus::from_pool(pool.clone()).await?;
//!
//! let mut transaction = pool.begin().await?;
//! sqlx::query("UPDATE carts SET lines = $1 WHERE id = $2").bind("tea").bind(7_i64).execute(&mut *transaction).await?;
//! // with a cache of this family: the payload of its staged invalidation
//! let payload = write_plain(&Target::Key(LevelKey::from("shop:carts:7")));
//! bus.notify_in(&mut *transaction, payload.as_bytes()).await?;
//! transaction.commit().await?;
//! # Ok(()) }
//! ```
//!
//! Two transactions never share a notice. Within one, PostgreSQL delivers identical notices once, and those of a savepoint that is
//! rolled back not at all.
//!
//! A transaction that has sent a notice takes a lock when it commits, of which the server has one: such commits wait for each
//! other, and for each other's disk. With some hundred of them per second, `publish` after the commit instead: the bus's own
//! connection does not wait for the disk (`synchronous_commit` is off there) and sends what has gathered in one transaction.
//!
//! # From a trigger
//! Writes by other services, or by hand, are told in [plain text](unstick_core::bus::write_plain): `k:` and a key with its namespace and
//! cache, `t:` and a tag with its namespace, or `*`. In the text of a key, parts are divided by `:`, and `:`, `%`, `{`, `}`, spaces
//! and control characters within a part are escaped; numbers and plain words stand for themselves. Keys of more than 200 bytes
//! are hashed, so tell their tags.
//!
//! ```sql
//! CREATE FUNCTION cart_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
//!     PERFORM pg_notify('unstick_bus', 'k:shop:carts:' || OLD.id);
//!     PERFORM pg_notify('unstick_bus', 't:shop:customer:' || OLD.customer);
//!     RETURN NULL;
//! END $$;
//! CREATE TRIGGER cart_changed AFTER UPDATE OR DELETE ON carts
//!     FOR EACH ROW EXECUTE FUNCTION cart_changed();
//! ```
//!
//! For values that are cached as absent, let it tell of `INSERT`s as well, with `NEW`.
//!
//! # What it needs
//! * PostgreSQL 13 or newer, the primary: a standby neither listens nor notifies.
//! * The right to connect to the database. No tables. Whoever may connect to it can also listen to the channel and notify it: keys
//!   and tags are no secret there, and a stranger's notices cost loads.
//! * A connection that is the bus's own, for each subscription and one to speak. pgbouncer in transaction or statement mode cannot
//!   hold one that listens, and says nothing about it: the subscription then yields `Cut` after three seconds and stays cut. Name
//!   the server itself, or a pooler in session mode.
//! * Notices of at most [`LONGEST_PAYLOAD`] bytes; a longer one is refused.
//! * Loads that read the primary: a replica may not yet have what a notice tells of.
//!
//! The server keeps notifications until every listening connection has taken them (up to 8 GB; `pg_notification_queue_usage()`). The
//! bus takes them at once, however slow the receiver of its events is, and asks the server to end a connection that no longer
//! answers after 30 seconds (`tcp_user_timeout`).
//!
//! # Address
//! [`PostgresBus::connect`] takes what [`PostgresStore`](super::PostgresStore) takes, of whose own options only `prefix` and
//! `connect_timeout_ms`: `postgres://user:password@host:port/database?prefix=shop_`. The channel is the prefix and `bus`.

mod channel;
mod connect;
mod handle;
mod hearer;
mod link;
mod speaker;
mod transaction;
mod wire;

pub use connect::PostgresBusBuilder;
pub use handle::{PostgresBus, PostgresSubscription};
pub use transaction::NotifyStatement;
pub use wire::LONGEST_PAYLOAD;
