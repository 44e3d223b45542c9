//! The program from the outside: flags, failures at the start, and the end.

mod common;

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    thread,
};

use common::{Shop, eventually, program, signal};
use sqlx::{Connection, SqliteConnection};

/// A failed run: its exit code and the one sentence that it printed.
fn refused(output: &Output) -> (i32, String) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    let [line] = lines[..] else { panic!("one line is expected: {stderr:?}") };
    let sentence = line.strip_prefix("example-shop: ").unwrap();
    assert!(sentence.ends_with('.'), "{sentence}");
    (output.status.code().unwrap(), sentence.to_owned())
}

#[test]
fn help() {
    let output = program(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["--nodes", "--listen", "--sessions", "--carts", "--mode", "--process-per-node", "UNSTICK_SHOP_KEY"] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn bad_flags_and_variables() {
    for args in [
        &["--nodes", "none"][..],
        &["--mode", "sometimes"],
        &["--listen", "here"],
        &["--fast"],
        &["--sessions"],
        &["--carts", "memory:"],
        &["node"],
    ] {
        let (code, sentence) = refused(&program(args).output().unwrap());
        assert_eq!(code, 2, "{args:?}: {sentence}");
        assert!(sentence.contains(args[0]) || args[0] == "node", "{sentence}");
    }
    for (variable, value) in
        [("NODES", "0"), ("LISTEN", "x"), ("MODE", "x"), ("CARTS", "memory:"), ("PROCESS_PER_NODE", "perhaps"), ("KEY", "abc")]
    {
        let name = format!("UNSTICK_SHOP_{variable}");
        let (code, sentence) =
            refused(&program(&["--listen", "127.0.0.1:0"][..if variable == "LISTEN" { 0 } else { 2 }]).env(&name, value).output().unwrap());
        assert_eq!(code, 2, "{name}: {sentence}");
        assert!(sentence.contains(&name), "{sentence}");
    }
}

#[test]
fn variables_do_what_flags_do() {
    // A bad URL ends the run just after everything else was accepted.
    let mut command = program(&[]);
    command.env("UNSTICK_SHOP_LISTEN", "127.0.0.1:0").env("UNSTICK_SHOP_SESSIONS", "elsewhere:").env("UNSTICK_SHOP_NODES", "2");
    let (code, sentence) = refused(&command.output().unwrap());
    assert_eq!(code, 1);
    assert!(sentence.contains("does not begin with a kind of store"), "{sentence}");
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    for more in [&[][..], &["--process-per-node"]] {
        let output = program(&["--listen", "127.0.0.1:0", "--sessions", "redis://:opensesame@127.0.0.1"]).args(more).output().unwrap();
        let (code, sentence) = refused(&output);
        assert_eq!(code, 1);
        assert!(sentence.contains("redis") && !sentence.contains("opensesame"), "{sentence}");
    }
}

#[test]
fn a_busy_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, sentence) = refused(&program(&["--listen", &addr]).output().unwrap());
    assert_eq!(code, 1);
    assert!(sentence.contains(&addr) && sentence.contains("another program"), "{sentence}");
}

#[test]
fn a_database_that_cannot_be_used() {
    let dir = std::env::temp_dir().join(format!("shop-cli-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = dir.join("notes.txt");
    std::fs::write(&text, "This is not a database, but it is long enough to be looked at as one. ".repeat(20)).unwrap();
    let urls = [
        format!("sqlite:{}/missing/shop.sqlite", dir.display()),
        format!("sqlite:{}", dir.display()),
        format!("sqlite:{}", text.display()),
    ];
    for url in &urls {
        for more in [&[][..], &["--process-per-node"]] {
            for kept in ["--sessions", "--carts"] {
                let output = program(&["--listen", "127.0.0.1:0", "--nodes", "2", kept, url]).args(more).output().unwrap();
                let (code, sentence) = refused(&output);
                assert_eq!(code, 1, "{sentence}");
                assert!(sentence.contains(&*dir.to_string_lossy()), "{sentence}");
            }
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_locked_database() {
    let dir = std::env::temp_dir().join(format!("shop-locked-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("shop.sqlite");
    let url = format!("sqlite:{}", file.display());
    let run = || refused(&program(&["--listen", "127.0.0.1:0", "--nodes", "1", "--sessions", &url]).output().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lock = |statement: &'static str| {
        runtime.block_on(async {
            let mut other = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
            sqlx::query(statement).execute(&mut other).await.unwrap();
            other
        })
    };
    // Once before its tables are there, and once with tables, when it could still read.
    for _ in 0..2 {
        let held = lock("BEGIN EXCLUSIVE");
        let (code, sentence) = run();
        assert_eq!(code, 1);
        assert!(sentence.contains("locked"), "{sentence}");
        runtime.block_on(held.close()).unwrap();
        drop(Shop::start(&["--nodes", "1", "--sessions", &url]));
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn memory_for_several_nodes_is_refused_by_the_guardrail() {
    let (code, sentence) = refused(&program(&["--listen", "127.0.0.1:0", "--sessions", "memory:"]).output().unwrap());
    assert_eq!(code, 1);
    assert!(sentence.contains("allow_sessions_lost_on_other_nodes"), "{sentence}");
}

#[test]
fn sigterm_and_ctrl_c_finish_what_is_in_flight() {
    for (name, more) in [("TERM", &[][..]), ("INT", &[]), ("TERM", &["--process-per-node"])] {
        let mut shop = Shop::start(&[&["--nodes", "2"][..], more].concat());
        let file = shop.sessions.strip_prefix("sqlite:").unwrap().to_owned();
        assert!(Path::new(&file).exists());
        let mut browser = shop.browser();
        browser.add("tea", 1);
        let slow = thread::spawn({
            let mut browser = browser.clone();
            move || browser.poke("/api/slow?ms=700&key=cart:late")
        });
        // Under way when a node has found its session.
        eventually("the slow request", || {
            let news = shop.admin("GET", "/admin/events").json();
            (news["continuity"]["found"].as_u64() >= Some(1)).then_some(())
        });
        signal(shop.pid(), name);
        let answer = slow.join().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(shop.wait().code(), Some(0));
        eventually("the closing line", || shop.printed().last().filter(|line| *line == "Stopped.").cloned());
        for node in &shop.nodes {
            assert!(TcpStream::connect(node.addr).is_err(), "{node:?} is still there");
        }
        assert!(!Path::new(&file).exists(), "the file of this run goes with it");
    }
}
