//! One seeded schedule: slow writers, whose reads and writes lie apart, and what happens to their session in between.

use std::time::Duration;

use unstick_core::{Applied, Change, ErrorKind, Fields, OpCtx, Renewal, Rotated, Store, Timestamp};

use super::{
    Summary,
    model::{Model, Verdict},
};
use crate::{
    contract::{Bench, Failure, GRACE, IDLE, MS, Outcome, SECOND, Subject, outcome::check},
    rng::Rng,
};

/// A client with requests in flight: the id it holds, and the write that it sent last.
struct Writer {
    id: usize,
    sent: Option<(OpCtx, usize, Change)>,
}

pub(super) struct Schedule<'a, S> {
    at: &'a Bench<S>,
    rng: Rng,
    now: Timestamp,
    principal: String,
    ids: Vec<Subject>,
    model: Model,
    writers: Vec<Writer>,
    writes: usize,
    summary: &'a mut Summary,
}

impl<'a, S: Store> Schedule<'a, S> {
    /// Creates the session and its writers.
    pub(super) async fn new(at: &'a Bench<S>, seed: u64, summary: &'a mut Summary) -> Result<Self, Failure> {
        let mut rng = Rng::new(seed);
        let now = at.clock().now();
        let credential = unstick_core::Credential::issue(now, now + IDLE, now + IDLE * 4)?;
        let subject = Subject::from(credential);
        let principal = format!("principal {seed}");
        at.store().create(at.op(now), subject.key, &subject.new_record(Some(&principal), Fields::default())).await?;
        let model = Model::new(now + IDLE, now + IDLE * 4);
        let writers = (0..2 + rng.below(3)).map(|_| Writer { id: 0, sent: None }).collect();
        Ok(Self { at, rng, now, principal, ids: vec![subject], model, writers, writes: 0, summary })
    }

    pub(super) async fn run(mut self) -> Outcome {
        for _ in 0..8 + self.rng.below(16) {
            match self.rng.below(20) {
                0..=2 => self.time_passes(),
                3..=5 => self.load().await?,
                6..=10 => self.write().await?,
                11 | 12 if self.at.remembers() => self.deliver_again().await?,
                13 => self.write_late().await?,
                14 => self.renew_id(Some(GRACE)).await?,
                15 => self.renew_id(None).await?,
                16 => self.client_catches_up(),
                17 => self.sweep().await?,
                _ if self.rng.once_in(3) => self.end().await?,
                _ => {}
            }
            self.look().await?;
        }
        Ok(())
    }

    fn time_passes(&mut self) {
        let steps = [MS, SECOND, GRACE - MS, GRACE, IDLE / 2, IDLE - SECOND, IDLE];
        let likely = if self.rng.once_in(4) { &steps[..] } else { &steps[..5] };
        let by: Duration = *self.rng.pick(likely);
        self.now = self.now + by;
        self.at.clock().advance(by);
    }

    fn writer(&mut self) -> usize {
        self.rng.below(self.writers.len())
    }

    async fn load(&mut self) -> Outcome {
        let writer = self.writer();
        let (id, now) = (self.writers[writer].id, self.now);
        let subject = self.ids[id];
        let renewal = self.rng.once_in(2).then(|| Renewal { idle_deadline: now + IDLE, issued: now });
        let loaded = self.at.node(writer).load(self.at.op(now), subject.key, subject.presented, renewal).await?;
        if renewal.is_some() && self.model.verdict(id, now) == Verdict::Served {
            self.model.renew(now + IDLE);
        }
        self.model.check_load(id, now, &loaded)
    }

    /// The write of a request that may have read long ago.
    async fn write(&mut self) -> Outcome {
        let writer = self.writer();
        let id = self.writers[writer].id;
        self.writes += 1;
        let own = format!("{writer}.{}", self.writes);
        let change = match self.rng.below(6) {
            0 => Change::new().set("shared", own.clone()),
            1 => Change::new().remove("shared"),
            2 => Change { clear: true, ..Change::new().set(&own, own.clone()) },
            3 => Change {
                renewal: Some(Renewal { idle_deadline: self.now + IDLE, issued: self.now }),
                ..Change::new().set(&own, own.clone())
            },
            _ => Change::new().set(&own, own.clone()),
        };
        let op = self.at.op(self.now);
        self.writers[writer].sent = Some((op, id, change.clone()));
        self.deliver(writer, op, id, &change).await
    }

    async fn deliver(&mut self, writer: usize, op: OpCtx, id: usize, change: &Change) -> Outcome {
        let subject = self.ids[id];
        let answer = self.at.node(writer).apply(op, subject.key, subject.presented, change).await;
        let late = op.deadline <= self.at.clock().now();
        let applied = match answer {
            Err(error) if late && error.kind() == ErrorKind::Late => {
                self.summary.late += 1;
                return Ok(());
            }
            answer => answer?,
        };
        check!(!late, "a late write was answered {applied:?}");
        if self.model.check_write(id, op.now, &applied)? != Verdict::Served {
            self.summary.refused += 1;
            return Ok(());
        }
        if !self.model.applied.insert(op.op_id.as_u128()) {
            self.summary.repeated += 1;
            return Ok(());
        }
        self.summary.applied += 1;
        if !self.model.is_current(id) {
            self.summary.graced += 1;
        }
        if change.clear {
            self.model.fields.clear();
        }
        for (name, delta) in &change.fields {
            match delta {
                unstick_core::FieldChange::Set(value) => {
                    self.model.fields.insert(name.to_string(), String::from_utf8_lossy(value).into_owned());
                }
                unstick_core::FieldChange::Remove => {
                    self.model.fields.remove(&**name);
                }
            }
        }
        if let Some(renewal) = change.renewal {
            self.model.renew(renewal.idle_deadline);
        }
        Ok(())
    }

