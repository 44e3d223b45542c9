//! What a trace shows of loads: what a loader does belongs to the request that began it, and no key is shown.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use tracing::Instrument;
use tracing_subscriber::fmt::format::FmtSpan;
use unstick_cache::{Cache, LoadErrorKind};

/// Lines of a log.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines with `what` since the last time.
    fn take(&self, what: &str) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        assert!(!text.contains("secret"), "keys and values are nobody's business: {text}");
        text.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }
}

fn request() -> tracing::Span {
    tracing::info_span!("request")
}

#[tokio::test]
async fn loads_are_spans_of_the_request_that_began_them() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let carts = Cache::<String, String>::local("carts").unwrap().ttl(Duration::from_secs(60)).build().unwrap();

    let loader = || async {
        tracing::info!("the query");
        Ok::<_, io::Error>("a secret value".to_owned())
    };
    let loaded = carts.get_or_load("a secret key".to_owned(), loader).instrument(request()).await;
    assert_eq!(loaded.unwrap(), "a secret value");
    let lines = log.take("cache.load");
    let (query, close) = (&lines[0], lines.last().unwrap());
    assert!(query.contains("request:cache.load{") && query.ends_with("the query"), "{query}");
    assert!(query.contains("cache=\"carts\""), "{query}");
    assert!(close.contains("outcome=\"value\"") && close.contains("close"), "{close}");

    let held = carts.get_or_load("a secret key".to_owned(), || async { Err::<String, _>(io::Error::other("asked for nothing")) });
    held.instrument(request()).await.unwrap();
    assert_eq!(log.take("cache.load"), <[String; 0]>::default(), "what is held costs no span");

    let failed = carts.get_or_load("another secret key".to_owned(), || async { Err::<String, _>(io::Error::other("a secret reason")) });
    assert_eq!(failed.instrument(request()).await.unwrap_err().kind(), LoadErrorKind::Failed);
    let lines = log.take("cache.load");
    assert!(lines.last().is_some_and(|line| line.contains("outcome=\"failed\"")), "{lines:?}");
}
