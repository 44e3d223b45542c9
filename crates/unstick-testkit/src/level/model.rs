//! Random operations of two nodes, beside a model in plain maps. Seeded; a failure names its seed.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use unstick_core::{Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, TagKey, Target, Want};

use super::{LevelBench, MINUTE, key, tag, tagged};
use crate::{
    contract::{
        Failure, Outcome,
        outcome::{check, check_eq},
    },
    rng::Rng,
};

const SEEDS: u64 = 12;
const STEPS: usize = 150;

type Place = (LevelKey, u32);

/// What the level should hold.
#[derive(Default)]
struct Model {
    values: BTreeMap<Place, (Bytes, Vec<TagKey>)>,
    leases: BTreeMap<Place, (LeaseToken, bool)>,
    /// When each tag was invalidated last, by the number of the step.
    invalidated: BTreeMap<TagKey, usize>,
    /// Tags of values that got in, and when one did first: a load that began later is not refused for them without a reason.
    known: BTreeMap<TagKey, usize>,
}

impl Model {
    fn invalidate(&mut self, target: &Target, step: usize) {
        match target {
            Target::Key(key) => {
                self.values.retain(|(of, _), _| of != key);
                self.leases.retain(|(of, _), _| of != key);
            }
            Target::Tag(tag) => {
                self.values.retain(|_, (_, tags)| !tags.contains(tag));
                self.invalidated.insert(tag.clone(), step);
            }
            _ => {
                self.values.clear();
                self.leases.clear();
                self.known.clear();
            }
        }
    }

    fn give_back(&mut self, place: &Place, token: LeaseToken) -> Option<bool> {
        let awaited = self.leases.get(place).filter(|(of, _)| *of == token)?.1;
        self.leases.remove(place);
        Some(awaited)
    }
}

/// A lease that somebody had at some time.
struct Started {
    place: Place,
    held: Held,
    step: usize,
}

struct Run<'a, L> {
    at: &'a LevelBench<L>,
    rng: Rng,
    seed: u64,
    model: Model,
    started: Vec<Started>,
    invalidations: Vec<(OpCtx, Target)>,
    /// How many invalidations there were, repeated ones included.
    clock: usize,
    /// Values found, fills that got in, fills that were refused for a reason, repetitions.
    seen: [u32; 4],
}

