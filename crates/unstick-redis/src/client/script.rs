//! A Lua script and its digest.

use bytes::Bytes;

/// A script: its source, and the SHA-1 under which servers keep it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(super) source: Bytes,
    pub(super) digest: Bytes,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source: Bytes::from_static(source.as_bytes()), digest: fred::util::sha1_hash(source).into() }
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
