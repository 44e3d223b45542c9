//! A Lua script and its digest.

use bytes::Bytes;

/// A script: its source, and the SHA-1 under which servers keep it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(super) source: Bytes,
    pub(super) digest: Bytes,
    /// Whether one run may be for many keys, each with a deadline of its own.
    pub(super) gathers: bool,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source: Bytes::from_static(source.as_bytes()), digest: fred::util::sha1_hash(source).into(), gathers: false }
    }

    /// A script that takes, for each of its keys, how many arguments are its own, a deadline, and the others of them. It answers with the
    /// time and, key by key, with a status, with a list that begins with a status, or with an error that is that key's alone.
    pub(crate) fn gathering(source: &'static str) -> Self {
        Self { gathers: true, ..Self::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_that_servers_compute() {
        assert_eq!(Script::new("return 1").digest, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
