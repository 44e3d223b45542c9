//! The cache by URL and from settings.
#![cfg(feature = "cache")]

use unstick::{bus, cache::Namespace, level};

#[tokio::test]
async fn a_refusal_is_one_sentence_with_what_to_write() {
    let secret = "hunter2";
    for (url, part) in [
        ("", "write `memory:`"),
        ("nats://127.0.0.1", "write `memory:`, `redis://…` or `postgres://…`"),
        ("MEMORY:", "write `memory:`"),
        ("valkey://127.0.0.1", "write `redis:`"),
        ("memory:somewhere", "write `memory:`"),
        ("sqlite:bus.sqlite", "write `memory:`, `redis://…` or `postgres://…`"),
        ("hunter2:x@h", "write `memory:`"),
    ] {
        let error = bus::from_url(url).await.unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains(secret), "{url}: {error}");
    }
    for (url, part) in [
        ("carts", "write `memory:` or `redis://…`"),
        ("postgres://127.0.0.1/shop", "write `memory:` or `redis://…`"),
        ("memory:/tmp", "`memory:` has no path"),
        ("memory:?max_entries=0", "a number above 0"),
        ("memory:?max=1", "has no option `max`"),
        ("redis+cluster://a,b", "write `redis-cluster:`"),
    ] {
        let error = level::from_url(url).await.unwrap_err().to_string();
        assert!(error.contains(part), "{url}: {error}");
    }
}

#[tokio::test]
async fn what_is_shared_needs_a_level() {
    let shop = Namespace::builder("shop").bus(bus::from_url("memory:").await.unwrap()).build().await.unwrap();
    let error = shop.cache::<u64, u64>("prices").shared().build().unwrap_err().to_string();
    assert!(error.contains("`shared`") && error.contains("`level`"), "{error}");
}

#[cfg(feature = "serde")]
mod settings {
    use std::time::Duration;

