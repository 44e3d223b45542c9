//! A slow writer against logout, expiry, revocation, promotion and renewal: seeded schedules, on two nodes.
//!
//! `UNSTICK_SCHEDULES` sets how many per case; a failure prints its seed, and `UNSTICK_SEED` runs that one alone.

use std::time::Duration;

use unstick_core::Lifetimes;
use unstick_stories::{Answer, Backend, Client, Cluster, Options, on_servers};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    Logout,
    Expiry,
    Revocation,
    Promotion,
    Renewal,
}

#[derive(Debug)]
struct Schedule {
    seed: u64,
    writer: &'static str,
    writer_node: usize,
    other_node: usize,
    /// The other operation runs while the writer's commit does, rather than before it.
    overlapping: bool,
}

impl Schedule {
    fn of(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
        let mut pick = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        let writers = ["", "&read=1", "&read=1&update=1", "&save=1", "&read=1&save=1"];
        Self { seed, writer: writers[pick(writers.len())], writer_node: pick(2), other_node: pick(2), overlapping: pick(2) == 0 }
    }
}

fn lifetimes() -> Lifetimes {
    Lifetimes::new().idle(Duration::from_secs(600)).absolute(Duration::from_secs(86_400)).grace(Duration::from_secs(30))
}

async fn meanwhile(cluster: &Cluster, client: &mut Client, what: Meanwhile, node: usize) -> Option<Answer> {
    match what {
        Meanwhile::Logout => Some(client.get(node, "/logout").await),
        Meanwhile::Promotion => Some(client.get(node, "/login?user=bob").await),
        Meanwhile::Renewal => Some(client.get(node, "/renew").await),
        Meanwhile::Expiry => {
            cluster.clock.advance(Duration::from_secs(601));
            None
        }
        Meanwhile::Revocation => {
            cluster.layers[node].sessions().end_others("ann", None).await.unwrap();
            None
        }
    }
}

/// Runs one schedule; whether the writer's change was acknowledged.
async fn run(cluster: &Cluster, what: Meanwhile, schedule: &Schedule) -> bool {
    let mut client = cluster.client();
    client.get(0, "/set?first=1").await;
    client.get(0, "/login?user=ann").await;
    let old = client.clone();
    let gate = format!("g{}", schedule.seed);
    let path = format!("/slow?gate={gate}&k=late&v=late{}", schedule.writer);
    let writer = tokio::spawn(client.send(schedule.writer_node, &path));
    cluster.app.gate(&gate).arrived().await;
    if schedule.overlapping {
        cluster.app.gate(&gate).open(1);
        meanwhile(cluster, &mut client, what, schedule.other_node).await;
    } else {
        meanwhile(cluster, &mut client, what, schedule.other_node).await;
        cluster.app.gate(&gate).open(1);
    }
    let written = writer.await.unwrap();
    assert!(written.status == 200 || written.status == 503, "the bystander got {}: {}", written.status, written.body);
    assert!(written.status == 200 || written.headers.contains_key("retry-after"), "a refusal says when to try again");
    if what != Meanwhile::Renewal && !schedule.overlapping {
        assert_eq!(written.status, 503, "the change came after the end, and was acknowledged");
    }
    for node in 0..2 {
        let told = old.send(node, "/status").await;
        assert_eq!(told.status, 200);
        let mut words = told.body.split(' ');
        let (status, user, keys) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        match what {
            Meanwhile::Renewal => {
                assert_eq!((status, user), ("live", "ann"), "the old id is served during its grace");
                assert_eq!(written.status, 200, "the change reaches the renewed id");
                assert!(keys.contains("late"), "{keys}");
            }
            _ => assert_eq!((status == "live", user, keys), (false, "-", ""), "alive again on node {node}: {}", told.body),
        }
    }
    if what == Meanwhile::Promotion {
        let told = client.get(schedule.writer_node, "/status").await.body;
        assert!(told.starts_with("live bob "), "{told}");
        assert_eq!(told.contains("late"), written.status == 200, "acknowledged, or refused and not there: {told}");
    }
    if what == Meanwhile::Renewal {
        assert!(client.get(schedule.writer_node, "/status").await.body.contains("late"));
        cluster.clock.advance(Duration::from_secs(31));
        assert!(!old.send(schedule.other_node, "/status").await.body.starts_with("live"), "the old id outlived its grace");
        assert!(client.get(schedule.other_node, "/status").await.body.starts_with("live ann"));
    }
    // Whatever the late writer was sent, it does not lead back into the session.
    let mut late = old.clone();
    late.keep(&written);
    if !matches!(what, Meanwhile::Renewal) {
        let told = late.get(schedule.other_node, "/status").await.body;
        assert!(!told.contains("ann") && !told.contains("first"), "{told}");
    }
    written.status == 200
}

async fn schedules(backend: Backend, what: Meanwhile) {
    let cluster = Cluster::with(backend, Options { lifetimes: lifetimes(), ..Options::default() }).await;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("UNSTICK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("UNSTICK_SCHEDULES").unwrap_or(if matches!(backend, Backend::On(_)) { 200 } else { 1000 }),
    };
    let all = seeds.end - seeds.start;
    let mut acknowledged = 0;
    for seed in seeds {
        let schedule = Schedule::of(seed);
        let told = format!("{backend:?} {what:?} {schedule:?}");
        let guard = PrintOnPanic(&told);
        acknowledged += u64::from(run(&cluster, what, &schedule).await);
        std::mem::drop(guard);
    }
    // Schedules that only ever went one way would prove nothing.
    let both = acknowledged > 0 && acknowledged < all;
    assert!(both || what == Meanwhile::Renewal || all < 200, "{acknowledged} of {all} changes were acknowledged");
}

struct PrintOnPanic<'a>(&'a str);

impl Drop for PrintOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing schedule: {} (repeat with UNSTICK_SEED)", self.0);
        }
    }
}

macro_rules! races {
    ($($name:ident: $what:ident;)*) => {$(
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                schedules(Backend::Memory, Meanwhile::$what).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                schedules(Backend::Sqlite, Meanwhile::$what).await;
            }
            on_servers! { |backend| schedules(backend, Meanwhile::$what) }
        }
    )*};
}

races! {
    logout: Logout;
    expiry: Expiry;
    revocation: Revocation;
    promotion: Promotion;
    renewal: Renewal;
}
