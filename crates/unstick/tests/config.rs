//! Settings as they are written in files and environments.
#![cfg(all(feature = "serde", feature = "memory"))]

use std::{num::NonZeroU32, process::Command, time::Duration};

use serde::Deserialize;
use unstick::{
    Events, Key, KeyRing, Lifetimes, Scope,
    affinity::{AffinityLayer, Balancer, Head, Percent, PinCookie},
    config::{AffinityConfig, SessionConfig},
    memory::MemoryStore,
    session::{
        SessionLayer,
        cookie::{CookieConfig, SameSite},
    },
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    sessions: SessionConfig,
    #[serde(default)]
    affinity: AffinityConfig,
}

fn digits() -> String {
    "5a".repeat(32)
}

fn sessions(rest: &str) -> Result<SessionConfig, String> {
    let text = format!("store = \"memory:\"\nkeys = \"{}\"\n{rest}", digits());
    toml::from_str(&text).map_err(|error: toml::de::Error| error.to_string())
}

fn keys() -> KeyRing {
    KeyRing::new(Key::from_hex(&digits()).unwrap())
}

#[test]
fn what_is_left_out_has_the_builders_default() {
    let configured = sessions("").unwrap().over(MemoryStore::new()).unwrap();
    assert_eq!(format!("{configured:?}"), format!("{:?}", SessionLayer::new(MemoryStore::new(), keys())));
    let configured = AffinityConfig::default().builder(Scope::Shared).unwrap();
    assert_eq!(format!("{configured:?}"), format!("{:?}", AffinityLayer::builder().sessions(Scope::Shared)));
}

#[test]
fn every_setting_reaches_its_builder() {
    let text = r#"
        header = "x-session"
        idle = "30m"
        absolute = "1d 12h"
        grace = 45
        skew = "90s"
        deadline = "750ms"
        max_size = 65536
        header_budget = 6000
        max_sessions_per_principal = 3
        commit_on_server_error = true
        clear_site_data_on_end = '"cache"'
        [cookie]
        name = "cart"
        domain = "shop.example"
        path = "/shop"
        same_site = "strict"
        partitioned = true
        until_browser_closes = true
        chunks = 2
        readable_by_scripts = true
    "#;
    let lifetimes = Lifetimes::new()
        .idle(Duration::from_secs(1800))
        .absolute(Duration::from_secs(36 * 3600))
        .grace(Duration::from_secs(45))
        .skew(Duration::from_secs(90));
    let cookie = CookieConfig::new("cart").unwrap().domain("shop.example").path("/shop").same_site(SameSite::Strict);
    let cookie = cookie.partitioned().until_browser_closes().chunks(2).readable_by_scripts();
    let by_hand = SessionLayer::new(MemoryStore::new(), keys())
        .header("x-session")
        .lifetimes(lifetimes)
        .deadline(Duration::from_millis(750))
        .max_size(65536)
        .header_budget(6000)
        .max_sessions_per_principal(NonZeroU32::new(3).unwrap())
        .commit_on_server_error()
        .clear_site_data_on_end("\"cache\"")
        .cookie(cookie);
    let configured = sessions(text).unwrap();
    assert_eq!(format!("{:?}", configured.over(MemoryStore::new()).unwrap()), format!("{by_hand:?}"));
    assert!(configured.over(MemoryStore::new()).unwrap().build().is_ok());

    let as_texts =
        text.replace("65536", "\"65536\"").replace("= true", "= \"true\"").replace("= 45", "= \"45\"").replace("= 3\n", "= \"3\"\n");
    assert_ne!(as_texts, text);
    assert_eq!(
        format!("{:?}", sessions(&as_texts).unwrap().over(MemoryStore::new()).unwrap()),
        format!("{by_hand:?}"),
        "as in an environment"
    );
}

