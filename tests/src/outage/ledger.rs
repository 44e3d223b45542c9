//! What clients were promised by an answer, and whether it is still so afterwards.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::HeaderMap;
use unstick_testkit::client::Jar;

use crate::{Client, cookies, keep};

/// One client: its cookies, and the keys whose writing was acknowledged to it.
#[derive(Debug, Default)]
struct Account {
    jar: Jar,
    acknowledged: BTreeSet<String>,
    logged_out: bool,
}

/// All clients' accounts.
#[derive(Debug)]
pub(super) struct Ledger {
    shoppers: Vec<Mutex<Account>>,
    /// Clients that log out once, by an answer or not.
    leavers: Vec<Mutex<Account>>,
}

/// What is not as it was acknowledged. All zero is the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Changes that were acknowledged.
    pub acknowledged: usize,
    /// Of these, how many are gone.
    pub lost: usize,
    /// Sessions that were ended with an acknowledgement.
    pub logged_out: usize,
    /// Of these, how many live.
    pub revived: usize,
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub(super) fn new(shoppers: usize, leavers: usize) -> Self {
        let accounts = |count| std::iter::repeat_with(Mutex::default).take(count).collect();
        Self { shoppers: accounts(shoppers), leavers: accounts(leavers) }
    }

    pub(super) fn shoppers(&self) -> usize {
        self.shoppers.len()
    }

    pub(super) fn leavers(&self) -> usize {
        self.leavers.len()
    }

    /// The `Cookie` header of a shopper's next request.
    pub(super) fn shopper(&self, at: usize) -> String {
        cookies(&lock(&self.shoppers[at]).jar)
    }

    pub(super) fn leaver(&self, at: usize) -> String {
        cookies(&lock(&self.leavers[at]).jar)
    }

    /// Takes in the cookies of a shopper's answer, and the key that it acknowledges.
    pub(super) fn answered(&self, at: usize, headers: &HeaderMap, key: Option<String>) {
        let mut account = lock(&self.shoppers[at]);
        keep(&mut account.jar, headers);
        account.acknowledged.extend(key);
    }

    pub(super) fn entered(&self, at: usize, headers: &HeaderMap) {
        keep(&mut lock(&self.leavers[at]).jar, headers);
    }

    /// The answer to a logout; the cookie is kept, to see whether it opens anything.
    pub(super) fn left(&self, at: usize) {
        lock(&self.leavers[at]).logged_out = true;
    }

    /// Looks at everything through `client`'s nodes.
    pub(super) async fn compare(&self, client: &Client) -> Losses {
        let mut losses = Losses::default();
        for at in 0..self.shoppers.len() {
            let told = super::load::ask(client, at, "/status", &self.shopper(at)).await;
            assert_eq!(told.status, 200, "the backend has recovered, but answers {}", told.body);
            let there: BTreeSet<&str> = told.body.rsplit(' ').next().unwrap_or_default().split(',').collect();
            let account = lock(&self.shoppers[at]);
            losses.acknowledged += account.acknowledged.len();
            losses.lost += account.acknowledged.iter().filter(|key| !there.contains(key.as_str())).count();
        }
        for at in 0..self.leavers.len() {
            if !lock(&self.leavers[at]).logged_out {
                continue;
            }
            losses.logged_out += 1;
            let told = super::load::ask(client, at, "/status", &self.leaver(at)).await;
            assert_eq!(told.status, 200, "the backend has recovered, but answers {}", told.body);
            losses.revived += usize::from(told.body.starts_with("live"));
        }
        losses
    }
}
