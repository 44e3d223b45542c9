//! Claims that are sealed with the right key and wrong all the same: refused whole, whatever is wrong, without a panic.

mod common;

use common::*;
use serde_json::{Value, json};
use unstick_core::{Loaded, Opening, SessionBackend};

fn opening(text: &str) -> Opening {
    token(hs256()).open(COOKIE, text.as_bytes())
}

#[track_caller]
fn refuse(json: &str) {
    let start: String = json.chars().take(300).collect();
    assert!(matches!(opening(&signed(HEADER, json)), Opening::Malformed), "{start}");
}

#[test]
fn each_claim_is_of_its_type_or_the_token_is_refused() {
    assert!(matches!(opening(&sign(&claims())), Opening::Authentic(_)), "a good one first");
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("1800000000"),
        json!(""),
        json!([]),
        json!({}),
        json!([1]),
        json!(u64::MAX),
        json!(i64::MIN),
        json!("\u{0}"),
        json!(1e300),
    ];
    for name in ["iss", "aud", "sub", "iat", "nbf", "exp", "v", "sid", "gen", "ms", "data", "raw", "epoch"] {
        for value in &wrong {
            let mut claims = claims();
            claims.insert(name.into(), value.clone());
            let text = sign(&claims);
            let newer = name == "v" && value == &json!(u64::MAX);
            let empty = (name == "data" || name == "raw") && value == &json!({});
            let named = name == "sub" && value.as_str().is_some_and(|name| !name.is_empty());
            let foreign = (name == "iss" || name == "aud") && value.is_string();
            match opening(&text) {
                Opening::Authentic(_) => assert!(newer || empty || named, "{name}: {value}"),
                Opening::Forged => assert!(foreign, "{name}: {value}"),
                other => assert!(matches!(other, Opening::Malformed), "{name}: {value}: {other:?}"),
            }
        }
    }
}

#[test]
fn each_claim_is_there_once_and_no_other() {
    let whole = serde_json::to_string(&claims()).unwrap();
    for name in claims().keys() {
        let mut without = claims();
        without.remove(name);
        let optional = ["sub", "data", "raw"].contains(&name.as_str());
        assert_eq!(matches!(opening(&sign(&without)), Opening::Authentic(_)), optional, "without {name}");
        let again = format!(r#"{{"{name}":{},{}"#, claims()[name], &whole[1..]);
        refuse(&again);
        // The same name in other letters.
        refuse(&again.replacen(name, &format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]), 1));
    }
    refuse(&format!(r#"{{"more":1,{}"#, &whole[1..]));
    for json in ["", "null", "[]", "1", "{", "{}", "\u{feff}{}", &whole[1..], &format!("{whole} {whole}"), &format!("{whole},")] {
        refuse(json);
    }
    refuse(&whole.replace("ann", "a\nn"));
    let mut invalid = whole.clone().into_bytes();
    let at = whole.find("ann").unwrap();
    invalid[at] = 0xff;
    let text = signed_bytes(&invalid);
    assert!(matches!(opening(&text), Opening::Malformed), "not UTF-8");
}

fn signed_bytes(claims: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let input = format!("{}.{}", b64(HEADER), b64(claims));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&SECRET).unwrap().chain_update(&input).finalize().into_bytes();
    format!("{input}.{}", b64(mac))
}

#[test]
fn what_is_said_twice_agrees() {
    for (name, value) in [
        ("iat", json!(1_800_000_001)),
        ("exp", json!(1_800_003_600)),
        ("exp", json!(1_900_000_000)),
        ("nbf", json!(1_800_000_001)),
        ("ms", json!([1_800_000_000_250_i64, 1_800_003_600_250_i64, 1_800_003_600_249_i64, 0])),
        ("ms", json!([1_800_000_000_250_i64, 1_800_003_600_250_i64, 1_801_209_600_250_i64])),
        ("ms", json!([1_800_000_000_250_i64, 1_800_003_600_250_i64, 1_801_209_600_250_i64, 0, 0])),
        ("ms", json!([1_800_000_000_250_i64, 1_800_003_600_250_i64, 1_i64 << 48, 0])),
        ("sid", json!(b64([1; 15]))),
        ("sid", json!(b64([1; 17]))),
        ("gen", json!(format!("{}=", b64([1; 16])))),
        ("sub", json!("a".repeat(256))),
        ("data", json!({ "": 1 })),
        ("data", json!({ "a\nb": 1 })),
        ("data", json!({ "a".repeat(256): 1 })),
        ("data", json!({ "bin": 1 })),
        ("raw", json!({ "bin": 1 })),
        ("raw", json!({ "bin": "A" })),
        ("raw", json!({ "bin": "AA==" })),
    ] {
        let mut claims = claims();
        claims.insert(name.into(), value.clone());
        assert!(matches!(opening(&sign(&claims)), Opening::Malformed), "{name}: {value}");
    }
    refuse(&serde_json::to_string(&claims()).unwrap().replace(r#""cart":[1,2]"#, r#""cart":1,"cart":2"#));
}

#[tokio::test]
async fn no_depth_overflows_the_stack() {
    let whole = serde_json::to_string(&claims()).unwrap();
    let nested = |open: &str, close: &str, depth: usize| [open.repeat(depth), close.repeat(depth)].concat();
    let deep = nested("[", "]", 10_000);
    // As a session's own value it is bytes like any other.
    let text = signed(HEADER, &whole.replace("[1,2]", &deep));
    assert_eq!(value(&fields(&token(hs256()), NOW, &text).await, "cart"), deep);
    refuse(&deep);
    refuse(&nested(r#"{"a":"#, "1}", 1_000));
    refuse(&"[".repeat(20_000));
    refuse(&whole.replace("[1,2]", &"[".repeat(10_000)));
    refuse(&whole.replace("\"ann\"", &deep));
    let members: Vec<String> = (0..2_000).map(|n| format!(r#""m{n}":0"#)).collect();
    refuse(&format!("{{{}}}", members.join(",")));
}

#[tokio::test]
async fn a_deep_value_travels_as_bytes() {
    let deep = ["[".repeat(500), "]".repeat(500)].concat();
    let token = token(hs256());
    let text = create(&token, NOW, &[("deep", &deep)]).await;
    let claims: Value = serde_json::from_slice(&unb64(text.split('.').nth(1).unwrap())).unwrap();
    assert_eq!(claims["raw"]["deep"], b64(&deep), "so that no reader's parser meets it");
    assert_eq!(value(&fields(&token, NOW, &text).await, "deep"), deep);
}

#[tokio::test]
async fn the_layout_is_as_documented() {
    let token = token(hs256());
    let text = create(&token, NOW, &[("cart", "[1, 2]"), ("b", "\"x\""), ("note", "no json")]).await;
    let json = String::from_utf8(unb64(text.split('.').nth(1).unwrap())).unwrap();
    assert!(json.starts_with(
        r#"{"iss":"unstick","aud":"session:cookie:__Host-id","iat":1800000000,"nbf":1799999700,"exp":1800003601,"v":1,"sid":""#
    ));
    assert!(
        json.ends_with(
            r#","ms":[1800000000250,1800003600250,1801209600250,1800000000250],"data":{"b":"x","cart":[1, 2]},"raw":{"note":"bm8ganNvbg"}}"#
        ),
        "{json}"
    );
    let Loaded::Live(live) = load(&token, NOW, &text).await else { panic!("live") };
    assert_eq!(value(&live.fields, "cart"), "[1, 2]", "white space and all");
}
