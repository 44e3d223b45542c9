//! What arrives, where, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use unstick_core::{Bus, BusEvent, ErrorKind};

use super::{Bench, BusFactory, bench::number};
use crate::contract::outcome::{Outcome, check, check_eq, check_matches};

/// Notices of one publisher arrive in the order in which they were published.
pub async fn notices_arrive_in_order<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    at.undisturbed(async |round| {
        let numbers = round * 500..(round + 1) * 500;
        let (published, heard) = tokio::join!(at.publish_numbers(&here, numbers.clone()), at.hear_until(&mut heard, numbers.end - 1));
        published?;
        let heard = heard?;
        check!(heard.gap || heard.numbers() == numbers.collect::<Vec<_>>(), "no gap was told, and what arrived was {:?}", heard.numbers());
        Ok(!heard.gap)
    })
    .await
}

/// A node does not hear itself.
pub async fn own_notices_are_not_delivered<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let (mut own, mut again) = (here.subscribe().await?, here.subscribe().await?);
    at.undisturbed(async |round| {
        at.publish_numbers(&here, 1000..1005).await?;
        at.publish_numbers(&there, [round]).await?;
        let mut gap = false;
        for heard in [&mut own, &mut again] {
            let heard = at.hear_until(heard, round).await?;
            check!(heard.numbers().iter().all(|number| *number < 1000), "own notices came back: {:?}", heard.numbers());
            gap |= heard.gap;
        }
        Ok(!gap)
    })
    .await
}

/// Whoever publishes at the same time: numbers begin with 1 and none is left out or given twice.
pub async fn numbers_are_consecutive<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    let (mut before, mut end) = (0, 0);
    at.undisturbed(async |_| {
        let publish = async |from: u64| at.publish_numbers(&here, from..from + 50).await;
        let (a, b, c, d) = tokio::join!(publish(end), publish(end + 50), publish(end + 100), publish(end + 150));
        a.and(b).and(c).and(d)?;
        end += 201;
        at.publish_numbers(&here, [end - 1]).await?;
        let heard = at.hear_until(&mut heard, end - 1).await?;
        let mut who = BTreeSet::new();
        for notice in &heard.notices {
            let seq = notice.seq.unwrap_or_default();
            check!(heard.gap || seq == before + 1, "no gap was told, and {seq} came after {before}");
            before = seq;
            who.insert((notice.publisher.0, notice.incarnation));
        }
        check_eq!(who.len(), 1, "publishers of one bus");
        check!(before >= end, "{end} notices were published, and the last number is {before}");
        Ok(!heard.gap)
    })
    .await
}

/// Once `subscribe` has returned, nothing is missed in silence.
pub async fn what_is_published_after_subscribing_arrives<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    for round in 0..50 {
        let mut heard = there.subscribe().await?;
        at.publish_numbers(&here, [round]).await?;
        loop {
            match at.next(&mut heard).await? {
                BusEvent::Notice(notice) => {
                    check_eq!(number(&notice.payload), round, "the first notice of a new subscription");
                    break;
                }
                BusEvent::Gap | BusEvent::Cut => break,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Two subscriptions of one bus do not take each other's notices.
pub async fn every_subscription_hears_everything<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let (mut one, mut two) = (there.subscribe().await?, there.subscribe().await?);
    at.undisturbed(async |round| {
        let numbers = round * 20..(round + 1) * 20;
        at.publish_numbers(&here, numbers.clone()).await?;
        let (one, two) = (at.hear_until(&mut one, numbers.end - 1).await?, at.hear_until(&mut two, numbers.end - 1).await?);
        let all: Vec<u64> = numbers.collect();
        for heard in [&one, &two] {
            check!(heard.gap || heard.numbers() == all, "no gap was told, and what arrived was {:?}", heard.numbers());
        }
        Ok(!one.gap && !two.gap)
    })
    .await
}

/// What one fleet says, another does not hear.
pub async fn fleets_do_not_mix<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let ([here, there], [stranger, _other]) = (at.pair().await?, at.pair().await?);
    let mut heard = there.subscribe().await?;
    at.publish_numbers(&stranger, 1000..1020).await?;
    at.publish_numbers(&here, [1]).await?;
    let heard = at.hear_until(&mut heard, 1).await?;
    check!(heard.numbers().iter().all(|number| *number == 1), "notices of another fleet arrived: {:?}", heard.numbers());
    Ok(())
}

/// Notices of many publishers, each with numbers of its own.
pub async fn many_publishers<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let mut buses = at.factory.open(at.factory.many() + 1).await;
    let Some(there) = buses.pop() else { return Ok(()) };
    let mut heard = there.subscribe().await?;
    at.undisturbed(async |round| {
        for (bus, n) in buses.iter().zip(0..) {
            at.publish_numbers(bus, [round << 32 | n]).await?;
        }
        let mut missing: BTreeSet<u64> = buses.iter().zip(0..).map(|(_, n)| round << 32 | n).collect();
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        while !missing.is_empty() {
            match at.next(&mut heard).await? {
                BusEvent::Notice(notice) => {
                    missing.remove(&number(&notice.payload));
                    let seq = notice.seq.unwrap_or(u64::MAX);
                    check!(
                        last.insert(notice.publisher.0, seq).is_none_or(|before| before < seq),
                        "the numbers of a publisher do not grow"
                    );
                }
                BusEvent::Gap | BusEvent::Cut => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    })
    .await
}

/// Payloads arrive as they were, from none to the longest.
pub async fn payloads_of_all_sizes<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    let longest = at.factory.longest();
    let sizes = [0, 1, 7, 8, 255, 256, 4095, 65_535].into_iter().filter(|size| *size < longest).chain([longest]);
    for size in sizes {
        // every byte there is, none of which may be taken for an end
        let payload: Bytes = (0..=u8::MAX).cycle().take(size).collect();
        at.undisturbed(async |_| {
            here.publish(at.op(), payload.clone()).await?;
            loop {
                match at.next(&mut heard).await? {
                    BusEvent::Notice(notice) => {
                        check!(notice.payload == payload, "{size} bytes arrived as {} others", notice.payload.len());
                        return Ok(true);
                    }
                    BusEvent::Gap | BusEvent::Cut => return Ok(false),
                    _ => {}
                }
            }
        })
        .await?;
    }
    Ok(())
}

/// A payload that is too long is refused, and disturbs nobody.
pub async fn too_long_is_refused<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    if at.factory.is_limited() {
        let refused = here.publish(at.op(), vec![b'x'; at.factory.longest() + 1].into()).await;
        check_matches!(refused.as_ref().map_err(unstick_core::Error::kind), Err(ErrorKind::TooLarge), "a payload that is too long");
    }
    at.undisturbed(async |round| {
        at.publish_numbers(&here, [round]).await?;
        let heard = at.hear_until(&mut heard, round).await?;
        check!(heard.gap || heard.numbers() == [round], "what arrived was {:?}", heard.numbers());
        Ok(!heard.gap)
    })
    .await
}
