//! Two stores as one, by their URLs.

use std::time::Duration;

use unstick_core::ConfigError;

use crate::url::is_one_place;

/// Two stores, perhaps a witness, and the time that one may keep a request waiting.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) stores: [Box<str>; 2],
    pub(super) witness: Option<Box<str>>,
    pub(super) patience: Option<Duration>,
}

impl Pair {
    /// Refuses what could not survive a loss.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self { stores: [a, b], witness, patience } = self;
        if is_one_place(a, b) {
            return Err(ConfigError::new(
                "a replicated store whose two `stores` are one place, and would be lost together: write the URLs of two different ones",
            ));
        }
        if witness.as_ref().is_some_and(|witness| is_one_place(witness, a) || is_one_place(witness, b)) {
            return Err(ConfigError::new(
                "a replicated store whose `witness` is one of its `stores`: write the URL of a third place, or leave `witness` out",
            ));
        }
        if [Some(a), Some(b), witness.as_ref()].into_iter().flatten().any(|url| url.starts_with("token:")) {
            return Err(ConfigError::new(
                "`token:` cannot be among the `stores` of a replicated store, nor its `witness`, as no server has its sessions: write the URLs of stores",
            ));
        }
        if *patience == Some(Duration::ZERO) {
            return Err(ConfigError::new(
                "a replicated store with a `patience` of 0 takes each of its `stores` for lost: write `250ms`, or leave it out",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pair;

    fn refusal(a: &str, b: &str, witness: Option<&str>, patience: Option<Duration>) -> Option<String> {
        let pair = Pair { stores: [a.into(), b.into()], witness: witness.map(Into::into), patience };
        pair.check().err().map(|error| error.to_string())
    }

    #[test]
    fn one_place_is_no_pair() {
        for (a, b) in [
            ("memory:", "memory:"),
            ("redis://:hunter2@a", "redis://a?prefix=b:"),
            ("postgres://u:hunter2@a/d", "postgres://v:hunter2@a/d?sslmode=disable"),
            ("sqlite:x", "sqlite:x"),
            ("sqlite:x", "sqlite:x?busy_timeout_ms=100"),
            ("memory:", "memory:?max_sessions=10"),
            ("redis://:hunter2@a", "redis://A:6379/0"),
            ("rediss://a/1", "redis://a:6379/1/"),
            ("redis-sentinel://a,b/shop", "redis-sentinel://a:26379,b:26379/shop"),
            ("postgres://a/d", "postgresql://a:5432/d"),
            ("mysql://[::1]/d", "mariadb://[::1]:3306/d"),
        ] {
            for refusal in [refusal(a, b, None, None), refusal("redis://c", a, Some(b), None), refusal(a, "redis://c", Some(b), None)] {
                let refusal = refusal.expect(a);
                assert!(refusal.contains("`stores`") && !refusal.contains("hunter2"), "{a}, {b}: {refusal}");
            }
        }
        for (a, b) in [
            ("redis://a/1", "redis://a/2"),
            ("redis://a:1", "redis://a:2"),
            ("redis://a", "postgres://a/d"),
            ("redis-sentinel://a/one", "redis-sentinel://a/two"),
            ("postgres:///d?host=a", "postgres:///d?host=b"),
            ("sqlite:x", "sqlite:y"),
        ] {
            assert_eq!(refusal(a, b, None, None), None, "{a}, {b}");
        }
    }

    #[test]
    fn a_token_or_no_patience_is_refused() {
        assert!(refusal("token:", "redis://a", None, None).unwrap().contains("`token:`"));
        assert!(refusal("redis://a", "redis://b", Some("token:?sealing=signed"), None).unwrap().contains("`witness`"));
        assert!(refusal("redis://a", "redis://b", None, Some(Duration::ZERO)).unwrap().contains("`patience`"));
        assert_eq!(refusal("redis://a", "redis://b", Some("redis://c"), Some(Duration::from_millis(1))), None);
    }
}
