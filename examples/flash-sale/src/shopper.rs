//! One shopper: clicks by the clock, keeps its cookies in strict order, and writes down what it was told.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use http::StatusCode;
use unstick_testkit::client::{Browser, Page};

use crate::{
    app::{Answer, CACHE, HIT, NODE},
    balancer::TURN,
    fleet::node_number,
    journal::{self, Asks, Cart, Ended, Journal, Record},
    scenario::{Click, Journey},
};

/// How often somebody tries to log in, to put something into the cart or to pay.
const TRIES: usize = 3;

/// Somebody who shops.
#[derive(Debug)]
pub(crate) struct Shopper {
    number: usize,
    name: String,
    browser: Browser,
    pin: &'static str,
    journal: Arc<Journal>,
    is_logged_in: bool,
    basket: Basket,
    note: Note,
    orders: u64,
}

/// What a shopper knows to be in its cart.
#[derive(Debug, Default, Clone)]
pub(crate) struct Basket {
    /// What was acknowledged.
    told: BTreeMap<u8, u32>,
    /// That, and what was asked for and not answered.
    asked: BTreeMap<u8, u32>,
}

#[derive(Debug, Default)]
struct Note {
    told: u64,
    asked: u64,
}

impl Basket {
    pub(crate) fn asked(&mut self, article: u8) {
        *self.asked.entry(article).or_default() += 1;
    }

    pub(crate) fn told(&mut self, article: u8) {
        *self.told.entry(article).or_default() += 1;
    }

    /// An add that was surely not done.
    pub(crate) fn refused(&mut self, article: u8) {
        if let Some(count) = self.asked.get_mut(&article) {
            *count = count.saturating_sub(1);
        }
    }

    /// Compares with what is paid for. `None`: there is nothing in either.
    pub(crate) fn judge(&self, paid: &[(u8, u32)]) -> Option<Cart> {
        let paid: BTreeMap<u8, u32> = paid.iter().copied().collect();
        let count = |map: &BTreeMap<u8, u32>, article: &u8| map.get(article).copied().unwrap_or(0);
        if self.told.iter().any(|(article, told)| count(&paid, article) < *told) {
            Some(Cart::Lost)
        } else if paid.iter().any(|(article, paid)| *paid > count(&self.asked, article)) {
            Some(Cart::Grown)
        } else {
            (!paid.is_empty()).then_some(Cart::Whole)
        }
    }

    /// After it was paid for. What was asked for and is not in there may still come.
    pub(crate) fn paid(&mut self, paid: &[(u8, u32)]) {
        self.told.clear();
        for (article, count) in paid {
            if let Some(asked) = self.asked.get_mut(article) {
                *asked = asked.saturating_sub(*count);
            }
        }
    }
}

/// An answer, and the record of it before it is judged.
struct Told {
    record: Record,
    answer: Option<Answer>,
    is_hit: bool,
}

impl Shopper {
    pub(crate) fn new(number: usize, front: SocketAddr, pin: &'static str, journal: Arc<Journal>) -> Self {
        Self {
            number,
            name: format!("shopper-{number}"),
            browser: Browser::new(front),
            pin,
            journal,
            is_logged_in: false,
            basket: Basket::default(),
            note: Note::default(),
            orders: 0,
        }
    }

    /// Makes the journey. A click whose time has come while another is under way follows at once.
    pub(crate) async fn run(mut self, Journey(clicks): Journey) {
        for (due, click) in clicks {
            if let Some(left) = due.checked_sub(self.journal.now()) {
                tokio::time::sleep(left).await;
            }
            let begun = self.journal.now();
            if click.needs_login() && !self.is_logged_in {
                self.log_in().await;
            }
            match click {
                Click::LogIn => self.log_in().await,
                Click::Look => self.look().await,
                Click::Add(article) => self.add(article).await,
                Click::WriteNote => self.write_note().await,
                Click::ReadNote => self.read_note().await,
                Click::CheckOut => self.check_out().await,
            }
            self.journal.click_over(due, begun);
        }
    }

    async fn log_in(&mut self) {
        for _ in 0..TRIES {
            // Nobody is to be known before this.
            self.is_logged_in = false;
            let told = self.post(&format!("/login/{}", self.name), Asks::ForMe).await;
            self.is_logged_in = told.record.ended == Ended::Done;
            self.journal.write(told.record);
            if self.is_logged_in {
                return;
            }
        }
    }

    async fn look(&mut self) {
        let told = self.get("/look", Asks::ForMe).await;
        self.journal.write(told.record);
    }

    /// Clicks again when there is no answer, or an error: once or twice in the cart, either is right.
    async fn add(&mut self, article: u8) {
        for _ in 0..TRIES {
            self.basket.asked(article);
            let told = self.post(&format!("/add/{article}"), Asks::ForMe).await;
            let ended = told.record.ended;
            self.journal.write(told.record);
            match ended {
                Ended::Done => return self.basket.told(article),
                Ended::LoggedOut => return self.basket.refused(article),
                Ended::Failed => {}
            }
        }
    }

