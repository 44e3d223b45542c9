//! Whatever is done to a token or made up: it is refused, with a defined answer.

mod common;

use common::*;
use unstick_core::{Carriage, Opening, SessionBackend};
use unstick_token::{Token, TokenKey, TokenKeys};

const FIELDS: &[(&str, &str)] = &[("cart", "[1,2,3]"), ("note", "not json")];

fn is_authentic(token: &Token, text: &[u8]) -> bool {
    matches!(token.open(COOKIE, text), Opening::Authentic(_))
}

#[track_caller]
fn refuse(token: &Token, text: &str, why: &str) {
    let opening = token.open(COOKIE, text.as_bytes());
    assert!(!matches!(opening, Opening::Authentic(_)), "{why}: {opening:?}");
}

#[tokio::test]
async fn every_flipped_bit_is_refused() {
    for key in kinds() {
        let token = token(key);
        let text = create(&token, NOW, FIELDS).await.into_bytes();
        assert!(is_authentic(&token, &text));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                assert!(!is_authentic(&token, &flipped), "bit {bit} of {at}");
            }
        }
    }
}

#[tokio::test]
async fn every_other_length_is_refused() {
    for key in kinds() {
        let token = token(key);
        let text = create(&token, NOW, FIELDS).await;
        for length in 0..text.len() {
            assert!(!is_authentic(&token, &text.as_bytes()[..length]), "cut to {length}");
            assert!(!is_authentic(&token, &text.as_bytes()[length + 1..]), "begun after {length}");
        }
        for more in [".", "=", "A", " ", "\0", ".A", ".."] {
            refuse(&token, &format!("{text}{more}"), more);
            refuse(&token, &format!("{more}{text}"), more);
        }
        assert!(!is_authentic(&token, &[b'A'; 100_000]));
        assert!(!is_authentic(&token, &[b'.'; 100_000]));
    }
}

#[tokio::test]
async fn pieces_of_two_tokens_are_refused() {
    for key in kinds() {
        let token = token(key);
        let (one, other) = (create(&token, NOW, FIELDS).await, create(&token, NOW, &[("cart", "[1,2,4]"), ("note", "not json")]).await);
        assert_eq!(one.len(), other.len());
        let (one, other): (Vec<&str>, Vec<&str>) = (one.split('.').collect(), other.split('.').collect());
        let mut tried = 0;
        for at in (0..one.len()).filter(|at| one[*at] != other[*at]) {
            let mut mixed = one.clone();
            mixed[at] = other[at];
            refuse(&token, &mixed.join("."), "mixed");
            tried += 1;
        }
        assert!(tried >= 2);
        let half = one.join(".").len() / 2;
        refuse(&token, &format!("{}{}", &one.join(".")[..half], &other.join(".")[half..]), "half of each");
    }
}

/// RFC 8725 sections 2.1 and 3.1: the signature is genuine, the header is not ours.
#[test]
fn headers_of_an_attackers_choosing_are_refused() {
    let token = token(hs256());
    let claims = serde_json::to_string(&common::claims()).unwrap();
    assert!(is_authentic(&token, signed(HEADER, &claims).as_bytes()), "the same claims under our header");
    for header in [
        r#"{"alg":"none","typ":"unstick+jwt","kid":"k1"}"#,
        r#"{"alg":"None","typ":"unstick+jwt","kid":"k1"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":"HS384","typ":"unstick+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"unstick+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#,
        r#"{"alg":"HS256","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"../../etc/passwd"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"' or 1=1"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":1}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","zip":"DEF"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","crit":["x"],"x":1}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","jku":"https://localhost/keys"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","jwk":{"kty":"oct","k":"AAAA"}}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","x5u":"https://localhost/x"}"#,
        r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1","kid":"k1"}"#,
        r#"{"typ":"unstick+jwt","alg":"HS256","kid":"k1"}"#,
        r#"{"alg": "HS256","typ":"unstick+jwt","kid":"k1"}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1000000000,"p2s":"AAAA"}"#,
        "",
        "null",
        "\u{ff}",
    ] {
        refuse(&token, &signed(header, &claims), header);
        // Unsigned, and signed with nothing.
        refuse(&token, &format!("{}.{}.", b64(header), b64(&claims)), header);
        refuse(&token, &format!("{}.{}", b64(header), b64(&claims)), header);
    }
}

/// RFC 8725 section 2.1: a public key is no HMAC secret.
#[test]
fn a_public_key_is_no_secret() {
    use hmac::{Hmac, KeyInit, Mac};
    let public = eddsa().ed25519_public().unwrap();
    let token = token(eddsa());
    let claims = serde_json::to_string(&common::claims()).unwrap();
    for secret in
        [public.to_vec(), b64(public).into_bytes(), format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(public)).into_bytes()]
    {
        for header in [HEADER, r#"{"alg":"EdDSA","typ":"unstick+jwt","kid":"k1"}"#] {
            let input = format!("{}.{}", b64(header), b64(&claims));
            let mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap().chain_update(&input).finalize().into_bytes();
            let forged = format!("{input}.{}", b64(mac));
            assert!(matches!(token.open(COOKIE, forged.as_bytes()), Opening::Forged), "a known key, not its signature");
        }
    }
}

