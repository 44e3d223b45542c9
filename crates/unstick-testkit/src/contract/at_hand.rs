//! What a store answers without waiting is what it answers otherwise. Stores without [`Store::at_hand`] pass.

use unstick_core::{Change, Fields, Loaded, Proof, Store};

use super::{
    Bench, GRACE, IDLE, MS, Outcome, SECOND, Subject, live,
    outcome::{check, check_eq, check_matches},
};

/// From before the creation until after the end, by every id that a session ever had.
pub async fn agrees_with_load<S: Store>(at: &Bench<S>) -> Outcome {
    let now = at.start();
    let first = at.stranger()?;
    check_eq!(at.load_both_ways(now, &first).await?, Loaded::Missing, "before the creation");
    at.store().create(at.op(now), first.key, &first.new_record(Some("ann"), Fields::default())).await?;
    check!(at.apply(now, &first, &Change::new().set("cart", "[1]")).await?.is_done(), "a change");
    let session = live(at.load_both_ways(now, &first).await?)?;
    check_eq!(super::outcome::value(&session.fields, "cart"), Some(&b"[1]"[..]), "the change");

    let second = first.rotated(now)?;
    at.rotate(now, &first, &Subject::rotation(&second, Some(now + GRACE), None)).await?;
    check_eq!(live(at.load_both_ways(now, &first).await?)?.proof, Proof::Grace, "proof in the grace");
    check_matches!(at.load_both_ways(now + GRACE, &first).await?, Loaded::Superseded { .. }, "the first id after the grace");
    check_eq!(live(at.load_both_ways(now, &second).await?)?.proof, Proof::Current, "proof of the second id");

    let third = second.rotated(now)?;
    at.rotate(now, &second, &Subject::rotation(&third, None, Some("bob"))).await?;
    for old in [&first, &second] {
        check_matches!(at.load_both_ways(now, old).await?, Loaded::Superseded { .. }, "an id from before the promotion");
    }
    check_eq!(live(at.load_both_ways(now, &third).await?)?.principal.as_deref(), Some("bob"), "principal");

    at.end(now, &third).await?;
    for id in [&first, &second, &third] {
        check_matches!(at.load_both_ways(now, id).await?, Loaded::Ended { .. }, "after the end");
    }
    check_eq!(at.load_both_ways(now, &at.stranger()?).await?, Loaded::Missing, "another session");
    Ok(())
}

/// Deadlines are judged by the caller's clock, exactly.
pub async fn judges_at_the_time_it_is_given<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let deadline = at.start() + IDLE;
    for (now, lives) in [(deadline - MS, true), (deadline, false), (deadline + SECOND, false), (deadline - SECOND, true)] {
        let loaded = at.load_both_ways(now, &subject).await?;
        check!(matches!(loaded, Loaded::Live(_)) == lives, "{loaded:?} at {now:?} of {deadline:?}");
    }
    Ok(())
}
