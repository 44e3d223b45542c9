//! What a subscription proves, and what it admits.

use unstick_core::{Bus, BusEvent};

use super::{Bench, BusFactory, bench::number};
use crate::contract::outcome::{Outcome, check};

/// A subscription that works says so, ever later, and never ahead of time.
pub async fn alive_again_and_again<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [_, there] = at.pair().await?;
    let begin = at.now();
    let mut heard = there.subscribe().await?;
    let mut last = None;
    let mut proofs = 0;
    while proofs < 4 {
        if let BusEvent::Alive { as_of } = at.next(&mut heard).await? {
            check!(as_of >= begin && as_of <= at.now(), "a proof of {as_of:?} between {begin:?} and {:?}", at.now());
            check!(last.is_none_or(|last| as_of > last), "a proof of {as_of:?} after one of {last:?}");
            last = Some(as_of);
            proofs += 1;
        }
    }
    Ok(())
}

/// A notice that was published before the time of a proof comes before it.
pub async fn alive_is_no_promise_too_early<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    let (mut told, mut proofs) = (0, 0);
    for n in 1..=u64::MAX {
        at.publish_numbers(&here, [n]).await?;
        let after = at.now();
        // until the notice is there, no proof may be of later
        while told < n {
            match at.next(&mut heard).await? {
                BusEvent::Notice(notice) => told = told.max(number(&notice.payload)),
                BusEvent::Alive { as_of } => {
                    proofs += 1;
                    check!(as_of <= after, "alive as of {as_of:?}, and a notice of before {after:?} was not told");
                }
                BusEvent::Gap | BusEvent::Cut => told = n,
                _ => {}
            }
        }
        if proofs >= 4 {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A receiver that takes nothing is told that it has missed something, and hears what comes afterwards.
pub async fn overflow_is_a_gap<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    let many = at.factory.overflow() as u64;
    at.publish_numbers(&here, 0..many).await?;
    let mut gap = false;
    let mut expected = 0;
    let mut next = many;
    loop {
        // what waits may be dropped up to the last one, so that only a further notice shows where the subscription is
        at.publish_numbers(&here, [next]).await?;
        next += 1;
        loop {
            match at.next(&mut heard).await? {
                BusEvent::Notice(notice) => {
                    let number = number(&notice.payload);
                    check!(gap || number == expected, "no gap was told, and {number} came after {expected} notices");
                    expected = number + 1;
                    if number >= many {
                        check!(gap, "{many} notices waited, and none is told as lost");
                        return Ok(());
                    }
                }
                BusEvent::Gap => {
                    gap = true;
                    break;
                }
                BusEvent::Cut => gap = true,
                _ => {}
            }
        }
    }
}

/// After an overflow, order and proofs are as before.
pub async fn a_slow_receiver_goes_on<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    let mut next = at.factory.overflow() as u64;
    at.publish_numbers(&here, 0..next).await?;
    while !matches!(at.next(&mut heard).await?, BusEvent::Gap) {}
    let before = at.now();
    loop {
        match at.next(&mut heard).await? {
            BusEvent::Alive { as_of } if as_of >= before => break,
            _ => {}
        }
    }
    at.undisturbed(async |_| {
        let numbers = next..next + 20;
        next += 20;
        at.publish_numbers(&here, numbers.clone()).await?;
        let heard = at.hear_until(&mut heard, numbers.end - 1).await?;
        check!(heard.gap || heard.numbers().ends_with(&numbers.collect::<Vec<_>>()), "what arrived was {:?}", heard.numbers());
        Ok(!heard.gap)
    })
    .await
}