#[test]
fn every_setting_of_the_affinity_layer_reaches_its_builder() {
    let text = r#"
        percent = 5
        watch_routes = 2
        allow_sessions_lost_on_other_nodes = true
        balancers = [
            "azure-app-service",
            { product = "haproxy", cookie = "SRV", domain = "a.example", path = "/a", cross_site = true, partitioned = true },
            { product = "haproxy", cookie = "SRV2" },
        ]
        [[expire]]
        name = "EDGE"
        domain = "a.example"
        path = "/a"
        cross_site = true
        partitioned = true
    "#;
    let pin = |name: &str| PinCookie::new(name).unwrap().domain("a.example").unwrap().path("/a").unwrap().cross_site().partitioned();
    let by_hand = AffinityLayer::builder()
        .sessions(Scope::Process)
        .behind(Balancer::azure_app_service())
        .behind(Balancer::of("haproxy", vec![pin("SRV"), PinCookie::new("SRV2").unwrap()]))
        .expire(pin("EDGE"))
        .switch(Percent::of_clients(5))
        .watch_routes(Percent::of_clients(2))
        .events(Events::new("n1"))
        .allow_sessions_lost_on_other_nodes();
    let as_texts = text.replace("= 5", "= \"5\"").replace("= 2", "= \" 2 \"").replace("= true", "= \"true\"");
    assert_ne!(as_texts, text);
    let (by_hand_text, by_hand) = (format!("{by_hand:?}"), format!("{:?}", by_hand.build().unwrap()));
    for text in [text, &as_texts] {
        let config = toml::from_str::<AffinityConfig>(text).unwrap().events(Events::new("n1"));
        assert_eq!(format!("{:?}", config.builder(Scope::Process).unwrap()), by_hand_text, "{text}");
        let layer = config.build(Scope::Process).unwrap();
        assert_eq!(format!("{layer:?}"), by_hand, "{text}");
        assert!(is_on_for(&layer, 4) && !is_on_for(&layer, 5), "{text}");
    }
    let config = toml::from_str::<AffinityConfig>(text).unwrap();
    let refusal = config.build(Scope::Process).unwrap_err().to_string();
    assert!(refusal.contains("`watch_routes(..)`") && refusal.contains("events"), "{refusal}");
    let report = config.events(Events::new("n1")).build(Scope::Process).unwrap().report();
    let subjects: Vec<_> = report.pins.iter().map(|pin| pin.subject.as_str()).collect();
    assert!(
        subjects.iter().any(|subject| subject.ends_with("(SRV, SRV2)")) && subjects.contains(&"Cookie EDGE") && subjects.len() == 3,
        "{subjects:?}"
    );

    for (text, is_on) in [("", true), ("enabled = \"false\"", false), ("percent = 0", false), ("enabled = true\npercent = 100", true)] {
        let config: AffinityConfig = toml::from_str(text).unwrap();
        assert_eq!(is_on_for(&config.build(Scope::Shared).unwrap(), 0), is_on, "{text}");
    }
}

/// Whether the client with this bucket would be un-pinned.
fn is_on_for(layer: &AffinityLayer, bucket: u8) -> bool {
    let request = http::Request::get("/").header("cookie", format!("unstick-bucket={bucket}")).body(()).unwrap();
    layer.is_on(&Head::new(request.method(), request.uri(), request.headers()))
}

#[test]
fn every_refusal_of_the_affinity_layer_names_its_settings() {
    for (text, named) in [
        ("persent = 5", vec!["unknown field `persent`"]),
        ("percent = 101", vec!["`percent`", "0 to 100"]),
        ("percent = \"few\"", vec!["a small whole number"]),
        ("watch_routes = 200", vec!["`watch_routes`", "0 to 100"]),
        ("enabled = false\npercent = 5", vec!["`enabled`", "`percent`"]),
        ("balancers = [\"haproksi\"]", vec!["haproksi"]),
        ("balancers = [{ cookie = \"SRV\" }]", vec!["missing field `product`"]),
        ("balancers = [{ product = \"haproxy\", cookie = \"a b\" }]", vec!["`a b`"]),
        ("balancers = [{ product = \"haproxy\", coookie = \"SRV\" }]", vec!["unknown field `coookie`"]),
        ("balancers = [{ product = \"haproxy\", path = \"/\" }]", vec!["`path`", "`haproxy`", "`cookie`"]),
        ("balancers = [7]", vec!["the name of a balancer product"]),
        (
            "balancers = [{ product = \"haproxy\", cookie = \"SRV\" }]\nexpire = [{ name = \"SRV\" }]",
            vec!["`SRV`", "`balancers`", "`expire`"],
        ),
        ("expire = [{ name = \"SRV\", pth = \"/\" }]", vec!["unknown field `pth`"]),
    ] {
        let refusal = match toml::from_str::<AffinityConfig>(text) {
            Err(refusal) => refusal.message().to_owned(),
            Ok(config) => config.build(Scope::Shared).unwrap_err().to_string(),
        };
        assert!(named.iter().all(|named| refusal.contains(named)), "{text}: {refusal}");
    }
}

