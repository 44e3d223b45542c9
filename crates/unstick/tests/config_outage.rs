//! Settings for outages: several stores as one, and lifeboats; and a shop that is set up by them alone and goes on without its servers.
#![cfg(feature = "serde")]

#[cfg(all(feature = "axum-08", feature = "lifeboat", feature = "redis", feature = "replicated"))]
mod common;

use unstick::config::SessionConfig;

/// What is said against these settings, when they are read or when they are used.
async fn refusal(store: &str, rest: &str) -> String {
    let text = format!("store = {store}\nkeys = \"{}\"\n{rest}", "5a".repeat(32));
    match toml::from_str::<SessionConfig>(&text) {
        Err(refusal) => refusal.message().to_owned(),
        Ok(config) => config.build().await.map(|layer| panic!("{text}: {layer:?}")).unwrap_err().to_string(),
    }
}

#[tokio::test]
async fn every_refusal_of_a_replicated_store_names_its_settings() {
    let two = r#"stores = ["redis://:hunter2@127.0.0.1:1", "redis://:hunter2@127.0.0.1:2"]"#;
    for (table, rest, named) in [
        (r"witness = 'redis://a'", "", vec!["missing field `stores`"]),
        (r"stores = 'redis://a'", "", vec!["invalid type"]),
        (r"stores = ['redis://a']", "", vec!["`store.replicated.stores` has 1", "`witness`"]),
        (r"stores = ['redis://a', 'redis://b', 'redis://c']", "", vec!["`store.replicated.stores` has 3", "`witness`"]),
        (r"stores = ['redis://a', 'redis://a']", "", vec!["`stores`", "one place"]),
        (r"stores = ['redis://u:hunter2@a', 'redis://a?prefix=b:']", "", vec!["`stores`", "one place"]),
        (r"stores = ['redis://a', 'redis://b'], witness = 'redis://b'", "", vec!["`witness`", "`stores`"]),
        (r"stores = ['redis://a', 'token:']", "", vec!["`token:`", "`stores`"]),
        (r"stores = ['redis://a', { env = 'UNSTICK_NOT_SET' }]", "", vec!["`store.replicated.stores`", "`UNSTICK_NOT_SET`"]),
        (r"stores = ['redis://a', 'redis://b'], witness = { file = '/nowhere' }", "", vec!["`store.replicated.witness`", "`/nowhere`"]),
        (&format!("{two}, witnes = 'redis://c'"), "", vec!["unknown field `witnes`"]),
        (&format!("{two}, patience = 'a while'"), "", vec!["1h 30m"]),
        (&format!("{two}, patience = 0"), "", vec!["`patience`", "`stores`"]),
        (&format!("{two}, patience = '1s'"), "", vec!["`store.replicated.patience` is 1s", "`deadline` 2s"]),
        (two, "deadline = '900ms'", vec!["`store.replicated.patience` is 250ms", "`deadline` 900ms"]),
    ] {
        let refusal = refusal(&format!("{{ replicated = {{ {table} }} }}"), rest).await;
        assert!(named.iter().all(|named| refusal.contains(named)), "{table}: {refusal}");
        assert!(!refusal.contains("hunter2"), "{table}: {refusal}");
    }
    for (other, named) in
        [("env = 'A'", "`env`"), ("file = 'A'", "`file`"), ("migrate = { from = 'a', to = 'b', step = 'move' }", "`migrate`")]
    {
        let refusal = refusal(&format!("{{ replicated = {{ {two} }}, {other} }}"), "").await;
        assert!(refusal.contains("`replicated`") && refusal.contains(named), "{other}: {refusal}");
    }
    #[cfg(not(feature = "replicated"))]
    assert!(refusal(&format!("{{ replicated = {{ {two} }} }}"), "").await.contains(r#"features = ["replicated"]"#));
}

#[test]
fn urls_of_a_replicated_store_are_not_printed() {
    let text = r#"
        store = { replicated = { stores = ["redis://:hunter2@a", { env = "REDIS_B" }], witness = "postgres://u:hunter2@c/d" } }
        keys = "hunter2"
        lifeboat = { fields = ["cart"], keys = "hunter2" }
    "#;
    let config: SessionConfig = toml::from_str(text).unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("hunter2") && printed.contains("env REDIS_B"), "{printed}");
    let options = unstick::store::replicating(["redis://:hunter2@a", "redis://b"], Some("postgres://u:hunter2@c/d"));
    let printed = format!("{options:?}");
    assert!(!printed.contains("hunter2") && printed.contains("postgres://c/d"), "{printed}");
}

#[cfg(all(feature = "lifeboat", feature = "memory"))]
mod lifeboat {
    use std::time::Duration;

    use unstick::{
        Key, KeyRing,
        session::lifeboat::{Decision, Lifeboat},
    };

    use super::*;

    #[tokio::test]
    async fn every_refusal_names_its_settings() {
        for (table, rest, named) in [
            ("", "", vec!["missing field `fields`"]),
            ("fields = []", "", vec!["`lifeboat` has 0 fields"]),
            ("fields = ['cart', 'Principal']", "", vec!["`lifeboat` field `Principal`"]),
            ("fields = ['cart', 'cart']", "", vec!["`cart` is named twice"]),
            ("fields = ['cart'], field = 'wish'", "", vec!["unknown field `field`"]),
            ("fields = ['cart'], max_bytes = 'few'", "", vec!["a whole number"]),
            ("fields = ['cart'], max_bytes = 10", "", vec!["`lifeboat` `max_bytes` is 10"]),
            ("fields = ['cart'], max_bytes = 3000", "", vec!["`max_bytes` is 3000", "`header_budget` 3072"]),
            ("fields = ['cart'], lifetime = '30d'", "", vec!["`lifeboat` `lifetime`", "`absolute`"]),
            ("fields = ['cart'], lifetime = 'long'", "", vec!["1h 30m"]),
            ("fields = ['cart'], keys = 'hunter2'", "", vec!["`lifeboat.keys.signing`: a signing key is 64"]),
            ("fields = ['cart'], keys = { env = 'UNSTICK_NOT_SET' }", "", vec!["`lifeboat.keys.signing`", "`UNSTICK_NOT_SET`"]),
            ("fields = ['cart']", "header = 'x-session'", vec!["`lifeboat` and `header`"]),
        ] {
            let refusal = refusal("'memory:'", &format!("lifeboat = {{ {table} }}\n{rest}")).await;
            assert!(named.iter().all(|named| refusal.contains(named)), "{table}: {refusal}");
            assert!(!refusal.contains("hunter2"), "{table}: {refusal}");
        }
        #[cfg(feature = "token")]
        assert!(refusal("'token:'", "lifeboat = { fields = ['cart'] }").await.contains("`lifeboat` over `token`"));
    }

    #[test]
    fn every_setting_reaches_the_lifeboat() {
        let digits = "5a".repeat(32);
        let keys = || KeyRing::new(Key::from_hex(&digits).unwrap());
        for (table, by_hand) in [
            ("fields = ['cart']", Lifeboat::new(keys()).field("cart")),
            (
                "fields = ['cart', 'wish'], max_bytes = '1500', lifetime = '2h'",
                Lifeboat::new(keys()).field("cart").field("wish").max_bytes(1500).lifetime(Duration::from_secs(7200)),
            ),
        ] {
            let text = format!("store = 'memory:'\nkeys = '{digits}'\nlifeboat = {{ {table} }}");
            let config: SessionConfig = toml::from_str(&text).unwrap();
            let lifeboat = config.lifeboat().unwrap().unwrap();
            assert_eq!(format!("{lifeboat:?}"), format!("{by_hand:?}"));
            let lifeboat = lifeboat.field_merged_by("queue", |_| Decision::KeepStored);
            assert!(config.over(unstick::memory::MemoryStore::new()).unwrap().lifeboat(lifeboat).build().is_ok());
        }
        let config: SessionConfig = toml::from_str(&format!("store = 'memory:'\nkeys = '{digits}'")).unwrap();
        assert!(config.lifeboat().unwrap().is_none());
    }
}

#[cfg(all(feature = "memory", not(feature = "lifeboat")))]
#[tokio::test]
async fn a_lifeboat_needs_its_feature() {
    assert!(refusal("'memory:'", "lifeboat = { fields = ['cart'] }").await.contains(r#"features = ["lifeboat"]"#));
}

#[cfg(all(feature = "memory", feature = "replicated", feature = "sqlite"))]
#[tokio::test]
async fn several_as_one_reach_as_far_as_the_least() {
    use unstick::Scope;

    let directory = tempfile::tempdir().unwrap();
    let [a, b, w] = ["a", "b", "w"].map(|name| format!("sqlite:{}", directory.path().join(name).display()));
    let of = async |stores: [&str; 2], witness: &str| {
        let witness = if witness.is_empty() { String::new() } else { format!(", witness = '{witness}'") };
        let store = format!("{{ replicated = {{ stores = ['{}', '{}']{witness}, patience = '500ms' }} }}", stores[0], stores[1]);
        let config: SessionConfig = toml::from_str(&format!("store = {store}\nkeys = '{}'", "5a".repeat(32))).unwrap();
        let layer = config.build().await.unwrap();
        assert_eq!(layer.backend_name(), "replicated");
        layer.scope()
    };
    assert_eq!(of([&a, &b], "").await, Scope::Host);
    assert_eq!(of([&a, &b], &w).await, Scope::Host);
    assert_eq!(of([&a, "memory:"], "").await, Scope::Process);
    assert_eq!(of([&a, &b], "memory:").await, Scope::Process, "each process would have a witness of its own");
}

#[cfg(all(feature = "axum-08", feature = "lifeboat", feature = "redis", feature = "replicated"))]
mod story {
    use std::{sync::Arc, time::Duration};

    use axum::{Router, extract::Path, http::StatusCode, routing};
    use unstick::session::{Session, SessionError};
    use unstick_testkit::{client::Jar, require_server, servers::RedisServer};

    use super::{common::send, *};

    /// All that a node knows of where sessions live.
    fn settings(stores: &[Arc<RedisServer>; 3]) -> String {
        let [a, b, w] = stores.each_ref().map(|server| format!("{}?start=lazy&deadline_ms=3000", server.url()));
        format!(
            r#"
            keys = "{}"
            deadline = "15s"
            [store.replicated]
            stores = ["{a}", "{b}"]
            witness = "{w}"
            patience = "3s"
            [lifeboat]
            fields = ["cart"]
            keys = "{}"
            max_bytes = 1000
            "#,
            "5a".repeat(32),
            "6b".repeat(32)
        )
    }

    async fn node(settings: &str) -> Router {
        let add = async |session: Session, Path(item): Path<String>| {
            let with = |cart: Option<Vec<String>>| {
                let mut cart = cart.unwrap_or_default();
                if !cart.contains(&item) {
                    cart.push(item.clone());
                }
                Some(cart)
            };
            session.update("cart", with).await?;
            Ok::<_, SessionError>("added")
        };
        let show = async |session: Session| {
            let cart: Vec<String> = session.get("cart").await?.unwrap_or_default();
            Ok::<_, SessionError>(format!("{:?}: {}", session.status(), cart.join(", ")))
        };
        let layer = toml::from_str::<SessionConfig>(settings).unwrap().build().await.unwrap();
        Router::new().route("/cart", routing::get(show)).route("/cart/{item}", routing::post(add)).layer(layer)
    }

    /// Until it is acknowledged: on a busy machine a second store may seem to be away for a moment.
    async fn add(jar: &mut Jar, node: &Router, item: &str) {
        while send(jar, node, "POST", &format!("/cart/{item}")).await.0 != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until it is shown like that.
    async fn shown(jar: &mut Jar, node: &Router, wanted: &str) {
        loop {
            let (status, cart) = send(jar, node, "GET", "/cart").await;
            if status == StatusCode::OK && cart == wanted {
                return;
            }
            let items = wanted.split_once(": ").map(|(_, items)| items);
            let kept = status == StatusCode::SERVICE_UNAVAILABLE || cart.split_once(": ").map(|(_, items)| items) == items;
            assert!(kept, "the cart is {status} {cart}, and not {wanted}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn of(server: &Arc<RedisServer>, what: fn(&RedisServer)) {
        let server = server.clone();
        tokio::task::spawn_blocking(move || what(&server)).await.unwrap();
    }

    async fn goes_on(stores: [Arc<RedisServer>; 3]) {
        let settings = settings(&stores);
        let [a, b, _] = &stores;
        let first = node(&settings).await;
        let mut jar = Jar::new();
        add(&mut jar, &first, "tea").await;

        // One store is lost: carts are read and changed as before, also on a node that starts without it.
        of(a, RedisServer::kill).await;
        add(&mut jar, &first, "mug").await;
        let second = node(&settings).await;
        add(&mut jar, &second, "pot").await;
        shown(&mut jar, &first, "Live: tea, mug, pot").await;

        // Then the other one: the cart is in the lifeboat.
        of(b, RedisServer::kill).await;
        shown(&mut jar, &first, "Degraded: tea, mug, pot").await;
        add(&mut jar, &second, "cup").await;
        shown(&mut jar, &first, "Degraded: tea, mug, pot, cup").await;

        // Both are back: what was changed meanwhile is in the session, on every node.
        of(a, RedisServer::restart).await;
        of(b, RedisServer::restart).await;
        shown(&mut jar, &second, "Live: tea, mug, pot, cup").await;
        shown(&mut jar, &first, "Live: tea, mug, pot, cup").await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_shop_set_up_by_settings_goes_on_without_one_store_and_without_both() {
        let start = || RedisServer::builder().appendonly().start();
        let stores = [require_server!(start()), require_server!(start()), require_server!(start())].map(Arc::new);
        tokio::time::timeout(Duration::from_secs(300), goes_on(stores)).await.expect("the shop does not get on");
    }
}