    use unstick::{
        Key, KeyRing,
        cache::{Namespace, ReadYourWritesLayer, writes::WritesCookie},
        config::{CacheConfig, NamespaceConfig, ReadYourWritesConfig},
    };

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
    }

    #[tokio::test]
    async fn what_is_left_out_has_the_builders_default() {
        let configured = read::<NamespaceConfig>("name = \"shop\"").unwrap().builder().await.unwrap();
        assert_eq!(format!("{configured:?}"), format!("{:?}", Namespace::builder("shop")));
        let shop = configured.build().await.unwrap();
        let configured = CacheConfig::default().apply(shop.cache::<u64, u64>("prices"));
        assert_eq!(format!("{configured:?}"), format!("{:?}", shop.cache::<u64, u64>("prices")));
    }

    #[tokio::test]
    async fn every_setting_reaches_its_builder() {
        let text = r#"
            name = "shop"
            level_deadline = "250ms"
            level_pause = 2
            bus_deadline = "300ms"
            alive_for = "5s"
            clamp = "400ms"
            stripes = "1024"
        "#;
        let configured = read::<NamespaceConfig>(text).unwrap().builder().await.unwrap();
        let by_hand = Namespace::builder("shop")
            .level_deadline(Duration::from_millis(250))
            .level_pause(Duration::from_secs(2))
            .bus_deadline(Duration::from_millis(300))
            .alive_for(Duration::from_secs(5))
            .clamp(Duration::from_millis(400))
            .stripes(1024);
        assert_eq!(format!("{configured:?}"), format!("{by_hand:?}"));

        let shop = by_hand.build().await.unwrap();
        let text = r#"
            ttl = "10m"
            l1_ttl = "1m"
            negative_ttl = "5s"
            jitter = "0.25"
            capacity = 77
            stale_if_error = "1h"
            throttle = "3s"
            back_off = "4s"
            soft_timeout = "100ms"
            hard_timeout = "6s"
            load_limit = "7s"
            early_refresh = 1
            lease = "8s"
        "#;
        let second = Duration::from_secs(1);
        let by_hand = shop
            .cache::<u64, u64>("prices")
            .ttl(second * 600)
            .l1_ttl(second * 60)
            .negative_ttl(second * 5)
            .jitter(0.25)
            .capacity(77)
            .stale_if_error(second * 3600)
            .throttle(second * 3)
            .back_off(second * 4)
            .soft_timeout(second / 10)
            .hard_timeout(second * 6)
            .load_limit(second * 7)
            .early_refresh(1.0)
            .lease(second * 8);
        let configured = read::<CacheConfig>(text).unwrap().apply(shop.cache::<u64, u64>("prices"));
        assert_eq!(format!("{configured:?}"), format!("{by_hand:?}"));
        assert_ne!(format!("{configured:?}"), format!("{:?}", shop.cache::<u64, u64>("prices")));

        let digits = "5a".repeat(32);
        let text = format!(
            r#"
            keys = "{digits}"
            header = "x-writes"
            age_limit = "3m"
            tolerated_skew = "20s"
            max_bytes = 512
            max_slots = 8
            cookie = {{ name = "w", domain = "shop.example", cross_site = true, partitioned = true }}
            "#
        );
        let configured = read::<ReadYourWritesConfig>(&text).unwrap().builder(&shop).unwrap();
        let by_hand = ReadYourWritesLayer::new(&shop, KeyRing::new(Key::from_hex(&digits).unwrap()))
            .header("x-writes")
            .age_limit(second * 180)
            .tolerated_skew(second * 20)
            .max_bytes(512)
            .max_slots(8)
            .cookie(WritesCookie::new("w").unwrap().domain("shop.example").cross_site().partitioned());
        assert_eq!(format!("{configured:?}"), format!("{by_hand:?}"));
        assert!(!format!("{configured:?}").contains(&digits));
    }

    #[tokio::test]
    async fn what_cannot_work_names_the_settings() {
        for (text, part) in [
            ("name = \"shop\"\nclmap = \"1s\"", "unknown field `clmap`"),
            ("name = \"shop\"\nclamp = \"soon\"", "a time such as"),
            ("name = \"shop\"\nstripes = -1", "a whole number"),
            ("", "missing field `name`"),
        ] {
            let error = read::<NamespaceConfig>(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for (text, part) in [
            ("name = \"a shop\"", "namespace's name"),
            ("name = \"shop\"\nbus = \"memory:\"\nalive_for = \"1s\"", "`alive_for`"),
            ("name = \"shop\"\nlevel = { env = \"UNSTICK_TEST_IS_NOT_SET\" }", "`level`"),
            ("name = \"shop\"\nbus = \"tcp:x\"", "write `memory:`"),
        ] {
            let error = read::<NamespaceConfig>(text).unwrap().build().await.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let shop = Namespace::local("shop").unwrap();
        let soft = read::<CacheConfig>("soft_timeout = \"1s\"").unwrap().apply(shop.cache::<u64, u64>("prices"));
        let error = soft.build().unwrap_err().to_string();
        assert!(error.contains("`soft_timeout`") && error.contains("`stale_if_error`"), "{error}");
        let text = format!("keys = \"{}\"\nage_limit = 0", "5a".repeat(32));
        assert!(read::<ReadYourWritesConfig>(&text).unwrap().build(&shop).unwrap_err().to_string().contains("`age_limit`"));
    }
}

#[cfg(all(feature = "redis", feature = "postgres"))]
mod servers {
    use std::time::{Duration, Instant};

    use unstick::{
        bus,
        cache::{Cache, Confirmation, Namespace},
        level,
    };
    use unstick_testkit::{
        require_server,
        servers::{PostgresServer, RedisServer},
    };

    async fn node(bus_url: &str, level_url: &str) -> (Namespace, Cache<u64, u64>) {
        let shop = Namespace::builder("shop")
            .bus(bus::from_url(bus_url).await.unwrap())
            .level(level::from_url(level_url).await.unwrap())
            .build()
            .await
            .unwrap();
        let prices = shop.cache("prices").shared().build().unwrap();
        (shop, prices)
    }

    async fn two_nodes_agree(bus_url: &str, level_url: &str) {
        let ((_one, here), (_two, there)) = (node(bus_url, level_url).await, node(bus_url, level_url).await);
        let load = |value| move || async move { Ok::<_, std::io::Error>(value) };
        assert_eq!(here.get_or_load(7, load(1)).await.unwrap(), 1);
        assert_eq!(there.get_or_load(7, load(2)).await.unwrap(), 1, "from the level");
        let told = here.invalidate(&7).await;
        assert_eq!((told.level, told.bus), (Confirmation::Confirmed, Confirmation::Confirmed));
        let patience = Instant::now() + Duration::from_secs(30);
        while there.get(&7).is_some() && Instant::now() < patience {
            tokio::task::yield_now().await;
        }
        assert_eq!(there.get(&7), None, "by a notice");
        assert_eq!(there.get_or_load(7, load(3)).await.unwrap(), 3);
        assert_eq!(here.get_or_load(7, load(4)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn nodes_agree_over_redis_and_over_postgres() {
        let redis = require_server!(RedisServer::start());
        two_nodes_agree(&redis.url(), &redis.url()).await;
        let postgres = require_server!(PostgresServer::start());
        two_nodes_agree(&postgres.url(), &format!("{}?prefix=other:", redis.url())).await;
    }
}
