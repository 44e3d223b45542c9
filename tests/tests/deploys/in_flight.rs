//! What is under way when a node drains, as it is seen through the balancer.

use http::{StatusCode, Uri};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use unstick_affinity::{
    Balancer, PinCookie,
    drain::{Drain, Phase, serve},
};
use unstick_core::{EventKind, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_stories::deploy::{Kind, WINDOW};
use unstick_testkit::{
    clock::ManualClock,
    faults::{Fault, FaultStore, Op},
    servers::balancer::{Apache, BalancerSpec, Caddy, HaProxy, Health, Nginx},
};

use crate::{
    clients::{Crowd, browser},
    site::{Learns, Site, spec, start, until},
};

const OUT: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

fn haproxy() -> (BalancerSpec, Balancer, Learns) {
    (spec(HaProxy::InsertIndirect).health(Health::new("/ready")), Balancer::haproxy("SRV").unwrap(), Learns::ByChecks(2))
}

fn nginx() -> (BalancerSpec, Balancer, Learns) {
    let spec = spec(Nginx::LuaCookie { path: "/".to_owned() }).retries();
    (spec, Balancer::of("nginx-lua", [PinCookie::new("route").unwrap()]), Learns::ByFailures)
}

fn apache() -> (BalancerSpec, Balancer, Learns) {
    (spec(Apache::HeaderAdd).health(Health::new("/ready")), Balancer::apache("ROUTEID").unwrap(), Learns::ByChecks(2))
}

fn caddy() -> (BalancerSpec, Balancer, Learns) {
    (spec(Caddy::Cookie).health(Health::new("/ready")).retries(), Balancer::caddy("lb").unwrap(), Learns::ByChecks(1))
}

/// Its user is told; nobody else notices.
async fn the_stuck_one_is_cut_and_named((spec, behind, learns): (BalancerSpec, Balancer, Learns)) {
    let Some(mut site) = Site::start(Kind::Axum, behind, OUT, spec).await else { return };
    let crowd = Crowd::start(site.balancer.address());
    crowd.settled().await;
    let mut unlucky = browser(site.balancer.address());
    let stuck = tokio::spawn(async move { unlucky.post("/stuck?user=anna", "").await });
    let is_stuck = |at: &usize| site.nodes[*at].drain.in_flight().iter().any(|one| one.name == "POST /stuck");
    until("it is stuck", || (0..3).any(|at| is_stuck(&at))).await;
    let at = (0..3).find(is_stuck).unwrap();

    site.turn_away(at, &crowd.board, learns).await;
    site.nodes[at].clock.advance(WINDOW);
    until("only the stuck one is left", || site.nodes[at].drain.in_flight_count() == 1).await;
    assert!(site.nodes[at].drain.phase() == Phase::Closing && !stuck.is_finished());
    let drained = site.close(at).await;
    let names: Vec<_> = drained.cut.iter().map(|cut| cut.name.as_str()).collect();
    assert_eq!((names.as_slice(), drained.pending_left), (&["POST /stuck"][..], 0));
    let told: Vec<_> = site.nodes[at].log.all().into_iter().filter(|event| event.kind == EventKind::DrainCut).collect();
    assert!(told.len() == 1 && told[0].detail.starts_with("POST /stuck after "), "{told:?}");
    let page = stuck.await.unwrap().unwrap();
    assert!([502, 503, 504].contains(&page.status.as_u16()), "{page:?}");

    site.start_anew(at).await;
    let new = site.nodes[at].instance.clone();
    until("the new one serves", || crowd.board.by(&new) >= 5).await;
    let (succeeded, failures) = crowd.finish().await;
    assert!(failures.is_empty(), "of {succeeded}: {failures:?}");
    site.assert_continuity();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_behind_haproxy() {
    the_stuck_one_is_cut_and_named(haproxy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_behind_nginx() {
    the_stuck_one_is_cut_and_named(nginx()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_behind_apache() {
    the_stuck_one_is_cut_and_named(apache()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_behind_caddy() {
    the_stuck_one_is_cut_and_named(caddy()).await;
}

/// One user downloads, and uploads at the same time, on the node that goes.
async fn a_stream_and_an_upload_end((spec, behind, learns): (BalancerSpec, Balancer, Learns)) {
    const HALF: usize = 100_000;
    let Some(mut site) = Site::start(Kind::Axum, behind, OUT, spec).await else { return };
    let crowd = Crowd::start(site.balancer.address());
    crowd.settled().await;
    let mut user = browser(site.balancer.address());
    let instance = user.get("/count").await.unwrap().header("x-node").to_owned();
    let at = site.nodes.iter().position(|node| node.instance == instance).unwrap();
    let cookies = user.jar().header(&Uri::from_static("http://shop.localhost/")).unwrap();

    let streamed = tokio::spawn(async move { user.get("/stream").await });
    let mut upload = TcpStream::connect(site.balancer.address()).await.unwrap();
    let cookies = cookies.to_str().unwrap();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\nCookie: {cookies}\r\nContent-Length: {}\r\n\r\n",
        2 * HALF
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    upload.write_all(&vec![b'1'; HALF]).await.unwrap();
    let names = |site: &Site| site.nodes[at].drain.in_flight().into_iter().map(|one| one.name).collect::<Vec<_>>();
    let both = |site: &Site| ["GET /stream", "POST /upload"].iter().all(|name| names(site).iter().any(|one| one == name));
    until("both are under way", || both(&site)).await;

    site.turn_away(at, &crowd.board, learns).await;
    site.nodes[at].clock.advance(WINDOW);
    until("the others have ended", || site.nodes[at].drain.in_flight_count() == 2).await;
    assert!(both(&site) && site.nodes[at].drain.phase() == Phase::Closing && !streamed.is_finished());
    upload.write_all(&vec![b'2'; HALF]).await.unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&(2 * HALF).to_string()), "{answer}");
    site.nodes[at].site.gate().open(1);
    let page = streamed.await.unwrap().unwrap();
    assert_eq!((page.status.as_u16(), page.text().as_ref()), (200, "first second"));
    let drained = site.nodes[at].drained().await;
    assert!(drained.is_clean(), "{drained}");
    let (succeeded, failures) = crowd.finish().await;
    assert!(failures.is_empty(), "of {succeeded}: {failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_and_an_upload_end_behind_haproxy() {
    a_stream_and_an_upload_end(haproxy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_and_an_upload_end_behind_nginx() {
    let (spec, behind, learns) = nginx();
    a_stream_and_an_upload_end((spec.line("proxy_request_buffering off;").line("proxy_buffering off;"), behind, learns)).await;
}

/// nginx hangs up on the node when its client has hung up, in the middle of a commit here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commit_of_a_user_who_hung_up_is_awaited() {
    let clock = ManualClock::default();
    let store = FaultStore::new(MemoryStore::builder().runtime(clock.runtime()).build());
    let faults = store.clone();
    let keys = KeyRing::new(Key::from_bytes([9; 32]).unwrap());
    let sessions = SessionLayer::keyed(store, keys).runtime(clock.runtime()).build().unwrap();
    let builder = Drain::builder().readiness_window(WINDOW).deadline(WINDOW).grace_period(WINDOW * 3);
    let drain_clock = ManualClock::default();
    let drain = builder.runtime(drain_clock.runtime()).build().unwrap();
    drain.wait_for(sessions.pending());
    let write = async |session: Session| -> Result<&'static str, SessionError> { session.insert("cart", &"full").map(|()| "written") };
    let router = axum::Router::new().route("/write", axum::routing::post(write)).layer(sessions);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let spec = spec(Nginx::RoundRobin).nodes([address]);
    let server = tokio::spawn(serve(listener, router, &drain).into_future());
    let Some(nginx) = start(&spec) else { return };

    faults.next(Op::Create, Fault::ArriveLate);
    let mut user = TcpStream::connect(nginx.address()).await.unwrap();
    user.write_all(b"POST /write HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    faults.until_held(1).await;
    drain.begin();
    assert_eq!((drain.in_flight_count(), drain.pending()), (1, 0));
    drop(user);
    until("nobody waits for it any more", || drain.in_flight_count() == 0).await;
    assert_eq!(drain.pending(), 1);
    drain_clock.advance(WINDOW);
    until("the listener is closed", || std::net::TcpStream::connect(address).is_err()).await;
    assert!(!server.is_finished() && drain.phase() == Phase::Closing && faults.inner().sessions() == 0);
    faults.release();
    let drained = tokio::time::timeout(std::time::Duration::from_secs(60), server).await.unwrap().unwrap().unwrap();
    assert!(drained.is_clean(), "{drained}");
    assert_eq!(faults.inner().sessions(), 1);
}
