//! Paying, so that it happens once: however often and wherever an order is sent, also when two sends overlap, and whatever is added meanwhile.
//!
//! Lines of the cart only ever count up. What of them is paid for stands in one value, with the order it was paid with, and [`Session::update`]
//! changes that value atomically. So one change pays for all or nothing, also when the node dies in the middle; of two sends at the same time the second
//! one finds what the first one did; and what is added while somebody pays is not in the bill, and still there for the next one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unstick::session::{Session, SessionError};

/// What was paid for.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Paid {
    /// The last order. Numbers begin with 1 and grow.
    order: u64,
    /// What was in it.
    bill: Vec<(u8, u32)>,
    /// Of every article, over all orders.
    sum: BTreeMap<u8, u32>,
}

/// Puts one more into the cart.
pub(crate) async fn add(session: &Session, article: u8) -> Result<(), SessionError> {
    session.update(&format!("cart:{article}"), |ever: Option<u32>| Some(ever.unwrap_or(0).saturating_add(1))).await.map(drop)
}

/// Pays for what is in the cart, and says what that was. An order that comes again has the bill that it had; one that comes after a later one pays for nothing.
pub(crate) async fn pay(session: &Session, order: u64) -> Result<Vec<(u8, u32)>, SessionError> {
    let mut ever = BTreeMap::new();
    for key in session.keys().await? {
        if let Some(article) = key.strip_prefix("cart:").and_then(|article| article.parse().ok())
            && let Some(count) = session.get::<u32>(&key).await?
        {
            ever.insert(article, count);
        }
    }
    let paid = session.update("paid", |paid: Option<Paid>| Some(settle(paid.unwrap_or_default(), order, &ever))).await?;
    Ok(paid.filter(|paid| paid.order == order).map(|paid| paid.bill).unwrap_or_default())
}

/// `ever`: what was ever put into the cart.
fn settle(mut paid: Paid, order: u64, ever: &BTreeMap<u8, u32>) -> Paid {
    if paid.order >= order {
        return paid;
    }
    paid.order = order;
    paid.bill.clear();
    for (article, ever) in ever {
        let sum = paid.sum.entry(*article).or_default();
        // Another order may have paid for more than this one has read.
        let due = ever.saturating_sub(*sum);
        if due > 0 {
            *sum = *ever;
            paid.bill.push((*article, due));
        }
    }
    paid
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body};
    use http::{Method, Request, StatusCode};
    use http_body_util::BodyExt;
    use tokio::task::JoinSet;
    use unstick::affinity::drain::Drain;
    use unstick_testkit::client::{Jar, call};

    use super::*;
    use crate::{
        app::{self, Answer, Setup, Shared},
        cli::{Mode, Product, Secret},
        notes::Database,
    };

    struct Nodes {
        all: Vec<Router>,
        _database: Database,
        _folder: tempfile::TempDir,
    }

    impl Nodes {
        async fn open() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::start().await.unwrap();
            let sessions = Secret(format!("sqlite:{}", folder.path().join("sessions.sqlite").display()));
            let setup = Setup::new(Mode::Unstick, Product::Own, sessions, None, Secret("ab".repeat(32)), database.addr);
            let mut all = Vec::new();
            for name in ["node-01", "node-02"] {
                let drain = Drain::builder().build().unwrap();
                all.push(app::open(name, &setup, &Shared::default(), &drain).await.unwrap());
            }
            Self { all, _database: database, _folder: folder }
        }
    }

    async fn send(node: Router, jar: &mut Jar, method: Method, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = call(jar, node, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn orders_sent_at_the_same_time_are_paid_for_once_and_nothing_added_meanwhile_is_lost() {
        let nodes = Nodes::open().await;
        let mut jar = Jar::new();
        send(nodes.all[0].clone(), &mut jar, Method::POST, "/login/ann").await;
        let (mut added, mut paid) = (0, 0);
        for round in 0..10 {
            send(nodes.all[0].clone(), &mut jar, Method::POST, "/add/1").await;
            let mut sends = JoinSet::new();
            for index in 0..8 {
                let (node, mut jar) = (nodes.all[index % 2].clone(), jar.clone());
                let path = if index < 4 { "/add/1".to_owned() } else { format!("/checkout/{}", round * 2 + 1) };
                sends.spawn(async move { (index, send(node, &mut jar, Method::POST, &path).await) });
            }
            let answers: BTreeMap<_, _> = sends.join_all().await.into_iter().collect();
            let first = &answers[&4].cart;
            assert!((5..8).all(|index| answers[&index].cart == *first), "one order, one bill: {answers:?}");
            let rest = send(nodes.all[1].clone(), &mut jar, Method::POST, &format!("/checkout/{}", round * 2 + 2)).await.cart;
            added += 5;
            paid += first.iter().chain(&rest).map(|(_, count)| count).sum::<u32>();
            assert_eq!(paid, added, "everything that was added is paid for, once");
            let late = send(nodes.all[0].clone(), &mut jar, Method::POST, &format!("/checkout/{}", round * 2 + 1)).await.cart;
            assert_eq!(late, [], "an order that comes again after the next one");
        }
    }

    #[test]
    fn an_order_that_read_the_cart_before_another_one_paid_pays_for_nothing_twice() {
        let cart = |count| BTreeMap::from([(7, count)]);
        let first = settle(Paid::default(), 1, &cart(3));
        assert_eq!(first.bill, [(7, 3)]);
        assert_eq!(settle(first.clone(), 1, &cart(5)), first, "sent again");
        assert_eq!(settle(first.clone(), 2, &cart(2)).bill, [], "an older look at the cart");
        let second = settle(first, 2, &cart(5));
        assert_eq!((second.bill.as_slice(), settle(second.clone(), 1, &cart(9))), ([(7, 2)].as_slice(), second.clone()));
    }
}
