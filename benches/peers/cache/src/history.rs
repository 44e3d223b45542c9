//! A history of reads, loads and invalidations, the same for every cache: what a seed says happens one step after the other, and loads end when
//! the history says so. What is counted are stale reads, as a client would see them.

use std::collections::VecDeque;

use tokio::task::{JoinHandle, yield_now};

use crate::{run::runtime, source::Source, subjects::Cached};

pub(crate) const SEED: u64 = 0x5eed_0006;
pub(crate) const KEYS: usize = 8;
pub(crate) const STEPS: usize = 4000;

/// Turns that everybody else gets after a step: all that can go on has gone on by then.
const TURNS: usize = 24;

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reads: usize,
    /// Those that returned less than what had been written and invalidated before they began.
    pub(crate) stale: usize,
    pub(crate) invalidations: usize,
    /// Those that came while their key was loaded.
    pub(crate) during_loads: usize,
}

/// A read that is not answered yet, and the least version that it may return.
type Read<V> = (u8, JoinHandle<Result<V, String>>);

/// The whole history, with a cache of its own.
pub(crate) fn tell<C: Cached<u64>>() -> Result<Told, String> {
    runtime()?.block_on(async {
        let (cache, sources) = (C::new(1000)?, [(); KEYS].map(|()| Source::stepped()));
        let (mut told, mut reads, mut random) = (Told::default(), VecDeque::new(), SEED);
        for _ in 0..STEPS {
            let number = next(&mut random);
            let at = usize::try_from(number % KEYS as u64).unwrap_or(0);
            let (key, source) = (at as u64, sources[at]);
            match (number >> 32) % 10 {
                // a write, and the invalidation after it
                0 => {
                    source.write();
                    told.invalidations += 1;
                    told.during_loads += usize::from(source.waiting() > 0);
                    cache.forget(&key).await;
                }
                1..=3 => {
                    if source.waiting() > 0 {
                        source.answer_one();
                    }
                }
                _ => {
                    let (cache, least) = (cache.clone(), source.version());
                    reads.push_back((least, tokio::spawn(async move { cache.load(key, source).await })));
                }
            }
            settle().await;
            answered::<C>(&mut reads, &mut told).await?;
        }
        // whoever waits is answered; there are no more loads than reads
        for _ in 0..STEPS {
            sources.iter().filter(|source| source.waiting() > 0).for_each(|source| source.answer_one());
            settle().await;
            answered::<C>(&mut reads, &mut told).await?;
        }
        match (reads.len(), told.during_loads) {
            (0, 1..) => Ok(told),
            (0, 0) => Err("no invalidation came during a load: the history proves nothing".to_owned()),
            (hanging, _) => Err(format!("{hanging} reads are never answered")),
        }
    })
}

async fn settle() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}

/// Counts the reads that have an answer.
async fn answered<C: Cached<u64>>(reads: &mut VecDeque<Read<C::Value>>, told: &mut Told) -> Result<(), String> {
    for _ in 0..reads.len() {
        let Some((least, read)) = reads.pop_front() else { break };
        if read.is_finished() {
            let value = read.await.map_err(|error| error.to_string())??;
            told.reads += 1;
            told.stale += usize::from(C::version(&value) < least);
        } else {
            reads.push_back((least, read));
        }
    }
    Ok(())
}

/// xorshift.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
