//! What a client carries from node to node, while these cannot tell each other.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use unstick_cache::{Carried, Confirmation, Invalidated, ReadYourWritesLayer, writes::CarryWritesLayer};
use unstick_core::{ErrorKind, Key, KeyRing};
use unstick_testkit::{
    faults::{BusOp, Fault, LevelOp},
    sim::Handle,
};

use super::world::{Cache, HOUR, Node, SECOND, Source, World, all, ms, play};

/// A node as its clients see it.
struct Door {
    layer: ReadYourWritesLayer,
    cache: Cache,
}

#[derive(Clone)]
struct Answer {
    read: u64,
    told: Option<Invalidated>,
}

impl Door {
    fn of(node: &Node, cache: Cache) -> Self {
        let keys = KeyRing::new(Key::from_bytes([7; 32]).unwrap());
        Self { layer: ReadYourWritesLayer::new(&node.namespace, keys).build().unwrap(), cache }
    }

    /// Reads, and changes the source before that if there is something to `write`.
    async fn ask(&self, client: &CarryWritesLayer, source: &Source, write: Option<u64>) -> Answer {
        let handler = service_fn(|_: Request<()>| async {
            let mut told = None;
            if let Some(value) = write {
                source.set(value);
                told = Some(self.cache.invalidate(&7).await);
                assert_eq!(told.map(|told| told.client), Some(Carried::Yes));
            }
            let read = self.cache.get_or_load(7, source.load()).await.unwrap();
            let mut response = Response::new(());
            response.extensions_mut().insert(Answer { read, told });
            Ok::<_, Infallible>(response)
        });
        let answer = client.layer(self.layer.layer(handler)).oneshot(Request::new(())).await.unwrap();
        answer.extensions().get::<Answer>().unwrap().clone()
    }
}

fn client(at: &Handle) -> CarryWritesLayer {
    CarryWritesLayer::custom("unstick-writes", at.runtime()).unwrap()
}

/// The node that wrote cannot reach the bus for as long as values live; the others hear each other and hold what they have for current.
#[test]
fn a_write_that_the_bus_has_not_confirmed_is_carried_until_no_process_can_have_the_old_value() {
    for shared in [false, true] {
        play(|at| async move {
            let world = World::new(&at);
            let nodes = world.nodes(2).await;
            let source = world.source();
            let doors = [&nodes[0], &nodes[1]].map(|node| {
                let builder = if shared { node.shared() } else { node.namespace.cache("things").jitter(0.0) };
                Door::of(node, builder.ttl(HOUR).build().unwrap())
            });
            nodes[0].bus.always(BusOp::Publish, Fault::FailBefore(ErrorKind::Unavailable));
            // the client comes to the other node at once, much later, or when the value there is about to end
            for (round, pause) in (2..).zip([SECOND, 90 * SECOND, 3500 * SECOND]) {
                let client = client(&at);
                assert_eq!(doors[1].ask(&client, &source, None).await.read, round - 1);
                let told = doors[0].ask(&client, &source, Some(round)).await.told.unwrap();
                assert_eq!(told.bus, Confirmation::Pending);
                at.sleep(pause).await;
                assert!(nodes[1].namespace.is_current());
                assert_eq!(doors[1].ask(&client, &source, None).await.read, round, "{pause:?} after its write");
            }
        });
    }
}

