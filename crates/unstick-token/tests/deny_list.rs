//! Revocation: ended sessions stay ended, at the promised number of trips, and a list that is down closes the door.

mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::*;
use unstick_core::{
    Applied, Carrier, Change, Committed, Created, ErrorKind, EventKind, Events, Intent, Lifecycle, Loaded, NewRecord, OpCtx, Presented,
    RecordKey, Revocations, Scope, SessionBackend, Store, Timestamp,
};
use unstick_memory::MemoryStore;
use unstick_testkit::{
    clock::ManualClock,
    faults::{Fault, FaultStore, Op},
    observe::EventLog,
};
use unstick_token::{StoreRevocations, Token, TokenBuilder};

type List = FaultStore<MemoryStore>;

/// A token with a deny-list in a store of its own, and the store.
fn node(builder: TokenBuilder) -> (Token, List) {
    let store = FaultStore::new(MemoryStore::builder().runtime(ManualClock::at(NOW).runtime()).build());
    let token = builder.revocations(Arc::new(StoreRevocations::new(store.clone()))).build().unwrap();
    (token, store)
}

fn intent(lifecycle: Lifecycle) -> Intent {
    Intent { lifecycle, change: Change::new() }
}

fn trips(store: &List) -> BTreeMap<&'static str, u64> {
    let all = [("load", Op::Load), ("end", Op::End), ("apply", Op::Apply), ("create", Op::Create)];
    all.into_iter().map(|(name, op)| (name, store.calls(op))).filter(|(_, calls)| *calls > 0).collect()
}

async fn end(token: &Token, now: Timestamp, text: &str) {
    let ended = token.commit(at(now), COOKIE, Some(&ticket(token, text)), &intent(Lifecycle::End)).await;
    assert!(matches!(ended, Ok(Committed::Done { carrier: Carrier::Remove, ticket: None })), "{ended:?}");
}

#[tokio::test]
async fn an_ended_session_is_ended_for_every_copy_of_its_token() {
    let (token, _) = node(builder(a256gcm()));
    for principal in [None, Some("ann")] {
        let text = match principal {
            None => create(&token, NOW, &[("a", "1")]).await,
            Some(principal) => login(&token, NOW, principal).await,
        };
        let (copy, held) = (text.clone(), ticket(&token, &text));
        let (newer, _) = common::text(token.apply(at(NOW), COOKIE, &held, &change(&[("a", "2")])).await);
        let other = login(&token, NOW, "ann").await;
        end(&token, NOW, &newer).await;
        for old in [&copy, &newer] {
            assert!(matches!(load(&token, NOW + seconds(1), old).await, Loaded::Ended { at } if at == NOW), "{principal:?}");
        }
        let late = token.apply(at(NOW), COOKIE, &held, &change(&[("a", "3")])).await;
        assert!(matches!(refused(late), Applied::Ended { .. }), "a request in flight does not bring it back");
        let login = token.commit(at(NOW), COOKIE, Some(&held), &intent(Lifecycle::Promote("bob".into()))).await;
        assert!(matches!(refused(login), Applied::Ended { .. }));
        end(&token, NOW, &copy).await; // again: fine
        assert!(matches!(load(&token, NOW, &other).await, Loaded::Live(_)), "the principal's other sessions live");
    }
}

/// What the affinity layer asks before it turns sticky sessions off.
#[tokio::test]
async fn sessions_reach_no_further_than_their_ends() {
    assert_eq!(node(builder(hs256())).0.scope(), Scope::Process);
}

#[tokio::test]
async fn without_a_list_a_copy_lives_on() {
    let token = token(hs256());
    let text = login(&token, NOW, "ann").await;
    end(&token, NOW, &text).await;
    assert!(matches!(load(&token, NOW, &text).await, Loaded::Live(_)), "as the promises say");
}

#[tokio::test]
async fn a_login_ends_the_session_before_it() {
    let (token, _) = node(builder(hs256()));
    let planted = create(&token, NOW, &[("cart", "[1]")]).await;
    let promoted = token.commit(at(NOW), COOKIE, Some(&ticket(&token, &planted)), &intent(Lifecycle::Promote("ann".into()))).await;
    let ann = text(promoted).0;
    assert!(matches!(load(&token, NOW, &planted).await, Loaded::Ended { .. }));
    let promoted = token.commit(at(NOW), COOKIE, Some(&ticket(&token, &ann)), &intent(Lifecycle::Promote("bob".into()))).await;
    let bob = text(promoted).0;
    assert!(matches!(load(&token, NOW, &ann).await, Loaded::Ended { .. }));
    assert!(matches!(load(&token, NOW, &bob).await, Loaded::Live(live) if live.principal.as_deref() == Some("bob")));
}

