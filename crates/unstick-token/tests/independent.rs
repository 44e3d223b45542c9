//! Another implementation of JOSE (Debian's python3-jwcrypto) reads what we seal, and we read what it seals.

mod common;

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use common::*;
use serde_json::{Value, json};
use unstick_core::{Opening, Timestamp};
use unstick_token::{Token, TokenKey};

const PYTHON: &str = "/usr/bin/python3";

/// The peer's process. It ends with its standard input.
struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// `None` when it is not installed and not demanded.
    fn start(test: &str) -> Option<Self> {
        let installed =
            Command::new(PYTHON).args(["-c", "import jwcrypto"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !installed {
            let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|set| set == value);
            assert!(!is("UNSTICK_REQUIRE", "all") && !is("CI", "true"), "python3-jwcrypto is not installed");
            // Past the test harness, which would keep it to itself.
            let _ = writeln!(std::io::stdout(), "SKIPPED {test}: python3-jwcrypto is not installed");
            return None;
        }
        let script = include_str!("jwcrypto/peer.py");
        let mut child =
            Command::new(PYTHON).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new).unwrap());
        Some(Self { child, input, output })
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("an answer")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// Kinds of keys with what the peer needs of each.
fn keys() -> [(TokenKey, Value); 3] {
    let public = eddsa().ed25519_public().unwrap();
    [
        (hs256(), json!({ "key": b64(SECRET) })),
        (eddsa(), json!({ "key": b64(public), "seed": b64([8; 32]) })),
        (a256gcm(), json!({ "key": b64([9; 32]) })),
    ]
}

fn command(key: &Value, more: Value) -> Value {
    let mut command = key.as_object().unwrap().clone();
    command.extend(more.as_object().unwrap().clone());
    command.into()
}

fn open(key: &Value, token: &str) -> Value {
    command(key, json!({ "do": "open", "token": token, "iss": "unstick", "aud": "session:cookie:__Host-id" }))
}

#[tokio::test]
async fn it_reads_what_we_seal() {
    let Some(mut peer) = Peer::start("it_reads_what_we_seal") else { return };
    let now = Timestamp::system_now();
    for (key, peers) in keys() {
        let token = token(key);
        for fields in [&[][..], &[("cart", r#"[{"item":"t\u00e9","n":1.5e3}]"#), ("note", "no json"), ("\"\\", "null")]] {
            let mut more = fields.to_vec();
            more.push(("always", "1"));
            let text = create(&token, now, &more).await;
            let answer = peer.ask(&open(&peers, &text));
            let claims = &answer["claims"];
            assert_eq!(claims["v"], 1, "{answer}");
            assert_eq!(claims["iat"], now.as_millis() / 1000);
            assert_eq!(claims["ms"][0], now.as_millis());
            assert_eq!(answer["header"]["typ"], "unstick+jwt");
            for (name, value) in more {
                match serde_json::from_str::<Value>(value) {
                    Ok(json) => assert_eq!(claims["data"][name], json),
                    Err(_) => assert_eq!(claims["raw"][name], b64(value)),
                }
            }
        }
        let text = login(&token, now, "ann").await;
        let answer = peer.ask(&open(&peers, &text));
        assert_eq!(answer["claims"]["sub"], "ann", "{answer}");
        // And refuses what we refuse.
        let elsewhere = create(&builder(hs256()).cookie_name("other").build().unwrap(), now, &[("a", "1")]).await;
        let expired = create(&token, now - seconds(2 * 3600), &[("a", "1")]).await;
        let mut flipped = text.clone().into_bytes();
        let last = flipped.len() - 4;
        flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
        for wrong in [elsewhere, expired, String::from_utf8(flipped).unwrap()] {
            let answer = peer.ask(&open(&peers, &wrong));
            assert!(answer["refused"].is_string(), "{answer}");
        }
    }
}

/// The header as documented, for a key called `k1`.
fn header(key: usize) -> String {
    match key {
        0 => HEADER.to_owned(),
        1 => r#"{"alg":"EdDSA","typ":"unstick+jwt","kid":"k1"}"#.to_owned(),
        _ => r#"{"alg":"dir","enc":"A256GCM","typ":"unstick+jwt","kid":"k1","salt": "abcdefABCD-_"}"#.to_owned(),
    }
}

#[tokio::test]
async fn we_read_what_it_seals() {
    let Some(mut peer) = Peer::start("we_read_what_it_seals") else { return };
    for (at, (key, peers)) in keys().into_iter().enumerate() {
        let token: Token = token(key);
        let claims = serde_json::to_string(&claims()).unwrap();
        let seal = |header: &str| command(&peers, json!({ "do": "seal", "header": header, "claims": claims }));
        let answer = peer.ask(&seal(&header(at)));
        let text = answer["token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let read = fields(&token, NOW, text).await;
        assert_eq!((value(&read, "cart").as_str(), read.len()), ("[1,2]", 2));
        assert_eq!(read.get("bin").unwrap().value, [0, 255].as_slice());
        // The same key, and a header that is not exactly ours.
        let odd = header(at).replace("\"kid\"", " \"kid\"");
        let answer = peer.ask(&seal(&odd));
        let text = answer["token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        use unstick_core::SessionBackend;
        assert!(matches!(token.open(COOKIE, text.as_bytes()), Opening::Malformed), "{odd}");
    }
}
