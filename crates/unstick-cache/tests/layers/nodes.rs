//! Two nodes: hooks here and there, and a response that waits for the others, but not for ever.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response, StatusCode, request::Parts};
use tower::{Layer, ServiceExt, service_fn};
use unstick_cache::{Confirmation, Invalidated, Namespace, Reached, layers::InvalidationLayer};
use unstick_memory::{MemoryHub, MemoryLevel};
use unstick_testkit::sim::{Handle, Sim, TornLevel};

use crate::support::Seen;

struct Node {
    shop: Namespace,
    seen: Seen,
}

impl Node {
    async fn new(at: &Handle, hub: &MemoryHub, level: TornLevel<MemoryLevel>) -> Self {
        let runtime = at.runtime();
        let shop = Namespace::builder("shop").bus(hub.bus(&runtime)).level(level).runtime(runtime).build().await.unwrap();
        Self { seen: Seen::by(&shop), shop }
    }

    async fn put(&self) -> Response<()> {
        let tags = self.shop.clone();
        let layer = InvalidationLayer::new(&self.shop).targets(move |parts: &Parts| [tags.tag(parts.uri.path())]);
        let service = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
        service.oneshot(Request::put("/carts").body(()).unwrap()).await.unwrap()
    }
}

fn told(response: &Response<()>) -> (Confirmation, Confirmation) {
    let told = response.extensions().get::<Invalidated>().expect("told");
    (told.level, told.bus)
}

#[test]
fn hooks_are_told_here_and_there() {
    let sim = Sim::new(3);
    let at = sim.handle();
    sim.run(async {
        let (hub, level) = (MemoryHub::new(), MemoryLevel::builder().runtime(at.runtime()).build());
        let [one, two] = [(); 2].map(|()| Node::new(&at, &hub, TornLevel::new(&at, level.clone())));
        let (one, two) = (one.await, two.await);
        assert_eq!(told(&one.put().await), (Confirmation::Confirmed, Confirmation::Confirmed));
        at.sleep(Duration::from_secs(1)).await;
        assert_eq!((one.seen.reached(Reached::Local), one.seen.reached(Reached::Remote)), (vec!["#/carts".to_owned()], vec![]));
        assert_eq!((two.seen.reached(Reached::Local), two.seen.reached(Reached::Remote)), (vec![], vec!["#/carts".to_owned()]));
    });
}

#[test]
fn without_bus_and_level_the_response_is_the_same_and_the_rest_follows() {
    let sim = Sim::new(5);
    let at = sim.handle();
    sim.run(async {
        let (hub, level) = (MemoryHub::new(), MemoryLevel::builder().runtime(at.runtime()).build());
        let one = Node::new(&at, &hub, TornLevel::new(&at, level.clone()).failing(1)).await;
        let two = Node::new(&at, &hub, TornLevel::new(&at, level)).await;
        hub.weather().cut();
        let response = one.put().await;
        assert_eq!((response.status(), told(&response)), (StatusCode::OK, (Confirmation::Pending, Confirmation::Pending)));
        assert!(two.seen.all().is_empty());
        hub.weather().restore();
        at.sleep(Duration::from_secs(30)).await;
        assert_eq!(two.seen.all(), ["#/carts"], "after it came back");
    });
}