    async fn write_note(&mut self) {
        self.note.asked += 1;
        let told = self.post(&format!("/customers/{}/note/{}", self.number, self.note.asked), Asks::ForANote).await;
        if told.record.ended == Ended::Done {
            self.note.told = self.note.asked;
        }
        self.journal.write(told.record);
    }

    async fn read_note(&mut self) {
        let Told { mut record, answer, is_hit } = self.get(&format!("/customers/{}/note", self.number), Asks::ForANote).await;
        let note = answer.and_then(|answer| answer.note);
        record.note = note.map(|note| journal::Note { is_stale: note < self.note.told, is_hit });
        self.journal.write(record);
    }

    /// Pays, and tries again if need be: the same order is never paid for twice. The cart of whoever gives up is beyond reach.
    async fn check_out(&mut self) {
        self.orders += 1;
        for attempt in 1..=TRIES {
            let Told { mut record, answer, .. } = self.post(&format!("/checkout/{}", self.orders), Asks::ForMe).await;
            record.is_order = attempt == 1;
            let ended = record.ended;
            let paid = match (ended, answer) {
                (Ended::Done, Some(answer)) => Some(answer.cart),
                // Logged in, and logged out again on the way to the till.
                (Ended::LoggedOut, _) if attempt > 1 => Some(Vec::new()),
                _ if attempt == TRIES => Some(Vec::new()),
                _ => None,
            };
            if let Some(paid) = &paid {
                record.cart = self.basket.judge(paid);
                self.basket.paid(paid);
            }
            self.journal.write(record);
            if paid.is_some() {
                return;
            }
            if ended == Ended::LoggedOut {
                self.log_in().await;
            }
        }
    }

    async fn get(&mut self, path: &str, asks: Asks) -> Told {
        self.exchange(path, true, asks).await
    }

    async fn post(&mut self, path: &str, asks: Asks) -> Told {
        self.exchange(path, false, asks).await
    }

    async fn exchange(&mut self, path: &str, reads: bool, asks: Asks) -> Told {
        let is_pinned = self.browser.would_send(path, self.pin);
        let sent = self.journal.now();
        let page = if reads { self.browser.get(path).await } else { self.browser.post(path, "").await };
        let answered = self.journal.now();
        let (ended, answer) = match &page {
            Ok(page) => judge(page),
            Err(_) => (Ended::Failed, None),
        };
        let header = |name: &str| page.as_ref().map(|page| page.header(name)).unwrap_or_default();
        let user = answer.as_ref().and_then(|answer| answer.user.as_deref());
        let is_stranger = user.is_some_and(|user| user != self.name);
        let is_expected = self.is_logged_in && asks == Asks::ForMe && ended != Ended::Failed;
        let is_known = is_expected.then(|| user == Some(self.name.as_str()));
        if is_known == Some(false) {
            self.is_logged_in = false;
        }
        let record = Record {
            shopper: self.number,
            asks,
            sent,
            answered,
            node: node_number(header(NODE.as_str())),
            turn: turn(header(TURN.as_str())),
            ended,
            is_pinned,
            is_known,
            is_stranger,
            is_order: false,
            cart: None,
            note: None,
        };
        let is_hit = header(CACHE.as_str()) == HIT;
        Told { record, answer, is_hit }
    }
}

fn judge(page: &Page) -> (Ended, Option<Answer>) {
    let answer = serde_json::from_slice(&page.body).ok();
    match (page.status, answer) {
        (StatusCode::OK, Some(answer)) => (Ended::Done, Some(answer)),
        (StatusCode::UNAUTHORIZED, answer) => (Ended::LoggedOut, answer),
        _ => (Ended::Failed, None),
    }
}

fn turn(text: &str) -> Option<(u64, u64)> {
    let (epoch, turn) = text.split_once('.')?;
    Some((epoch.parse().ok()?, turn.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_is_judged_by_what_was_acknowledged() {
        let mut basket = Basket::default();
        for article in [1, 1, 2] {
            basket.asked(article);
            basket.told(article);
        }
        basket.asked(3);
        assert_eq!(basket.judge(&[(1, 2), (2, 1)]), Some(Cart::Whole));
        assert_eq!(basket.judge(&[(1, 2), (2, 1), (3, 1)]), Some(Cart::Whole), "an add without an answer may have happened");
        assert_eq!(basket.judge(&[(1, 1), (2, 1)]), Some(Cart::Lost));
        assert_eq!(basket.judge(&[]), Some(Cart::Lost));
        assert_eq!(basket.judge(&[(1, 2), (2, 2)]), Some(Cart::Grown));
        assert_eq!(basket.judge(&[(1, 2), (2, 1), (4, 1)]), Some(Cart::Grown));

        basket.paid(&[(1, 2), (2, 1)]);
        assert_eq!(basket.judge(&[]), None);
        assert_eq!(basket.judge(&[(3, 1)]), Some(Cart::Whole), "and may still come");
        basket.refused(3);
        assert_eq!(basket.judge(&[(3, 1)]), Some(Cart::Grown));
    }
}