/// Two clients wrote, each on a node that could not reach the level at first. The one that wrote first comes last.
#[test]
fn a_write_that_the_level_has_confirmed_long_ago_does_not_stand_for_a_later_one() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(4).await;
        let source = world.source();
        let doors: Vec<_> = nodes.iter().map(|node| Door::of(node, node.shared().build().unwrap())).collect();
        let (early, late) = (client(&at), client(&at));
        for node in &nodes {
            node.bus.inner().weather().cut();
        }
        doors[0].ask(&early, &source, None).await;
        nodes[0].level.next(LevelOp::Invalidate, Fault::FailBefore(ErrorKind::Unavailable));
        let told = doors[0].ask(&early, &source, Some(2)).await.told.unwrap();
        assert_eq!(told.level, Confirmation::Pending);
        // it is repeated, and then the level gets a value that knows of the first write alone
        at.sleep(10 * SECOND).await;
        assert_eq!(doors[3].ask(&client(&at), &source, None).await.read, 2);
        nodes[1].level.always(LevelOp::Invalidate, Fault::FailBefore(ErrorKind::Unavailable));
        doors[1].ask(&late, &source, Some(3)).await;
        // both are ahead of what the third node has heard of, and of the level
        nodes[2].level.always(LevelOp::Invalidate, Fault::FailBefore(ErrorKind::Unavailable));
        assert_eq!(doors[2].ask(&late, &source, None).await.read, 3);
        assert_eq!(doors[2].ask(&early, &source, None).await.read, 3);
        nodes[2].level.heal();
        at.sleep(10 * SECOND).await;
        assert_eq!(doors[2].ask(&late, &source, None).await.read, 3, "not what the level had between the two");
    });
}

/// A client that goes past the caches does so where one is loaded from another, too.
#[test]
fn a_loader_goes_past_other_caches_with_its_client() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        let source = world.source();
        let doors: Vec<_> = nodes.iter().map(|node| Door::of(node, node.shared().build().unwrap())).collect();
        let sums: Cache = nodes[1].namespace.cache("sums").build().unwrap();
        nodes.iter().for_each(|node| node.bus.inner().weather().silence());
        let sum = async |client: &CarryWritesLayer| {
            let handler = service_fn(|_: Request<()>| {
                let (things, source) = (doors[1].cache.clone(), source.clone());
                let read = sums.get_or_load(7, move || async move { things.get_or_load(7, source.load()).await });
                async move {
                    let mut response = Response::new(());
                    response.extensions_mut().insert(read.await.unwrap());
                    Ok::<_, Infallible>(response)
                }
            });
            let answer = client.layer(doors[1].layer.layer(handler)).oneshot(Request::new(())).await.unwrap();
            *answer.extensions().get::<u64>().unwrap()
        };
        assert_eq!(sum(&client(&at)).await, 1);
        let writer = client(&at);
        let many = service_fn(|_: Request<()>| async {
            source.set(2);
            let cache = &doors[0].cache;
            assert_eq!(nodes[0].namespace.invalidate((0..1000).map(|key| cache.target(&key))).await.client, Carried::Yes);
            Ok::<_, Infallible>(Response::new(()))
        });
        writer.layer(doors[0].layer.layer(many)).oneshot(Request::new(())).await.unwrap();
        assert_eq!(doors[1].cache.get(&7), Some(1), "nobody has told that node");
        assert_eq!(sum(&writer).await, 2);
    });
}

/// More slots than are looked at make requests go past the cache, whoever made them up.
#[test]
fn requests_past_the_cache_do_not_fall_on_the_source_all_at_once() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let source = world.source();
        let door = Door::of(&node, node.shared().build().unwrap());
        assert_eq!(door.ask(&client(&at), &source, None).await.read, 1);
        source.set(2);
        let mut asking = Vec::new();
        for _ in 0..100 {
            let (layer, cache, source) = (door.layer.clone(), door.cache.clone(), source.clone());
            asking.push(at.spawn(async move {
                let handler = service_fn(|_: Request<()>| async {
                    let mut response = Response::new(());
                    response.extensions_mut().insert(cache.get_or_load(7, source.load()).await.unwrap());
                    Ok::<_, Infallible>(response)
                });
                let slots = ["a=b"; 17].join(",");
                let request = Request::get("/").header("unstick-writes", slots).body(()).unwrap();
                let answer = layer.layer(handler).oneshot(request).await.unwrap();
                *answer.extensions().get::<u64>().unwrap()
            }));
            at.sleep(ms(1)).await;
        }
        assert!(all(asking).await.iter().all(|read| *read == 2));
        assert_eq!(source.most(), 1);
        assert!(source.loads() <= 5, "{}", source.loads());
    });
}