#[tokio::test]
async fn signed_is_not_encrypted_and_other_shapes_are_nothing() {
    let (signing, sealing) = (token(hs256()), token(a256gcm()));
    let (signed, sealed) = (create(&signing, NOW, FIELDS).await, create(&sealing, NOW, FIELDS).await);
    for (token, foreign) in [(&signing, &sealed), (&sealing, &signed)] {
        assert!(matches!(token.open(COOKIE, foreign.as_bytes()), Opening::Forged), "a key of that id, and another algorithm");
    }
    let parts: Vec<&str> = sealed.split('.').collect();
    let [header, _, iv, text, tag] = parts[..] else { panic!("five parts") };
    for (shape, why) in [
        (format!("{header}.AAAA.{iv}.{text}.{tag}"), "an encrypted key where `dir` has none"),
        (format!("{header}.{iv}.{text}.{tag}"), "four parts"),
        (format!("{header}..{iv}.{text}.{tag}."), "six parts"),
        (format!("{header}..{iv}.{text}."), "no tag"),
        (format!("{header}...{text}.{tag}"), "no nonce"),
        (format!("{header}..{iv}..{tag}"), "no message"),
        (format!("{header}..{iv}.{text}.{}", &tag[..10]), "a short tag"),
        (format!("{header}..{iv}.{text}.{tag}{tag}"), "a long tag"),
        (format!("{header}.{text}.{tag}"), "as if signed"),
        (format!(r#"{{"protected":"{header}","iv":"{iv}","ciphertext":"{text}","tag":"{tag}"}}"#), "JSON serialisation"),
    ] {
        refuse(&sealing, &shape, why);
    }
    let parts: Vec<&str> = signed.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    for (shape, why) in [
        (format!("{header}.{claims}."), "an empty signature"),
        (format!("{header}..{signature}"), "detached claims"),
        (format!("{header}.{claims}.{signature}="), "padding"),
        (format!("{header}.{claims}.{}", &signature[..42]), "a short signature"),
        (format!("{header}.{claims}.{signature}.{signature}"), "four parts"),
        (format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#), "JSON serialisation"),
        (common::signed(HEADER, &signed), "a token in a token"),
    ] {
        refuse(&signing, &shape, why);
    }
}

#[tokio::test]
async fn a_token_is_bound_to_cookie_carriage_purpose_issuer_and_key() {
    for key in kinds() {
        let here = token(key.clone());
        let text = create(&here, NOW, FIELDS).await;
        assert!(matches!(here.open(Carriage::Header, text.as_bytes()), Opening::Forged), "another carriage");
        let others = [
            (builder(key.clone()).cookie_name("__Host-other"), "another cookie"),
            (builder(key.clone()).purpose("admin"), "another purpose"),
            (builder(key.clone()).issuer("another"), "another issuer"),
        ];
        for (other, why) in others {
            assert!(matches!(other.build().unwrap().open(COOKIE, text.as_bytes()), Opening::Forged), "{why}");
        }
        // What looks like a cookie's audience is not made by naming a header so.
        let odd = builder(key.clone()).cookie_name("a").header_name("cookie:__Host-id").build().unwrap();
        assert!(matches!(odd.open(Carriage::Header, text.as_bytes()), Opening::Forged));
        let elsewhere = token(key.with_id("k2").unwrap());
        assert!(matches!(elsewhere.open(COOKIE, text.as_bytes()), Opening::UnknownKey), "a key that is not in the ring");
    }
    let text = create(&token(hs256()), NOW, FIELDS).await;
    let same_id = TokenKey::hs256(&[17; 32]).unwrap().with_id("k1").unwrap();
    assert!(matches!(token(same_id).open(COOKIE, text.as_bytes()), Opening::Forged), "another key of the same id");
}

#[test]
fn keys_that_are_none_are_refused() {
    for short in [&b""[..], b"secret", &[1; 31], &[0; 32], &[b'0'; 64]] {
        assert!(TokenKey::hs256(short).is_err(), "{} bytes", short.len());
    }
    assert!(TokenKey::a256gcm([0; 32]).is_err());
    assert!(TokenKey::ed25519([0; 32]).is_err());
    assert!(TokenKey::ed25519_verifying([0; 32]).is_err(), "a point of small order");
    for kid in ["", "a b", "a\"", "\u{e9}", &"k".repeat(65)] {
        assert!(hs256().with_id(kid).is_err(), "{kid:?}");
    }
    let public = TokenKey::ed25519_verifying(eddsa().ed25519_public().unwrap()).unwrap();
    assert!(TokenKeys::new(public).is_err_and(|error| error.to_string().contains("verify")));
    let debug = format!("{:?} {:?}", hs256(), token(a256gcm()));
    assert!(!debug.contains('7') || !debug.contains("[7"), "{debug}");
}