#[cfg(feature = "drain")]
mod drain {
    use std::time::Duration;

    use unstick::{affinity::drain::Drain, config::DrainConfig};

    #[test]
    fn every_setting_reaches_its_builder() {
        let text = "readiness_window = \"1500ms\"\ndeadline = 40\ngrace_period = \"1m\"\nnot_ready_status = 404\n";
        let by_hand = Drain::builder()
            .readiness_window(Duration::from_millis(1500))
            .deadline(Duration::from_secs(40))
            .grace_period(Duration::from_secs(60))
            .not_ready_status(404.try_into().unwrap());
        for text in [text.to_owned(), text.replace("40\n", "\"40\"\n").replace("404", "\"404\"")] {
            let config: DrainConfig = toml::from_str(&text).unwrap();
            assert_eq!(format!("{:?}", config.builder().unwrap()), format!("{by_hand:?}"), "{text}");
            assert!(config.build().is_ok());
        }
        assert_eq!(format!("{:?}", DrainConfig::default().builder().unwrap()), format!("{:?}", Drain::builder()));
    }

    #[test]
    fn every_refusal_names_its_settings() {
        for (text, named) in [
            ("window = 5", vec!["unknown field `window`"]),
            ("deadline = 0", vec!["`deadline`"]),
            ("deadline = \"soon\"", vec!["1h 30m"]),
            ("deadline = \"1m\"", vec!["`readiness_window`", "`deadline`", "`grace_period`"]),
            ("not_ready_status = 99", vec!["`not_ready_status`"]),
            ("not_ready_status = 200", vec!["`not_ready_status`"]),
            ("not_ready_status = 70000", vec!["a whole number below 65536"]),
        ] {
            let refusal = match toml::from_str::<DrainConfig>(text) {
                Err(refusal) => refusal.message().to_owned(),
                Ok(config) => config.build().unwrap_err().to_string(),
            };
            assert!(named.iter().all(|named| refusal.contains(named)), "{text}: {refusal}");
        }
    }
}

#[tokio::test]
async fn whole_settings_become_layers() {
    let text = format!(
        "[sessions]\nstore = \"memory:\"\n[sessions.keys]\nsigning = \"{}\"\nprevious = [\"{}\"]\nnext = \"{}\"\n",
        digits(),
        "1b".repeat(32),
        "1c".repeat(32)
    );
    let settings: Settings = toml::from_str(&text).unwrap();
    let layer = settings.sessions.build().await.unwrap();
    assert_eq!((layer.scope(), layer.backend_name()), (Scope::Process, "memory"));
    let refusal = settings.affinity.build(layer.scope()).unwrap_err().to_string();
    assert!(refusal.contains("allow_sessions_lost_on_other_nodes"), "{refusal}");
}

#[tokio::test]
async fn a_migration_is_a_table() {
    let text = |step: &str, to: &str| {
        format!("keys = \"{}\"\n[store.migrate]\nfrom = \"memory:\"\nto = \"{to}\"\nstep = \"{step}\"\nquiet = \"2m\"\n", digits())
    };
    for step in ["prefer-old", "move"] {
        let config: SessionConfig = toml::from_str(&text(step, "memory:?max_sessions=9")).unwrap();
        assert_eq!(config.build().await.unwrap().backend_name(), "migrate");
    }
    let wrong = toml::from_str::<SessionConfig>(&text("later", "memory:?max_sessions=9")).unwrap_err().to_string();
    assert!(wrong.contains("`prefer-old` or `move`"), "{wrong}");
    let same: SessionConfig = toml::from_str(&text("move", "memory:")).unwrap();
    assert!(same.build().await.unwrap_err().to_string().contains("two different URLs"));
    let token: SessionConfig = toml::from_str(&text("move", "token:")).unwrap();
    assert!(token.build().await.unwrap_err().to_string().contains("token"));
}

