//! The published examples, through the functions that seal and open our own tokens.

use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::*;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    decode_exactly(text.as_bytes()).expect("base64 of that length")
}

/// Text broken into lines, as the documents print it.
fn joined(lines: &[&str]) -> String {
    lines.concat()
}

/// RFC 7515 appendix A.1. The header there is a JWT's, with a line break.
#[test]
fn rfc_7515_a1_hs256() {
    let key = decode(b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").unwrap();
    let input = joined(&[
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
        ".",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    ]);
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    assert_eq!(encode(mac.clone().chain_update(&input).finalize().into_bytes()), signature);
    assert!(is_mac(&mac, input.as_bytes(), signature.as_bytes()));
    assert!(!is_mac(&mac, input.as_bytes(), b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"), "another last bit");
}

/// RFC 8037 appendix A.4: what RFC 7515 has no example of.
#[test]
fn rfc_8037_a4_eddsa() {
    let key = SigningKey::from_bytes(&bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
    assert_eq!(encode(key.verifying_key()), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(encode(key.sign(input.as_bytes()).to_bytes()), signature);
    assert!(is_signature(&key.verifying_key(), input.as_bytes(), signature.as_bytes()));
    assert!(!is_signature(&key.verifying_key(), b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd", signature.as_bytes()));
}

/// RFC 7516 appendix A.1 encrypts the content key for an RSA key; its content is A256GCM, and the content key is printed.
#[test]
fn rfc_7516_a1_a256gcm() {
    let key = [
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46, 34, 105, 47, 130, 203, 46,
        122, 234, 64, 252,
    ];
    let message = b"The true sign of intelligence is not knowledge but imagination.";
    let header = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
    let iv = "48V1_ALb6US04U3b";
    let text = "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A";
    let tag = "XFBoMYUZodetZdvTiFvSkQ";
    let cipher = Aes256Gcm::new(&key.into());
    let sealed = encrypt(&cipher, header, bytes(iv), message.to_vec()).unwrap();
    assert_eq!(sealed, format!("{header}..{iv}.{text}.{tag}"));
    let parts = [iv.as_bytes(), text.as_bytes(), tag.as_bytes()];
    assert_eq!(decrypt(&cipher, header.as_bytes(), parts).unwrap(), message);
    assert!(decrypt(&cipher, b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifR", parts).is_none(), "the header is covered");
}

/// RFC 7520 section 5.6 is the only published example of `dir` with GCM. Its key has 128 bits.
#[test]
fn rfc_7520_5_6_dir() {
    let cipher = Aes128Gcm::new(&bytes::<16>("XctOhJAkA-pD9Lh7ZgW_2A").into());
    let message = "You can trust us to stick with you through thick and thin\u{2013}to the bitter end. And you can trust us to keep any \
                   secret of yours\u{2013}closer than you keep it yourself. But you cannot trust us to let you face trouble alone, and go \
                   off without a word. We are your friends, Frodo.";
    let header = "eyJhbGciOiJkaXIiLCJraWQiOiI3N2M3ZTJiOC02ZTEzLTQ1Y2YtODY3Mi02MTdiNWI0NTI0M2EiLCJlbmMiOiJBMTI4R0NNIn0";
    let iv = "refa467QzzKx6QAB";
    let text = joined(&[
        "JW_i_f52hww_ELQPGaYyeAB6HYGcR559l9TYnSovc23XJoBcW29rHP8yZOZG7Y",
        "hLpT1bjFuvZPjQS-m0IFtVcXkZXdH_lr_FrdYt9HRUYkshtrMmIUAyGmUnd9zM",
        "DB2n0cRDIHAzFVeJUDxkUwVAE7_YGRPdcqMyiBoCO-FBdE-Nceb4h3-FtBP-c_",
        "BIwCPTjb9o0SbdcdREEMJMyZBH8ySWMVi1gPD9yxi-aQpGbSv_F9N4IZAxscj5",
        "g-NJsUPbjk29-s7LJAGb15wEBtXphVCgyy53CoIKLHHeJHXex45Uz9aKZSRSIn",
        "ZI-wjsY0yu3cT4_aQ3i1o-tiE-F8Ios61EKgyIQ4CWao8PFMj8TTnp",
    ]);
    let tag = "vbb32Xvllea2OtmHAdccRQ";
    let sealed = encrypt(&cipher, header, bytes(iv), message.as_bytes().to_vec()).unwrap();
    assert_eq!(sealed, format!("{header}..{iv}.{text}.{tag}"));
    assert_eq!(decrypt(&cipher, header.as_bytes(), [iv.as_bytes(), text.as_bytes(), tag.as_bytes()]).unwrap(), message.as_bytes());
}

#[test]
fn one_text_per_value() {
    assert_eq!(decode(b"AA"), Some(vec![0]));
    for text in [&b"AB"[..], b"AA=", b"AA==", b"A", b"A+", b"A/", b"A A", b"AA\n", b" AA"] {
        assert_eq!(decode(text), None, "{}", text.escape_ascii());
    }
    assert_eq!(decode_exactly::<1>(b"AA"), Some([0]));
    assert_eq!(decode_exactly::<1>(b"AAA"), None, "too long");
    assert_eq!(decode_exactly::<2>(b"AA"), None, "too short");
    assert_eq!(decode_exactly::<16>(&[b'A'; 4000]), None);
}
