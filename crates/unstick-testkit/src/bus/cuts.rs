//! Connections that break and come back. For factories that can break them.

use unstick_core::{Bus, BusEvent, Published};

use super::{Bench, BusFactory, bench::number};
use crate::contract::outcome::{Outcome, check};

/// A subscription says that it misses messages.
pub async fn a_cut_is_told<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [_here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    if at.factory.cut().await {
        while !matches!(at.next(&mut heard).await?, BusEvent::Cut) {}
        at.factory.restore().await;
    }
    Ok(())
}

/// It says that messages arrive again, right behind a gap; then they do.
pub async fn back_means_gap_then_restored<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    for round in 0..3 {
        if !at.factory.cut().await {
            return Ok(());
        }
        while !matches!(at.next(&mut heard).await?, BusEvent::Cut) {}
        at.factory.restore().await;
        let mut before = BusEvent::Cut;
        loop {
            let event = at.next(&mut heard).await?;
            if event == BusEvent::Restored {
                check!(before == BusEvent::Gap, "restored after {before:?}");
                break;
            }
            before = event;
        }
        // the publisher's own connection may take longer
        let mut arrived = false;
        while !arrived {
            let published = at.publish_number(&here, round).await;
            loop {
                match at.next(&mut heard).await? {
                    BusEvent::Notice(notice) => arrived |= number(&notice.payload) == round,
                    BusEvent::Alive { .. } if published.is_err() => break,
                    BusEvent::Gap | BusEvent::Cut => break,
                    _ => {}
                }
                if arrived {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// While cut, nothing is proven; a proof is of before the cut, or comes after `Restored`.
pub async fn nothing_is_proven_while_cut<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    while !matches!(at.next(&mut heard).await?, BusEvent::Alive { .. }) {}
    if !at.factory.cut().await {
        return Ok(());
    }
    let since = at.now();
    let mut told = false;
    // as long as several proofs would take
    let end = since + std::time::Duration::from_secs(5);
    while at.now() < end {
        let event = tokio::time::timeout(end.saturating_sub(at.now()), at.next(&mut heard)).await;
        match event {
            Ok(event) => match event? {
                BusEvent::Cut => told = true,
                BusEvent::Alive { as_of } => check!(!told && as_of <= since, "cut at {since:?}, and alive as of {as_of:?}"),
                BusEvent::Restored => check!(false, "restored while nothing can arrive"),
                _ => {}
            },
            Err(_) => break,
        }
        _ = at.publish_number(&here, 1).await;
    }
    at.factory.restore().await;
    let mut back = false;
    loop {
        match at.next(&mut heard).await? {
            BusEvent::Restored => back = true,
            BusEvent::Cut => (told, back) = (true, false),
            BusEvent::Alive { as_of } => {
                check!(back || !told, "alive as of {as_of:?} while cut");
                if back {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}

/// What cannot be sent is not confirmed.
pub async fn publishing_while_cut_is_not_confirmed<F: BusFactory>(at: &Bench<'_, F>) -> Outcome {
    let [here, there] = at.pair().await?;
    let mut heard = there.subscribe().await?;
    if at.factory.cut().await {
        for n in 0..5 {
            let published = at.publish_number(&here, n).await;
            check!(!matches!(published, Ok(Published::Confirmed)), "notice {n} was confirmed while cut");
        }
        at.factory.restore().await;
        while !matches!(at.next(&mut heard).await?, BusEvent::Gap) {}
    }
    Ok(())
}