    /// The network delivers a write once more.
    async fn deliver_again(&mut self) -> Outcome {
        let writer = self.writer();
        let Some((op, id, change)) = self.writers[writer].sent.clone() else { return Ok(()) };
        let by_store = self.at.clock().now();
        // A server's own clock runs on while the schedule's stands: with seconds left, both answers would be right. And
        // late by the caller's clock alone is not late for the store.
        if op.deadline > by_store && op.deadline <= self.now.max(by_store) + SECOND * 30 {
            return Ok(());
        }
        self.deliver(writer, op, id, &change).await
    }

    /// A write that was held up until after its deadline.
    async fn write_late(&mut self) -> Outcome {
        let subject = self.ids[self.model.current];
        let change = Change::new().set("late", "1");
        match self.at.store().apply(self.at.late_op(), subject.key, subject.presented, &change).await {
            Err(error) if error.kind() == ErrorKind::Late => {
                self.summary.late += 1;
                Ok(())
            }
            other => Err(Failure::new(format!("a late write was answered {other:?}"))),
        }
    }

    /// A rotation with a grace, or a login without, by some client's id.
    async fn renew_id(&mut self, grace: Option<Duration>) -> Outcome {
        let writer = self.writer();
        let (id, now) = (self.writers[writer].id, self.now);
        let subject = self.ids[id];
        let new = subject.rotated(now)?;
        let rotation = unstick_core::Rotation {
            overlap_since: now + MS, // re-issues play no part here
            ..Subject::rotation(&new, grace.map(|grace| now + grace), grace.is_none().then_some(self.principal.as_str()))
        };
        let rotated = self.at.node(writer).rotate(self.at.op(now), subject.key, subject.presented, &rotation, &Change::new()).await?;
        let verdict = self.model.verdict(id, now);
        match (verdict, &rotated) {
            (Verdict::Served, Rotated::Done { rotated: true, .. }) if self.model.is_current(id) => {
                self.ids.push(new);
                self.model.previous = grace.map(|grace| (id, now + grace));
                self.model.current = self.ids.len() - 1;
                self.model.renew(new.credential.idle_deadline());
                self.writers[writer].id = self.model.current;
                self.summary.rotated += 1;
                Ok(())
            }
            (Verdict::Served, Rotated::Done { rotated: false, .. }) if !self.model.is_current(id) && grace.is_some() => Ok(()),
            (Verdict::Served, Rotated::Refused(Applied::Superseded { .. })) if !self.model.is_current(id) && grace.is_none() => Ok(()),
            (_, Rotated::Refused(refused)) if verdict != Verdict::Served => self.model.check_write(id, now, refused).map(drop),
            _ => Err(Failure::new(format!("id {id} is {verdict:?}, but its rotation was answered {rotated:?}; {:?}", self.model))),
        }
    }

    /// A client receives the newest cookie.
    fn client_catches_up(&mut self) {
        let writer = self.writer();
        self.writers[writer].id = self.model.current;
    }

    async fn sweep(&mut self) -> Outcome {
        // What has been dead for long leaves; the schedule stays within the slack and the tombstone's time.
        let now = self.now.min(self.model.idle);
        self.at.store().sweep(self.at.op(now), 3).await?;
        Ok(())
    }

    /// The session is ended: by a client, by administration, by the end of all of the principal's sessions.
    async fn end(&mut self) -> Outcome {
        let writer = self.writer();
        let (id, now, until) = (self.writers[writer].id, self.now, self.now + IDLE * 100);
        let subject = self.ids[id];
        let verdict = self.model.verdict(id, now);
        let index = self.at.store().principal_index();
        match (self.rng.below(3), index) {
            (0, _) if verdict == Verdict::Expired => return Ok(()), // whether the expired are ended as well is the store's choice
            (0, Some(index)) => {
                let live = u64::from(matches!(verdict, Verdict::Served | Verdict::Superseded));
                let ended = index.end_others(self.at.op(now), &self.principal, None, IDLE * 100).await?;
                check!(ended == live, "{ended} sessions were ended instead of {live}; {:?}", self.model);
                self.model.ended |= live == 1;
            }
            (1, _) => {
                self.at.store().end(self.at.op(now), subject.key, None, until).await?;
                self.model.ended = true;
            }
            _ => {
                let ended = self.at.node(writer).end(self.at.op(now), subject.key, Some(subject.presented), until).await?;
                let superseded = matches!(ended, unstick_core::Ended::Superseded { .. });
                check!(superseded == (verdict == Verdict::Superseded), "id {id} is {verdict:?}, but its end was answered {ended:?}");
                self.model.ended |= !superseded;
            }
        }
        self.summary.ended += u64::from(self.model.ended);
        Ok(())
    }

    /// Every id is what the model says, whatever happened: above all, what is dead stays dead.
    async fn look(&mut self) -> Outcome {
        for (id, subject) in self.ids.iter().enumerate() {
            let loaded = self.at.load_both_ways(self.now, subject).await?;
            self.model.check_load(id, self.now, &loaded)?;
        }
        Ok(())
    }
}
