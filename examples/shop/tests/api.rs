//! The shop as its clients see it, through the balancer.

mod common;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use common::{Shop, eventually, read_answer, send};
use serde_json::{Value, json};

/// Expected status, method, path, headers, body.
type Case<'a> = (u16, &'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>);

fn cart(session: &Value) -> Value {
    session["cart"].clone()
}

#[test]
fn a_whole_visit() {
    let shop = Shop::start(&["--nodes", "5"]);
    let mut browser = shop.browser();
    let first = browser.get("/api/session");
    assert_eq!(first.headers.get("set-cookie"), None, "looking starts no session");
    let expected = json!({ "instance": first.instance(), "status": "new", "user": null, "cart": { "lines": [], "count": 0 } });
    assert_eq!(first.json(), expected);

    assert_eq!(browser.add("tea", 2).json(), json!({ "sku": "tea", "qty": 2 }));
    browser.add("cup", 1);
    assert_eq!(browser.add("tea", 3).json()["qty"], 5);
    let lines = json!([{ "sku": "cup", "qty": 1 }, { "sku": "tea", "qty": 5 }]);
    assert_eq!(browser.session()["cart"], json!({ "lines": lines, "count": 6 }));

    let planted = browser.clone();
    let login = browser.post("/api/login", r#"{"user":"ann"}"#);
    assert!(login.header("set-cookie").starts_with("__Host-id="), "{login:?}");
    let session = browser.session();
    assert_eq!((&session["user"], &session["status"], &session["cart"]["count"]), (&json!("ann"), &json!("live"), &json!(6)));
    let stolen = planted.clone().session();
    assert_eq!(
        (&stolen["user"], &stolen["status"]),
        (&Value::Null, &json!("superseded")),
        "a cookie from before the login is worth nothing"
    );

    for expected in 1..=3 {
        assert_eq!(browser.poke("/api/counter").json(), json!({ "value": expected }));
    }
    assert_eq!(browser.send("DELETE", "/api/cart/tea", None).status, 200);
    assert_eq!(browser.send("DELETE", "/api/cart/never-there", None).status, 200);
    assert_eq!(cart(&browser.session()), json!({ "lines": [{ "sku": "cup", "qty": 1 }], "count": 1 }));

    assert_eq!(browser.poke("/api/slow?ms=5&key=cart:late").json(), json!({ "key": "cart:late", "ms": 5 }));
    assert_eq!(browser.session()["cart"]["count"], 2);
    assert_eq!(browser.poke("/api/slow?ms=0").json()["key"], "slow");

    let before = browser.clone();
    assert_eq!(browser.poke("/api/logout").status, 200);
    let session = browser.session();
    assert_eq!((&session["status"], &session["user"], &session["cart"]["count"]), (&json!("new"), &Value::Null, &json!(0)));
    assert_eq!(before.clone().session()["status"], "ended");
    assert_eq!(shop.browser().poke("/api/logout").status, 200, "logging out without a session is fine");

    let line = format!("__Host-id={}; Path=/; Secure", "A".repeat(100));
    browser.jar.set(&"http://127.0.0.1/".parse().unwrap(), line).unwrap();
    assert_eq!(browser.session()["status"], "forged");
}

#[test]
fn bad_input_has_a_reason() {
    let shop = Shop::start(&["--nodes", "2"]);
    let json = [("content-type", "application/json")];
    let long = "x".repeat(65);
    let (long_sku, long_user) = (format!(r#"{{"sku":"{long}","qty":1}}"#), format!(r#"{{"user":"{long}"}}"#));
    let huge = format!(r#"{{"user":"{}"}}"#, "x".repeat(20_000));
    let cases: &[Case<'_>] = &[
        (400, "POST", "/api/cart", &json, Some("{")),
        (400, "POST", "/api/login", &json, None),
        (415, "POST", "/api/cart", &[], Some(r#"{"sku":"tea","qty":1}"#)),
        (415, "POST", "/api/cart", &[("content-type", "text/plain")], Some(r#"{"sku":"tea","qty":1}"#)),
        (422, "POST", "/api/cart", &json, Some("[]")),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"tea"}"#)),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"tea","qty":"1"}"#)),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"tea","qty":1.5}"#)),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"tea","qty":0}"#)),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"tea","qty":1000}"#)),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"","qty":1}"#)),
        (422, "POST", "/api/cart", &json, Some(r#"{"sku":"a b","qty":1}"#)),
        (422, "POST", "/api/cart", &json, Some(&long_sku)),
        (422, "POST", "/api/login", &json, Some(r#"{"user":""}"#)),
        (422, "POST", "/api/login", &json, Some(r#"{"user":" "}"#)),
        (422, "POST", "/api/login", &json, Some(r#"{"user":"a\nb"}"#)),
        (422, "POST", "/api/login", &json, Some(&long_user)),
        (413, "POST", "/api/login", &json, Some(&huge)),
        (422, "DELETE", "/api/cart/a%20b", &[], None),
        (400, "DELETE", "/api/cart/%ff", &[], None),
        (422, "POST", "/api/slow?ms=10001", &[], None),
        (400, "POST", "/api/slow?ms=soon", &[], None),
        (400, "POST", "/api/slow?ms=-1", &[], None),
        (422, "POST", "/api/slow?key=other:x", &[], None),
        (404, "GET", "/api/nothing", &[], None),
        (404, "GET", "/internal/events", &[], None),
        (405, "PUT", "/api/cart", &[], None),
        (405, "GET", "/api/counter", &[], None),
        (405, "POST", "/healthz", &[], None),
        (405, "POST", "/", &[], None),
        (405, "DELETE", "/admin/nodes", &[("x-shop-admin", "1")], None),
    ];
    for (status, method, path, headers, body) in cases {
        let answer = send(shop.addr, method, path, headers, *body).unwrap();
        let case = format!("{method} {path} {body:?}: {answer:?}");
        assert_eq!(answer.status, *status, "{case}");
        assert!(answer.json()["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{case}");
        assert!(!answer.instance().is_empty(), "{case}");
        assert_eq!(answer.headers.get("set-cookie"), None, "{case}");
    }
}

#[test]
fn requests_go_round_and_parallel_adds_all_stay() {
    let shop = Shop::start(&["--nodes", "5"]);
    let mut browser = shop.browser();
    browser.add("first", 1);
    let adds: Vec<_> = (0..32)
        .map(|index| {
            let mut browser = browser.clone();
            thread::spawn(move || {
                // Every other one adds to the same line.
                let sku = if index % 2 == 0 { format!("sku-{index}") } else { "same".to_owned() };
                let answer = browser.add(&sku, 1);
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(browser.poke("/api/counter").status, 200);
                answer.instance().to_owned()
            })
        })
        .collect();
    let instances: BTreeSet<String> = adds.into_iter().map(|add| add.join().unwrap()).collect();
    assert_eq!(instances.len(), 5, "{instances:?}");
    let session = browser.session();
    assert_eq!(session["cart"]["count"], 33, "{session}");
    let same = session["cart"]["lines"].as_array().unwrap().iter().find(|line| line["sku"] == "same").unwrap();
    assert_eq!(same["qty"], 16);
    assert_eq!(browser.poke("/api/counter").json()["value"], 33);
}

#[test]
fn a_slow_writer_does_not_bring_a_session_back() {
    let shop = Shop::start(&["--nodes", "3"]);
    let mut browser = shop.browser();
    browser.add("tea", 1);
    let mut late = browser.clone();
    let slow = thread::spawn(move || (late.poke("/api/slow?ms=400&key=cart:ghost"), late));
    eventually("the slow request", || (shop.admin("GET", "/admin/events").json()["continuity"]["found"].as_u64() >= Some(1)).then_some(()));
    browser.poke("/api/logout");
    let (answer, mut late) = slow.join().unwrap();
    assert!(answer.status < 500 || answer.status == 503, "{answer:?}");
    let session = late.session();
    assert_eq!((&session["status"], &session["cart"]["count"]), (&json!("ended"), &json!(0)));
}

#[test]
fn stopping_and_starting_nodes_loses_nothing() {
    let shop = Shop::start(&["--nodes", "3"]);
    let mut browser = shop.browser();
    browser.add("tea", 1);
    for node in 1..=3 {
        let answer = shop.admin("POST", &format!("/admin/nodes/{node}/stop"));
        assert_eq!(answer.json()["nodes"][node - 1]["state"], "stopped", "{answer:?}");
        let instances: Vec<String> = (0..4).map(|_| browser.session()["instance"].as_str().unwrap().to_owned()).collect();
        assert!(!instances.contains(&format!("node-{node}")), "{instances:?}");
        assert!(instances.windows(2).all(|pair| pair[0] != pair[1]), "the others take turns: {instances:?}");
        assert_eq!(shop.admin("POST", &format!("/admin/nodes/{node}/start")).json()["nodes"][node - 1]["state"], "running");
    }
    assert_eq!(browser.session()["cart"]["count"], 1);
    let news = shop.admin("GET", "/admin/events").json();
    assert_eq!((&news["continuity"]["lost"], &news["continuity"]["rate"]), (&json!(0), &json!(1.0)));
    assert!(news["continuity"]["found"].as_u64() >= Some(13), "counts of stopped nodes are kept: {news}");
    let kinds: BTreeSet<&str> = news["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.is_superset(&BTreeSet::from(["node_started", "node_stopped", "session_created", "session_found"])), "{kinds:?}");
    let last = news["events"].as_array().unwrap().last().unwrap()["seq"].as_u64().unwrap();
    let rest = shop.admin("GET", &format!("/admin/events?after={last}")).json();
    assert_eq!(rest["events"], json!([]), "only news");

    for node in 1..=3 {
        shop.admin("POST", &format!("/admin/nodes/{node}/stop"));
    }
    let answer = browser.get("/api/session");
    assert_eq!((answer.status, answer.instance()), (502, "balancer"));
    assert!(answer.json()["error"].as_str().unwrap().contains("nothing was done"));
    assert_eq!(shop.admin("POST", "/admin/nodes/4/stop").status, 404);
}

#[test]
fn a_node_that_is_about_to_stop_finishes_and_fails_its_health_check() {
    let shop = Shop::start(&["--nodes", "1"]);
    let mut browser = shop.browser();
    browser.add("tea", 1);
    let node = shop.nodes[0].addr;
    assert_eq!(send(node, "GET", "/healthz", &[], None).unwrap().status, 200);
    let slow = thread::spawn(move || browser.poke("/api/slow?ms=1500"));
    eventually("the slow request", || (shop.admin("GET", "/admin/events").json()["continuity"]["found"].as_u64() >= Some(1)).then_some(()));
    thread::scope(|scope| {
        let stop = scope.spawn(|| shop.admin("POST", "/admin/nodes/1/stop"));
        eventually("draining", || (send(node, "GET", "/healthz", &[], None).ok()?.status == 503).then_some(()));
        assert_eq!(slow.join().unwrap().status, 200);
        assert_eq!(stop.join().unwrap().json()["nodes"][0]["state"], "stopped");
    });
}

#[test]
fn administration_and_page_are_guarded() {
    let shop = Shop::start(&["--nodes", "1"]);
    let host = format!("http://{}", shop.addr);
    let own = [("origin", host.as_str()), ("sec-fetch-site", "same-origin"), ("x-shop-admin", "1")];
    assert_eq!(send(shop.addr, "POST", "/admin/nodes/1/start", &own, None).unwrap().status, 200);
    for headers in [
        &[][..],
        &[("x-shop-admin", "1"), ("origin", "http://elsewhere.example")],
        &[("x-shop-admin", "1"), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(send(shop.addr, "POST", "/admin/nodes/1/stop", headers, None).unwrap().status, 403, "{headers:?}");
    }
    // A name that somebody else's DNS points here.
    let mut stream = TcpStream::connect(shop.addr).unwrap();
    stream.write_all(b"GET /admin/nodes HTTP/1.1\r\nhost: elsewhere.example\r\nconnection: close\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut std::io::BufReader::new(stream)).unwrap().status, 403);

    for (path, kind) in [
        ("/", "text/html"),
        ("/style.css", "text/css"),
        ("/app.js", "text/javascript"),
        ("/carts.js", "text/javascript"),
        ("/affinity.js", "text/javascript"),
    ] {
        let answer = send(shop.addr, "GET", path, &[], None).unwrap();
        assert_eq!((answer.status, answer.instance()), (200, "balancer"), "{path}");
        assert!(answer.header("content-type").starts_with(kind));
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert!(!answer.text.contains("https://"), "nothing from elsewhere");
    }
}

#[test]
fn broken_loses_the_cart_on_the_next_click() {
    let shop = Shop::start(&["--nodes", "3", "--mode", "broken"]);
    let mut browser = shop.browser();
    browser.add("tea", 1);
    let session = browser.session();
    assert_eq!((&session["status"], &session["cart"]["count"]), (&json!("lost"), &json!(0)));
    let continuity = &shop.admin("GET", "/admin/events").json()["continuity"];
    assert_eq!((&continuity["lost"], &continuity["rate"]), (&json!(1), &json!(0.0)));
}

#[test]
fn sticky_keeps_the_cart_until_its_node_stops() {
    let shop = Shop::start(&["--nodes", "3", "--mode", "sticky"]);
    let mut browser = shop.browser();
    let pinned = browser.add("tea", 1).instance().to_owned();
    assert_eq!(browser.jar.get("SRV").unwrap().text(), pinned);
    for _ in 0..5 {
        let session = browser.session();
        assert_eq!((&session["instance"], &session["cart"]["count"]), (&json!(pinned), &json!(1)));
    }
    shop.admin("POST", &format!("/admin/nodes/{}/stop", pinned.trim_start_matches("node-")));
    let session = browser.session();
    assert_ne!(session["instance"], json!(pinned));
    assert_eq!((&session["status"], &session["cart"]["count"]), (&json!("lost"), &json!(0)));
    assert_ne!(browser.jar.get("SRV").unwrap().text(), pinned, "pinned to another node");
}

#[test]
fn a_request_that_is_stuck_is_cut_at_the_deadline_and_named() {
    let shop = Shop::start(&["--nodes", "2"]);
    let node = shop.nodes[0].addr;
    let mut stuck = TcpStream::connect(node).unwrap();
    // The body never comes.
    let head = format!("POST /api/cart HTTP/1.1\r\nhost: {node}\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n");
    stuck.write_all(head.as_bytes()).unwrap();
    eventually("the request", || {
        let report = send(node, "GET", "/internal/affinity?format=json", &[], None).unwrap().json();
        (report["drain"]["in_flight"] == 2).then_some(())
    });
    assert_eq!(shop.admin("POST", "/admin/nodes/1/stop").json()["nodes"][0]["state"], "stopped");
    assert!(matches!(stuck.read(&mut [0; 1]), Ok(0) | Err(_)), "no answer, and the connection is closed");
    let news = shop.admin("GET", "/admin/events").json();
    let details = |kind: &str| -> Vec<String> {
        let events = news["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind && event["instance"] == "node-1");
        events.map(|event| event["detail"].as_str().unwrap().to_owned()).collect()
    };
    let [cut] = &details("drain_cut")[..] else { panic!("{news}") };
    assert!(cut.starts_with("POST /api/cart after "), "{cut}");
    assert!(details("node_stopped")[0].contains("1 cut"), "{news}");
    assert_eq!(shop.browser().get("/api/session").instance(), "node-2");
}

/// How each node's report counts the shop's pin.
fn pin_counts(shop: &Shop, count: &str) -> Vec<u64> {
    let overview = shop.admin("GET", "/admin/affinity").json();
    let pin = |node: &Value| node["report"]["pins"].as_array().unwrap().iter().find(|pin| pin["product"] == "haproxy").unwrap().clone();
    overview["nodes"].as_array().unwrap().iter().map(|node| pin(node)["counts"][count].as_u64().unwrap()).collect()
}

#[test]
fn un_pinning_is_switched_on_while_serving() {
    for more in [&[][..], &["--process-per-node"]] {
        let dir = tempfile::tempdir().unwrap();
        let sessions = format!("sqlite:{}", dir.path().join("shop.sqlite").display());
        let shop = Shop::start_in(&sessions, &[&["--nodes", "3", "--mode", "sticky"][..], more].concat());
        let mut clients: Vec<_> = (0..6).map(|_| shop.browser()).collect();
        let pins: Vec<String> = clients.iter_mut().map(|client| client.add("tea", 1).instance().to_owned()).collect();
        for _ in 0..5 {
            for (client, pinned) in clients.iter_mut().zip(&pins) {
                assert_eq!(client.session()["instance"], json!(pinned), "pinned");
            }
        }
        let overview = shop.admin("GET", "/admin/affinity").json();
        assert_eq!((&overview["pins"], &overview["unpinning"], &overview["pinned"]), (&json!(true), &json!(false), &json!(20)));
        assert_eq!(overview["nodes"][0]["report"]["pins"][0]["subject"], "HAProxy, `cookie … insert` (SRV)");
        assert_eq!(pin_counts(&shop, "seen"), [0, 0, 0], "while it is off, nobody is looked at");

        assert_eq!(shop.admin("POST", "/admin/unpinning/on").json()["unpinning"], true);
        for client in &mut clients {
            let told = eventually("the deletion of the pin", || {
                let answer = client.get("/api/session");
                answer.headers.get_all("set-cookie").iter().any(|line| line.as_bytes().starts_with(b"SRV=;")).then_some(answer)
            });
            assert_eq!(told.json()["cart"]["count"], 1);
            assert!(client.jar.get("SRV").is_none(), "the balancer lets the deletion through");
            let turns: BTreeSet<String> = (0..6).map(|_| client.session()["instance"].as_str().unwrap().to_owned()).collect();
            assert_eq!(turns.len(), 3, "every node in turn: {turns:?}");
            assert_eq!(client.session()["cart"]["count"], 1);
        }
        for turn in 0..20 {
            clients[turn % 6].session();
        }
        assert_eq!(shop.admin("GET", "/admin/affinity").json()["pinned"], 0);
        assert!(pin_counts(&shop, "seen").iter().sum::<u64>() >= 6);
        assert_eq!(pin_counts(&shop, "gone").iter().sum::<u64>(), 6, "each client has answered once");
        assert_eq!(pin_counts(&shop, "kept"), [0, 0, 0]);

        // A node that is started later is told, too.
        shop.admin("POST", "/admin/nodes/2/stop");
        shop.admin("POST", "/admin/nodes/2/start");
        let answer =
            eventually("the new node's turn", || Some(clients[0].get("/api/session")).filter(|answer| answer.instance() == "node-2"));
        assert!(answer.headers.get_all("set-cookie").iter().any(|line| line.as_bytes().starts_with(b"SRV=;")));
        assert_eq!(shop.admin("GET", "/admin/events").json()["continuity"]["lost"], 0);

        shop.admin("POST", "/admin/unpinning/off");
        eventually("a pin", || {
            clients[0].session();
            clients[0].jar.get("SRV").is_some().then_some(())
        });
    }
}

#[test]
fn only_a_balancer_that_pins_can_be_un_pinned() {
    let shop = Shop::start(&["--nodes", "2"]);
    assert_eq!(shop.admin("POST", "/admin/unpinning/off").status, 409);
    assert_eq!(shop.admin("POST", "/admin/unpinning/perhaps").status, 404);
    assert_eq!(send(shop.addr, "POST", "/admin/unpinning/off", &[], None).unwrap().status, 403);
    assert_eq!(send(shop.addr, "GET", "/internal/affinity", &[], None).unwrap().status, 404, "not for clients");
    let report = send(shop.nodes[0].addr, "GET", "/internal/affinity", &[], None).unwrap();
    assert!(report.text.starts_with("Stickiness as seen by node-1\n") && report.text.contains("\nDrain: serving\n"), "{report:?}");
}

#[test]
fn the_audit_tells_what_is_wrong_with_the_session_cookie() {
    let shop = Shop::start(&["--nodes", "1"]);
    for _ in 0..3 {
        send(shop.addr, "GET", "/api/session", &[("cookie", "__Host-id=old; __Host-id=new")], None).unwrap();
    }
    let overview = shop.admin("GET", "/admin/affinity").json();
    let finding = &overview["nodes"][0]["report"]["findings"][0];
    assert_eq!((&finding["kind"], &finding["count"]), (&json!("shadowed"), &json!(3)), "{overview}");
    assert_eq!((&overview["pins"], &overview["unpinning"]), (&json!(false), &json!(true)));
}
