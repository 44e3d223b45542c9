//! The names of channels.

use std::sync::Arc;

/// What all nodes of an application listen to, and each to its messages to itself.
///
/// A name is at most 63 bytes, or the server refuses to notify it; a prefix is at most 32.
pub(super) fn shared(prefix: &str) -> Arc<str> {
    format!("{prefix}bus").into()
}

/// Where one subscription listens alone.
pub(super) fn own(shared: &str, salt: u64) -> Arc<str> {
    format!("{shared}_{salt:016x}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_tell_applications_apart() {
        let longest = own(&shared(&"p".repeat(32)), u64::MAX);
        assert!(longest.len() <= 63, "{longest}");
        assert_ne!(shared("shop_"), shared("cms_"));
        assert_ne!(own(&shared("a_"), 1), own(&shared("a_"), 2));
    }
}
