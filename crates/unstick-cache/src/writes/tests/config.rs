use std::{sync::Arc, time::Duration};

use unstick_core::{Events, Runtime};

use super::{MINUTE, ReadYourWritesBuilder, Recorder, ring};
use crate::writes::{CarryWritesLayer, ClientWrites, ReadYourWrites, ReadYourWritesLayer, ResponseBody, ResponseFuture, WritesCookie};

fn builder() -> ReadYourWritesBuilder {
    ReadYourWritesBuilder::over(Arc::new(Recorder::default()), ring(), Runtime::tokio(), Events::default())
}

#[test]
fn what_cannot_work_is_refused() {
    let cookie = WritesCookie::default;
    let refused = [
        (builder().age_limit(Duration::from_secs(2)), "age_limit"),
        (builder().age_limit(Duration::ZERO), "age_limit"),
        (builder().max_slots(3), "max_slots"),
        (builder().max_slots(65), "max_slots"),
        (builder().max_bytes(100), "max_bytes"),
        (builder().max_bytes(2049), "max_bytes"),
        (builder().header("no header"), "header"),
        (builder().header("Cookie"), "header"),
        (builder().cookie(cookie().cross_site().insecure_without_tls()), "cross_site"),
        (builder().cookie(cookie().partitioned().insecure_without_tls()), "partitioned"),
        (builder().cookie(cookie().domain("a; b")), "domain"),
    ];
    for (builder, named) in refused {
        let sentence = builder.build().unwrap_err().to_string();
        assert!(sentence.contains(named), "{named}: {sentence}");
    }
    assert!(WritesCookie::new("a b").is_err() && WritesCookie::new("").is_err());
    assert!(builder().age_limit(Duration::from_secs(3)).tolerated_skew(MINUTE).build().is_ok());
}

#[test]
fn prefixes_follow_from_the_attributes() {
    let cookie = || WritesCookie::new("w").unwrap();
    assert_eq!(cookie().prefix(), "__Host-w-");
    assert_eq!(cookie().domain("shop.example").prefix(), "__Secure-w-");
    assert_eq!(cookie().insecure_without_tls().prefix(), "w-");
}

#[test]
fn traits() {
    fn check<T: Send + Sync + Clone>() {}
    fn sent<T: Send>() {}
    check::<ReadYourWritesLayer>();
    check::<ReadYourWrites<()>>();
    check::<CarryWritesLayer>();
    check::<ClientWrites>();
    sent::<ResponseFuture<std::future::Ready<()>>>();
    sent::<ResponseBody<()>>();
}