#[tokio::test]
async fn a_raised_epoch_ends_what_was_begun_before_and_no_clock_matters() {
    let store = Arc::new(StoreRevocations::new(MemoryStore::builder().runtime(ManualClock::at(NOW).runtime()).build()));
    let token = builder(hs256()).revocations(store.clone()).build().unwrap();
    let (fast, slow) = (NOW + seconds(60), NOW);
    let until = NOW + seconds(14 * 24 * 3600);
    // Begun by a node that is a minute ahead, ended by one that is not.
    let before = login(&token, fast, "ann").await;
    let bob = login(&token, slow, "bob").await;
    let held = ticket(&token, &before);
    store.revoke_principal(at(slow), "ann", None, until).await.unwrap();
    assert!(matches!(load(&token, slow, &before).await, Loaded::Ended { .. }));
    assert!(matches!(load(&token, fast, &before).await, Loaded::Ended { .. }));
    let late = token.apply(at(fast + seconds(1)), COOKIE, &held, &change(&[("a", "1")])).await;
    assert!(matches!(refused(late), Applied::Ended { .. }), "nor does sealing it anew help");
    assert!(matches!(load(&token, slow, &bob).await, Loaded::Live(_)));
    // Logged in again in the same millisecond, and by a node whose clock is behind.
    for now in [slow, slow - seconds(60)] {
        let again = login(&token, now, "ann").await;
        assert!(matches!(load(&token, fast, &again).await, Loaded::Live(_)));
    }
    // And raised again by the slow one: higher all the same.
    let again = login(&token, fast, "ann").await;
    let behind = OpCtx { now: slow - seconds(60), ..at(slow) };
    store.revoke_principal(behind, "ann", None, until).await.unwrap();
    assert!(matches!(load(&token, slow, &again).await, Loaded::Ended { .. }));
}

#[tokio::test]
async fn a_denial_outlives_the_period_it_was_written_in() {
    let (token, _) =
        node(builder(hs256()).lifetimes(unstick_core::Lifetimes::new().idle(seconds(20 * 24 * 3600)).absolute(seconds(40 * 24 * 3600))));
    let day = |day: u64| NOW + seconds(day * 24 * 3600);
    let (text, other) = (login(&token, NOW, "ann").await, login(&token, NOW, "ann").await);
    end(&token, day(1), &text).await;
    for later in 1..20 {
        assert!(matches!(load(&token, day(later), &text).await, Loaded::Ended { .. }), "on day {later}");
        assert!(matches!(load(&token, day(later), &other).await, Loaded::Live(_)));
    }
}

