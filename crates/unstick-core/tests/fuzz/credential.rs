//! Carriers: nothing but the exact text that we sealed is authentic.

use std::sync::LazyLock;

use unstick_core::{Key, KeyRing, SEALED_LEN, Sealer, Verdict};

static SEALERS: LazyLock<[Sealer; 2]> = LazyLock::new(|| {
    let key = |byte| Key::from_bytes([byte; 32]).expect("a key");
    let ring = KeyRing::new(key(1)).previous(key(2));
    [ring.for_purpose("cookie:__Host-id"), ring.for_purpose("header:x-session")]
});

/// Whether the input was authentic for the cookie. The corpus is signed with keys of bytes 1 and 2.
pub(crate) fn check(data: &[u8]) -> bool {
    let [cookie, header] = &*SEALERS;
    let Verdict::Authentic(opened) = cookie.open(data) else { return false };
    assert_eq!(data.len(), SEALED_LEN);
    if !opened.reissue {
        assert_eq!(cookie.seal(&opened.credential).as_bytes(), data, "one text per credential");
    }
    assert!(matches!(header.open(data), Verdict::Forged), "bound to its purpose");
    true
}