#[tokio::test]
async fn every_refusal_names_its_setting() {
    for (setting, named) in [
        ("idel = \"1h\"", "unknown field `idel`"),
        ("idle = \"1 fortnight\"", "1h 30m"),
        ("idle = -1", "number of seconds"),
        ("idle = \"2d\"\nabsolute = \"1d\"", "`absolute`"),
        ("grace = \"2h\"", "`grace`"),
        ("deadline = 0", "`deadline`"),
        ("max_size = \"many\"", "a whole number"),
        ("max_size = 0", "`max_size`"),
        ("max_sessions_per_principal = 0", "above 0"),
        ("header = \"cookie\"", "`header`"),
        ("header_budget = 10", "`header_budget`"),
        ("commit_on_server_error = \"perhaps\"", "`true` or `false`"),
        ("cookie = \"a b\"", "cookie name"),
        ("[cookie]\nnmae = \"x\"", "unknown field `nmae`"),
        ("[cookie]\nsame_site = \"maybe\"", "`strict`"),
        ("[cookie]\ninsecure_without_tls = true", "`insecure_without_tls`"),
    ] {
        let refusal = match sessions(setting) {
            Err(refusal) => refusal,
            Ok(config) => config.build().await.unwrap_err().to_string(),
        };
        assert!(refusal.contains(named), "{setting}: {refusal}");
    }
    for (text, named) in [
        ("keys = \"00\"", "missing field `store`"),
        ("store = \"memory:\"", "missing field `keys`"),
        ("store = 7\nkeys = \"00\"", "the URL of a store"),
        ("store = \"memory:\"\nkeys = \"hunter2\"", "`keys.signing`: a signing key is 64"),
        ("store = \"hunter2\"\nkeys = \"5a\"", "begins with its kind"),
        ("store = { env = \"A\", file = \"B\" }\nkeys = \"5a\"", "write one of them"),
        ("store = {}\nkeys = \"5a\"", "nothing is given"),
        ("store = { env = \"UNSTICK_NOT_SET\" }\nkeys = \"5a\"", "`store`: the environment variable `UNSTICK_NOT_SET` is not set"),
        ("store = \"memory:\"\nkeys = { file = \"/nowhere/hunter2\" }", "`keys.signing`: the file"),
        ("store = \"memory:\"\nkeys = { previous = \"5a\" }", "`keys` has no `signing`"),
        ("store = \"memory:\"\nkeys = { signing = \"5a\", env = \"A\" }", "write one of them"),
        ("store = { migrate = { from = \"memory:\", to = \"memory:\" } }\nkeys = \"5a\"", "missing field `step`"),
    ] {
        let refusal = match toml::from_str::<SessionConfig>(text) {
            Err(refusal) => refusal.message().to_owned(),
            Ok(config) => config.build().await.unwrap_err().to_string(),
        };
        assert!(refusal.contains(named), "{text}: {refusal}");
        assert!(!refusal.contains("hunter2") || text.contains("/nowhere"), "{text}: {refusal}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let text = r#"
        store = { migrate = { from = "redis://:hunter2@old", to = "postgres://u:hunter2@new/d", step = "move" } }
        keys = { signing = "hunter2", previous = ["hunter2"], next = { env = "NEXT_KEY" } }
    "#;
    let config: SessionConfig = toml::from_str(text).unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("hunter2") && printed.contains("env NEXT_KEY"), "{printed}");
}

#[tokio::test]
async fn secrets_come_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("{content}\n")).unwrap();
        path.display().to_string().replace('\\', "/")
    };
    let (url, key) = (file("url", "memory:"), file("key", &digits()));
    let config: SessionConfig = toml::from_str(&format!("store = {{ file = \"{url}\" }}\nkeys = {{ file = \"{key}\" }}")).unwrap();
    assert_eq!(config.build().await.unwrap().backend_name(), "memory");
}

/// Runs itself once more with the variables set: a test must not change the environment of its neighbours.
#[tokio::test]
async fn secrets_come_from_the_environment() {
    if std::env::var_os("UNSTICK_TEST_KEY").is_none() {
        // its output is kept apart: it would be taken for that of another test binary
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "secrets_come_from_the_environment"])
            .envs([("UNSTICK_TEST_KEY", digits()), ("UNSTICK_TEST_URL", "memory:".to_owned())])
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let text = "store = { env = \"UNSTICK_TEST_URL\" }\nkeys = { env = \"UNSTICK_TEST_KEY\" }";
    let config: SessionConfig = toml::from_str(text).unwrap();
    assert_eq!(config.build().await.unwrap().backend_name(), "memory");
}