#[tokio::test]
async fn signing_out_elsewhere_keeps_the_session_that_asks() {
    let (token, _) = node(builder(hs256()));
    let index = token.principal_index().unwrap();
    let (mine, other) = (login(&token, NOW, "ann").await, login(&token, NOW, "ann").await);
    let key = ticket(&token, &mine).credential.lineage().record_key();
    assert_eq!(index.end_others(at(NOW), "ann", Some(key), seconds(300)).await.unwrap(), 0, "nobody knows how many");
    assert!(matches!(load(&token, NOW, &other).await, Loaded::Ended { .. }));
    let Loaded::Live(_) = load(&token, NOW, &mine).await else { panic!("live") };
    let (newer, _) = text(token.apply(at(NOW), COOKIE, &ticket(&token, &mine), &change(&[("a", "1")])).await);
    assert!(matches!(load(&token, NOW, &newer).await, Loaded::Live(_)));
    end(&token, NOW, &newer).await;
    assert!(matches!(load(&token, NOW, &mine).await, Loaded::Ended { .. }), "kept, and ended by itself");
    let mine = login(&token, NOW, "ann").await;
    let key = ticket(&token, &mine).credential.lineage().record_key();
    index.end_others(at(NOW), "ann", Some(key), seconds(300)).await.unwrap();
    index.end_others(at(NOW), "ann", None, seconds(300)).await.unwrap();
    assert!(matches!(load(&token, NOW, &mine).await, Loaded::Ended { .. }), "kept by one, ended by the next");
    assert_eq!(index.list(at(NOW), "ann").await.unwrap_err().kind(), ErrorKind::Unsupported);
    let one = std::num::NonZeroU32::MIN;
    assert_eq!(index.reserve(at(NOW), "ann", key, one, NOW).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(token.end_by_key(at(NOW), key).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_promised_trips() {
    let plain = token(hs256());
    let text = login(&plain, NOW, "ann").await;
    assert!(matches!(load(&plain, NOW, &text).await, Loaded::Live(_)), "none without a list: there is nobody to ask");

    for (principal, reads) in [(None, 1), (Some("ann"), 1)] {
        let (token, store) = node(builder(hs256()));
        let text = match principal {
            None => create(&token, NOW, &[("a", "1")]).await,
            Some(principal) => login(&token, NOW, principal).await,
        };
        let begun = trips(&store);
        assert_eq!(begun, principal.map_or_else(BTreeMap::new, |_| BTreeMap::from([("load", 1)])), "a login asks for the epoch");
        load(&token, NOW, &text).await;
        let read = trips(&store);
        assert_eq!(read["load"], reads + begun.get("load").copied().unwrap_or(0));
        let held = ticket(&token, &text);
        common::text(token.apply(at(NOW), COOKIE, &held, &change(&[("a", "2")])).await);
        assert_eq!(trips(&store)["load"], read["load"] + 1, "a blind write");
        end(&token, NOW, &text).await;
        let ended = trips(&store);
        match principal {
            None => assert_eq!(ended.get("end"), Some(&1)),
            Some(_) => {
                let writes = (ended.get("apply").copied(), ended.get("create").copied());
                assert_eq!((ended["load"], writes), (read["load"] + 2, (None, Some(1))), "the first of its principal");
            }
        }
        assert!(matches!(token.open(COOKIE, b"forged"), unstick_core::Opening::Malformed));
        assert_eq!(trips(&store), ended, "judging asks nobody");
    }
}

#[tokio::test]
async fn a_list_that_is_down_closes_the_door() {
    let (token, store) = node(builder(a256gcm()));
    let (anonymous, ann) = (create(&token, NOW, &[("a", "1")]).await, login(&token, NOW, "ann").await);
    store.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    for text in [&anonymous, &ann] {
        let held = ticket(&token, text);
        let kind = |error: unstick_core::Error| error.kind();
        assert_eq!(token.load(at(NOW), COOKIE, &held, false).await.map_err(kind).unwrap_err(), ErrorKind::Unavailable);
        assert_eq!(token.apply(at(NOW), COOKIE, &held, &change(&[("a", "2")])).await.map_err(kind).unwrap_err(), ErrorKind::Unavailable);
        for lifecycle in [Lifecycle::End, Lifecycle::RenewId, Lifecycle::Promote("bob".into())] {
            let answer = token.commit(at(NOW), COOKIE, Some(&held), &intent(lifecycle)).await;
            assert_eq!(answer.map_err(kind).unwrap_err(), ErrorKind::Unavailable, "never taken for done");
        }
    }
    store.heal();
    assert!(matches!(load(&token, NOW, &ann).await, Loaded::Live(_)), "and opens by itself");
}

#[tokio::test]
async fn a_login_that_cannot_be_answered_takes_nothing_away() {
    let (token, store) = node(builder(a256gcm()).max_token(1200));
    let before = create(&token, NOW, &[("cart", "[1]")]).await;
    let held = ticket(&token, &before);
    let big = "1".repeat(1000);
    let login = Intent { lifecycle: Lifecycle::Promote("ann".into()), change: change(&[("big", &big)]) };
    assert_eq!(token.commit(at(NOW), COOKIE, Some(&held), &login).await.unwrap_err().kind(), ErrorKind::TooLarge);
    store.always(Op::End, Fault::FailBefore(ErrorKind::Unavailable));
    let login = token.commit(at(NOW), COOKIE, Some(&held), &intent(Lifecycle::Promote("ann".into()))).await;
    assert_eq!(login.unwrap_err().kind(), ErrorKind::Unavailable, "the session before it could not be ended");
    store.heal();
    assert_eq!(value(&fields(&token, NOW, &before).await, "cart"), "[1]", "it lives on");
    text(token.commit(at(NOW), COOKIE, Some(&held), &intent(Lifecycle::Promote("ann".into()))).await);
}

#[tokio::test]
async fn failing_open_is_chosen_by_name_and_told() {
    let log = Arc::new(EventLog::default());
    let clock = ManualClock::at(NOW);
    let open = builder(a256gcm()).fail_open().events(Events::new("node").observer(log.clone())).runtime(clock.runtime());
    let (token, store) = node(open);
    let (anonymous, ann) = (create(&token, NOW, &[("a", "1")]).await, login(&token, NOW, "ann").await);
    end(&token, NOW, &ann).await;
    assert!(matches!(load(&token, NOW, &ann).await, Loaded::Ended { .. }), "closed while the list answers");
    assert_eq!(log.count(EventKind::LoadFailed), 0);
    store.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    assert!(matches!(load(&token, NOW, &ann).await, Loaded::Live(_)), "the price");
    assert_eq!(log.count(EventKind::LoadFailed), 1);
    let login = token.commit(at(NOW), COOKIE, Some(&ticket(&token, &anonymous)), &intent(Lifecycle::Promote("bob".into()))).await;
    let bob = text(login).0;
    let ended = token.commit(at(NOW), COOKIE, Some(&ticket(&token, &bob)), &intent(Lifecycle::End)).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Unavailable, "a logout that did not happen is never acknowledged");
    store.heal();
    assert!(matches!(load(&token, NOW, &bob).await, Loaded::Live(_)));

    // A list that hangs is down, too; a login asks three times, all within its deadline.
    store.always_all(Fault::Hang);
    let answer = tokio::spawn(async move {
        let login = token.commit(at(NOW), COOKIE, Some(&ticket(&token, &anonymous)), &intent(Lifecycle::Promote("bob".into()))).await;
        (load(&token, NOW, &ann).await, text(login).0)
    });
    let mut waited = 0;
    while !answer.is_finished() {
        if clock.sleepers() > 0 {
            clock.advance(Duration::from_millis(500));
            waited += 500;
        }
        tokio::task::yield_now().await;
    }
    let (loaded, _) = answer.await.unwrap();
    assert!(matches!(loaded, Loaded::Live(_)));
    assert_eq!(waited, 2000, "three times for the login and once for the load");
    store.heal();
    store.release();
}

#[tokio::test]
async fn who_logged_in_while_the_list_was_down_is_ended_by_a_node_that_is_behind() {
    let (token, store) = node(builder(a256gcm()).fail_open());
    store.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    let ann = login(&token, NOW + seconds(299), "ann").await;
    store.heal();
    assert!(matches!(load(&token, NOW, &ann).await, Loaded::Live(_)));
    token.principal_index().unwrap().end_others(at(NOW), "ann", None, seconds(300)).await.unwrap();
    assert!(matches!(load(&token, NOW, &ann).await, Loaded::Ended { .. }));
}

#[tokio::test]
async fn a_denial_outlives_copies_from_before_the_idle_timeout_was_shortened() {
    let days = |days: u64| seconds(days * 24 * 3600);
    for principal in [None, Some("ann")] {
        let clock = ManualClock::at(NOW);
        let list = Arc::new(StoreRevocations::new(MemoryStore::builder().runtime(clock.runtime()).build()));
        let long = builder(hs256()).lifetimes(unstick_core::Lifetimes::new().idle(days(10))).revocations(list.clone()).build().unwrap();
        let short = builder(hs256()).revocations(list).build().unwrap();
        let copy = match principal {
            None => create(&long, NOW, &[("a", "1")]).await,
            Some(principal) => login(&long, NOW, principal).await,
        };
        clock.advance(days(1));
        let now = NOW + days(1);
        let (newer, _) = text(short.apply(at(now), COOKIE, &ticket(&short, &copy), &change(&[("a", "2")])).await);
        end(&short, now, &newer).await;
        for day in 2..10 {
            clock.advance(days(1));
            if principal.is_some() {
                // Ending another one takes out what has served.
                let another = login(&short, NOW + days(day), "ann").await;
                end(&short, NOW + days(day), &another).await;
            }
            assert!(matches!(load(&short, NOW + days(day), &copy).await, Loaded::Ended { .. }), "{principal:?} on day {day}");
        }
    }
}

/// Records of principals are kept by 30 days.
#[tokio::test]
async fn a_login_after_an_end_of_all_is_not_denied_by_a_node_that_is_behind_in_the_period_before() {
    let period = 30 * 24 * 3600 * 1000;
    let over = Timestamp::from_millis((NOW.as_millis() / period + 1) * period);
    let raised = over - seconds(20 * 24 * 3600);
    let clock = ManualClock::at(raised);
    let list = StoreRevocations::new(MemoryStore::builder().runtime(clock.runtime()).build());
    let token = builder(hs256()).revocations(Arc::new(list)).build().unwrap();
    token.principal_index().unwrap().end_others(at(raised), "ann", None, seconds(300)).await.unwrap();
    clock.advance(seconds(20 * 24 * 3600 - 1));
    let ann = login(&token, over + seconds(1), "ann").await;
    assert!(matches!(load(&token, over - seconds(1), &ann).await, Loaded::Live(_)));
}

#[tokio::test]
async fn many_ended_sessions_of_one_principal_are_bounded() {
    let list = StoreRevocations::new(MemoryStore::builder().runtime(ManualClock::at(NOW).runtime()).build());
    let key = |number: usize| {
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        RecordKey::from_bytes(bytes)
    };
    let max = StoreRevocations::<MemoryStore>::MAX_DENIED;
    let until = |number: usize| NOW + seconds(if number < 100 { 600 } else { 3600 });
    let is_denied = async |now: Timestamp, number: usize, epoch: Timestamp| {
        list.revoked_at(at(now), key(number), Some("ann"), epoch).await.unwrap().is_some()
    };
    let epoch = list.epoch(at(NOW), "ann").await.unwrap();
    for number in 0..max {
        list.revoke(at(NOW), key(number), Some("ann"), until(number)).await.unwrap();
    }
    assert!(is_denied(NOW, 0, epoch).await && is_denied(NOW, max - 1, epoch).await && !is_denied(NOW, max, epoch).await);
    // What has served makes room.
    let later = NOW + seconds(601);
    list.revoke(at(later), key(max), Some("ann"), later + seconds(3600)).await.unwrap();
    assert!(!is_denied(later, 0, epoch).await && is_denied(later, 100, epoch).await && is_denied(later, max, epoch).await);
    assert!(!is_denied(later, 9999, epoch).await);
    // Beyond that, all that the principal has begun.
    for number in max..=max + 100 {
        list.revoke(at(later), key(number), Some("ann"), later + seconds(3600)).await.unwrap();
    }
    assert!(is_denied(later, 9999, epoch).await, "closed rather than forgotten");
    let epoch = list.epoch(at(later), "ann").await.unwrap();
    assert!(!is_denied(later, 9999, epoch).await, "a new login is not");
}

#[tokio::test]
async fn denials_of_several_nodes_at_once_are_all_kept() {
    let list = Arc::new(StoreRevocations::new(MemoryStore::builder().runtime(ManualClock::at(NOW).runtime()).build()));
    let tasks: Vec<_> = (0..32_u8)
        .map(|number| {
            let list = list.clone();
            tokio::spawn(async move {
                list.revoke(at(NOW), RecordKey::from_bytes([number; 32]), Some("ann"), NOW + seconds(60)).await.unwrap();
                if number % 8 == 0 {
                    list.revoke_principal(at(NOW), "ann", None, NOW + seconds(60)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let epoch = list.epoch(at(NOW), "ann").await.unwrap();
    assert!(epoch >= NOW);
    for number in 0..32 {
        assert!(list.revoked_at(at(NOW), RecordKey::from_bytes([number; 32]), Some("ann"), epoch).await.unwrap().is_some(), "{number}");
    }
}

/// Something else under the list's key: nobody can say who is denied, so everybody is.
#[tokio::test]
async fn a_record_that_is_not_the_lists_closes_the_door() {
    let store = Arc::new(MemoryStore::builder().runtime(ManualClock::at(NOW).runtime()).build());
    let list = StoreRevocations::new(store.clone());
    let key = RecordKey::from_bytes([3; 32]);
    let place = RecordKey::from_bytes(blake3::derive_key("unstick 2026-11 revoked session", key.as_bytes()));
    let credential = credential();
    let new = NewRecord {
        secret: Presented::from(&credential).secret,
        principal: None,
        created: NOW,
        idle_deadline: NOW + seconds(60),
        absolute_deadline: NOW + seconds(60),
        fields: unstick_core::Fields::default(),
    };
    assert_eq!(store.create(at(NOW), place, &new).await.unwrap(), Created::Done);
    assert_eq!(list.revoked_at(at(NOW), key, None, Timestamp::ZERO).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(list.revoked_at(at(NOW), RecordKey::from_bytes([4; 32]), None, Timestamp::ZERO).await.unwrap().is_none());
}
