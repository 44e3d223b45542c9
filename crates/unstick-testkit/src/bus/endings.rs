//! What ends, and what does not.

use std::{future::Future, pin::pin, task::Poll};

use bytes::Bytes;
use unstick_core::{Bus, BusEvent};

use super::{Bench, BusFactory};
use crate::contract::outcome::{Outcome, check};

/// A subscription that is dropped holds up neither the publisher nor its siblings.
pub async fn a_dropped_subscription_ends_alone<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    for _ in 0..100 {
        drop(there.subscribe().await?);
    }
    at.undisturbed(async |round| {
        let numbers = round * 100..(round + 1) * 100;
        let (published, heard) = tokio::join!(at.publish_numbers(&here, numbers.clone()), at.hear_until(&mut heard, numbers.end - 1));
        published?;
        let heard = heard?;
        check!(heard.gap || heard.numbers() == numbers.collect::<Vec<_>>(), "what arrived was {:?}", heard.numbers());
        Ok(!heard.gap)
    })
    .await
}

/// Nothing comes after the bus, and that is told.
pub async fn the_subscription_ends_with_the_bus<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [_here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    drop(there);
    while at.next_or_end(&mut heard).await?.is_some() {}
    check!(at.next_or_end(&mut heard).await?.is_none(), "an event after the end");
    Ok(())
}

/// A caller that leaves in the middle of publishing leaves nothing behind that is not told.
pub async fn a_dropped_publish_disturbs_nobody<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    for polls in 0..5 {
        let mut publish = pin!(here.publish(at.op(), Bytes::from_static(b"left")));
        for _ in 0..polls {
            let ready = std::future::poll_fn(|cx| Poll::Ready(publish.as_mut().poll(cx).is_ready())).await;
            if ready {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let mut before = 0;
    at.undisturbed(async |round| {
        at.publish_numbers(&here, [round]).await?;
        loop {
            match at.next(&mut heard).await? {
                BusEvent::Notice(notice) => {
                    let seq = notice.seq.unwrap_or_default();
                    check!(seq == before + 1, "no gap was told, and {seq} came after {before}");
                    before = seq;
                    if notice.payload != "left" {
                        return Ok(true);
                    }
                }
                BusEvent::Gap | BusEvent::Cut => {
                    // counting starts again behind the gap
                    at.publish_numbers(&here, [u64::MAX - 1]).await?;
                    let heard = at.hear_until(&mut heard, u64::MAX - 1).await?;
                    before = heard.notices.last().and_then(|notice| notice.seq).unwrap_or_default();
                    return Ok(false);
                }
                _ => {}
            }
        }
    })
    .await
}
