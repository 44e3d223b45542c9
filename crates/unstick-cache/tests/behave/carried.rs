//! What a client carries from node to node, while these cannot tell each other.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use unstick_cache::{Carried, Confirmation, Invalidated, ReadYourWritesLayer, writes::CarryWritesLayer};
use unstick_core::{ErrorKind, Key, KeyRing};
use unstick_testkit::{
    faults::{Fault, LevelOp},
    sim::Handle,
};

use super::world::{Cache, Node, SECOND, Source, World, play};

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