impl<L: Level> Run<'_, L> {
    fn place(&mut self) -> Place {
        (key(&format!("{}:{}", self.seed, self.rng.below(4))), if self.rng.once_in(3) { 2 } else { 1 })
    }

    fn tags(&mut self) -> Vec<TagKey> {
        let count = self.rng.below(3);
        (0..count).map(|_| tag(&format!("{}:{}", self.seed, self.rng.below(4)))).collect()
    }

    fn same(&self, place: &Place, found: Option<&LevelValue>) -> Outcome {
        let found = found.map(|value| (value.bytes.clone(), value.tags.clone()));
        check_eq!(found, self.model.values.get(place).cloned(), "the value of {place:?}");
        Ok(())
    }

    async fn look(&mut self) -> Outcome {
        let (place, node) = (self.place(), self.at.node(self.rng.below(2)));
        let refresh = self.rng.once_in(3);
        let more_than = if refresh { MINUTE * 15 } else { Duration::ZERO };
        let want = Want { schema: place.1, more_than, lease: MINUTE };
        let looked = node.read_or_lease(self.at.op(), &place.0, &want).await?;
        match &looked {
            Looked::Found(value) => {
                check!(!refresh, "a value that is not fresh for long enough was found");
                self.seen[0] += 1;
                self.same(&place, Some(value))
            }
            Looked::Leased { token, start, stale } => {
                self.same(&place, stale.as_ref())?;
                check!(stale.is_none() || refresh, "a lease where there is a fresh value");
                check!(!self.model.leases.contains_key(&place), "a second lease of {place:?}");
                let held = Held { schema: place.1, token: *token, start: *start };
                self.model.leases.insert(place.clone(), (*token, false));
                self.started.push(Started { place, held, step: self.clock });
                Ok(())
            }
            Looked::Held { stale, .. } => {
                self.same(&place, stale.as_ref())?;
                match self.model.leases.get_mut(&place) {
                    Some((_, awaited)) => *awaited = true,
                    None => check!(false, "nobody loads {place:?}"),
                }
                Ok(())
            }
            other => Err(Failure::new(format!("an answer that is not known: {other:?}"))),
        }
    }

    async fn fill(&mut self) -> Outcome {
        if self.started.is_empty() {
            return Ok(());
        }
        let at = self.rng.below(self.started.len());
        let (place, held, step) = (self.started[at].place.clone(), self.started[at].held, self.started[at].step);
        // some leases are used again
        if !self.rng.once_in(4) {
            self.started.swap_remove(at);
        }
        let value = LevelValue { tags: self.tags(), ..tagged(&self.rng.next().to_string(), &[]) };
        let filled = self.at.node(self.rng.below(2)).fill(self.at.op(), &place.0, held, &value).await?;
        let stale = value.tags.iter().any(|tag| self.model.invalidated.get(tag).is_some_and(|last| *last > step));
        let awaited = self.model.give_back(&place, held.token).filter(|_| !stale);
        match (filled, awaited) {
            (Filled::Refused, None) => self.seen[2] += 1,
            (Filled::Refused, Some(_)) if value.tags.iter().any(|tag| self.model.known.get(tag).is_none_or(|since| *since > step)) => {}
            (filled, Some(awaited)) => {
                check_eq!(filled, Filled::Done { awaited }, "a fill of {place:?}");
                self.seen[1] += 1;
                for tag in &value.tags {
                    self.model.known.entry(tag.clone()).or_insert(self.clock);
                }
                self.model.values.insert(place, (value.bytes, value.tags));
            }
            (filled, None) => check!(false, "a value that may be stale is in {place:?}: {filled:?}"),
        }
        Ok(())
    }

    async fn invalidate(&mut self) -> Outcome {
        self.clock += 1;
        let node = self.at.node(self.rng.below(2));
        if self.rng.once_in(3) && !self.invalidations.is_empty() {
            let recent = self.invalidations.len().saturating_sub(8);
            let at = recent + self.rng.below(self.invalidations.len() - recent);
            let (op, target) = &self.invalidations[at];
            node.invalidate(OpCtx { op_id: op.op_id, ..self.at.op() }, target).await?;
            self.seen[3] += 1;
            return Ok(());
        }
        let target = match self.rng.below(9) {
            0 => Target::All,
            1..=4 => Target::Key(self.place().0),
            _ => Target::Tag(tag(&format!("{}:{}", self.seed, self.rng.below(4)))),
        };
        let op = self.at.op();
        node.invalidate(op, &target).await?;
        self.invalidations.push((op, target.clone()));
        self.model.invalidate(&target, self.clock);
        Ok(())
    }

    async fn others(&mut self) -> Outcome {
        let place = self.place();
        if self.rng.once_in(2) || self.started.is_empty() {
            let read = self.at.node(self.rng.below(2)).read(self.at.op(), &place.0, place.1).await?;
            return self.same(&place, read.as_ref());
        }
        let at = self.rng.below(self.started.len());
        let (place, held) = (self.started[at].place.clone(), self.started[at].held);
        let node = self.at.node(self.rng.below(2));
        if self.rng.once_in(2) {
            let theirs = self.model.leases.get(&place).is_some_and(|(token, _)| *token == held.token);
            let extended = node.extend(self.at.op(), &place.0, place.1, held.token, MINUTE).await?;
            check_eq!(extended, theirs, "whether the lease of {place:?} was extended");
        } else {
            self.started.swap_remove(at);
            let awaited = node.release(self.at.op(), &place.0, held).await?;
            check_eq!(awaited, self.model.give_back(&place, held.token).unwrap_or(false), "whether somebody waits for {place:?}");
        }
        Ok(())
    }

    async fn go(&mut self) -> Outcome {
        for _ in 0..STEPS {
            match self.rng.below(10) {
                0..=3 => self.look().await?,
                4..=6 => self.fill().await?,
                7 => self.invalidate().await?,
                _ => self.others().await?,
            }
        }
        Ok(())
    }
}

/// Whatever is asked in whatever order, the answers are those of the model.
pub async fn seeded_operations<L: Level>(at: &LevelBench<L>) -> Outcome {
    let mut seen = [0; 4];
    for seed in 1..=SEEDS {
        let mut run = Run {
            at,
            rng: Rng::new(seed),
            seed,
            model: Model::default(),
            started: Vec::new(),
            invalidations: Vec::new(),
            clock: 0,
            seen: [0; 4],
        };
        run.go().await.map_err(|failure| Failure::new(format!("seed {seed}: {failure}")))?;
        seen.iter_mut().zip(run.seen).for_each(|(sum, more)| *sum += more);
    }
    check!(seen.iter().all(|count| *count > 20), "found, filled, refused, repeated: {seen:?} prove nothing");
    Ok(())
}
