//! Requests and streams that are in flight when the drain begins, and those that come while it goes on.

use std::convert::Infallible;

use axum::{Router, routing::any};
use bytes::Bytes;
use http::{Request, header::CONNECTION};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::service_fn;
use unstick_affinity::drain::Phase;

use crate::support::{Client, Course, DEADLINE, Running, Shop, running, soon, text, until};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy)]
enum App {
    Hyper,
    Axum,
    /// With a layer of its own, which counts nothing twice.
    Layered,
}

struct Story {
    course: Course,
    shop: Shop,
    server: Running,
    speaks: Speaks,
}

impl Story {
    async fn begin(app: App, speaks: Speaks) -> Self {
        let (course, shop) = (Course::new(), Shop::default());
        let plain = shop.clone();
        let plain = service_fn(move |request: Request<Incoming>| plain.clone().answer(request));
        let routed = shop.clone();
        let router = Router::new().route(
            "/{*path}",
            any(move |request: axum::extract::Request| async move {
                let answered: Result<_, Infallible> = routed.answer(request).await;
                answered.unwrap().map(axum::body::Body::new)
            }),
        );
        let server = match app {
            App::Hyper => running!(plain, &course.drain),
            App::Axum => running!(router, &course.drain),
            App::Layered => running!(router.layer(course.drain.layer()), &course.drain),
        };
        Self { course, shop, server, speaks }
    }

    async fn client(&self) -> Client {
        match self.speaks {
            Speaks::Http1 => Client::http1(self.server.address).await,
            Speaks::Http2 => Client::http2(self.server.address).await,
        }
    }
}

async fn nobody_notices(app: App, speaks: Speaks) {
    let story = Story::begin(app, speaks).await;
    let (course, shop) = (&story.course, &story.shop);

    let mut holder = story.client().await;
    let held = holder.get("/held");
    shop.begun("/held").await;
    let mut watcher = story.client().await;
    let stream = soon(watcher.get("/stream")).await.unwrap().unwrap();
    assert!(!stream.headers().contains_key(CONNECTION));
    let frames = shop.stream();
    assert_eq!(course.drain.in_flight_count(), 2);

    course.drain.begin();
    let mut late = story.client().await;
    for round in 0..3 {
        if late.is_closed() {
            late = story.client().await;
        }
        let response = soon(late.get("/quick")).await.unwrap().unwrap();
        let closes = response.headers().get(CONNECTION).is_some_and(|option| option == "close");
        assert_eq!(closes, speaks == Speaks::Http1, "round {round}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "quick");
        if closes {
            until(|| late.is_closed()).await;
        }
    }
    let mut one_more = story.client().await;
    let one_more = (one_more.get("/held"), one_more);
    until(|| course.drain.in_flight_count() == 3).await;

    course.close_from_turning();
    story.server.refuses().await;
    let mut served_meanwhile = 0;
    if speaks == Speaks::Http2 {
        for client in [&mut late, &mut holder, &mut watcher] {
            // What the client began before it saw the GOAWAY is served, then it begins no more; its streams go on.
            while let Ok(response) = soon(client.get("/quick")).await.unwrap() {
                served_meanwhile += 1;
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "quick");
            }
        }
        until(|| course.drain.in_flight_count() == 3).await;
    }
    assert_eq!(course.drain.in_flight_count(), 3);
    for number in 0..200 {
        frames.send(Bytes::from(format!("{number},"))).unwrap();
    }
    drop(frames);
    let all = soon(stream.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(all, (0..200).map(|number| format!("{number},")).collect::<String>());
    shop.let_one_go();
    shop.let_one_go();
    assert_eq!(text(held).await, "held");
    assert_eq!(text(one_more.0).await, "held");

    let Story { course, server, .. } = story;
    let drained = server.end().await;
    assert!(drained.cut.is_empty() && drained.pending_left == 0, "{drained}");
    assert_eq!(drained.finished, 6 + served_meanwhile, "2 begun before, 3 quick and 1 held after");
    assert_eq!(course.drain.phase(), Phase::Ended);
    assert!(course.cuts().is_empty());
}

impl Course {
    fn close_from_turning(&self) {
        assert_eq!(self.drain.phase(), Phase::Turning);
        self.clock.advance(crate::support::WINDOW);
    }
}

async fn the_stuck_one_is_cut(app: App, speaks: Speaks) {
    let story = Story::begin(app, speaks).await;
    let (mut stuck, mut held) = (story.client().await, story.client().await);
    let stuck = stuck.get("/stuck/report?of=anna");
    story.shop.begun("/stuck/report").await;
    let held = held.get("/held");
    story.shop.begun("/held").await;

    story.course.close();
    story.server.refuses().await;
    story.shop.let_one_go();
    assert_eq!(text(held).await, "held");
    assert!(!story.server.task.is_finished());
    story.course.clock.advance(DEADLINE);
    let Story { course, server, shop, .. } = story;
    let drained = server.end().await;
    let names: Vec<_> = drained.cut.iter().map(|cut| cut.name.as_str()).collect();
    assert_eq!(names, ["GET /stuck/report"]);
    assert_eq!((drained.finished, drained.pending_left), (1, 0));
    let cuts = course.cuts();
    assert!(cuts.len() == 1 && cuts[0].starts_with("GET /stuck/report after "), "{cuts:?}");
    assert!(soon(stuck).await.unwrap().is_err(), "the client hears of it");
    until(|| shop.dropped() == 1).await;
}

macro_rules! stories {
    ($($name:ident: $app:ident $speaks:ident;)*) => {$(
        mod $name {
            use super::{App, Speaks};

            #[tokio::test]
            async fn nobody_notices() {
                super::nobody_notices(App::$app, Speaks::$speaks).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn nobody_notices_on_threads() {
                super::nobody_notices(App::$app, Speaks::$speaks).await;
            }

            #[tokio::test]
            async fn the_stuck_one_is_cut() {
                super::the_stuck_one_is_cut(App::$app, Speaks::$speaks).await;
            }
        }
    )*};
}

stories! {
    hyper_http1: Hyper Http1;
    hyper_http2: Hyper Http2;
    axum_http1: Axum Http1;
    axum_http2: Axum Http2;
    layered_http1: Layered Http1;
    layered_http2: Layered Http2;
}
