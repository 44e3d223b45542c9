//! Chosen values ride along in a sealed cookie, so that users go on while the session backend is down. Feature `lifeboat`.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//! use unstick_core::{Key, KeyRing};
//! use unstick_memory::MemoryStore;
//! use unstick_session::{Session, SessionError, SessionLayer, lifeboat::{Decision, Lifeboat, Offer}};
//!
//! async fn add_to_cart(request: Request<Bytes>) -> Result<Response<Bytes>, SessionError> {
//!     let session = request.extensions().get::<Session>().expect("behind the layer").clone();
//!     session.update("cart", |cart: Option<Vec<u32>>| Some(cart.into_iter().flatten().chain([7]).collect())).await?;
//!     Ok(Response::new("added".into()))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let keys = KeyRing::new(Key::generate()?);
//! let lifeboat = Lifeboat::new(keys.clone())
//!     .field("cart")
//!     // Who waits in line on two devices keeps the place that the backend knows.
//!     .field_merged_by("queue", |_: &Offer<'_>| Decision::KeepStored);
//! let layer = SessionLayer::new(MemoryStore::new(), keys.clone()).lifeboat(lifeboat).build()?;
//! let answer = layer.layer(service_fn(add_to_cart)).oneshot(Request::new(Bytes::new())).await?;
//! let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()).collect();
//! assert!(cookies[0].starts_with("__Host-id=") && cookies[1].starts_with("__Host-id-lifeboat="));
//!
//! let refused = SessionLayer::new(MemoryStore::new(), keys.clone()).lifeboat(Lifeboat::new(keys).field("principal")).build();
//! assert!(refused.is_err(), "who somebody is, and what they may do, is for the backend alone to say");
//! # Ok(()) }) }
//! ```
//!
//! # The rules
//! 1. **Written before the outage.** A response carries a lifeboat when the backend has confirmed a change of a chosen
//!    value, a new session, a new id, or a renewed credential. It holds the chosen values that are known then, each with the
//!    version that the backend gave it (its *base*), and which of them are absent.
//! 2. **Bound.** It opens only together with the very credential it was issued with: session and secret are part of what is
//!    sealed (AES-256 in GCM, under a key of its own). `renew_id`, `promote` and `end` make older lifeboats worthless.
//! 3. **Used only in an outage**: when the backend is unavailable, out of time, or its connection broke. Never for a session that is ended,
//!    expired, superseded or lost: those are answers.
//! 4. **Degraded.** [`status`](crate::Session::status) says [`Degraded`](crate::Status::Degraded), and
//!    [`principal`](crate::Session::principal) is `None`: nobody is logged in by what a client carries. Chosen values are read and
//!    changed, also by `update` and `save`; a change is kept in the lifeboat, which the response brings. Everything else is the usual error, 503:
//!    other keys, `keys`, `typed`, `clear`, `renew_id`, `promote`. A request that changes both kinds of keys changes neither.
//!    Each request asks the backend anew, and waits for it once: up to the layer's [`deadline`](crate::SessionLayerBuilder::deadline)
//!    where the backend hangs (a logout, which is tried all the same, once more).
//! 5. **Merged once.** The first request whose load succeeds merges the local changes by one atomic operation, before the
//!    handler reads: each value whose stored version is still its base is replaced. All lifeboats from one first local change on are one *voyage*,
//!    and the session's record remembers, in the field `unstick.lifeboat` (which only a release without this feature lists among the keys), which voyage has been merged up to which step, for as long as any lifeboat of
//!    that voyage can be opened. What was merged is never merged again; what is
//!    new since is merged on top of it (but a value that the first part removed and the second set again counts as a conflict).
//!    A merge may take a session over the layer's `max_size` by what lifeboats can hold, as nobody knows its size in an outage; further changes are then
//!    refused until it is smaller. What a field's function makes of two values may not: the stored value stays then.
//! 6. **A newer stored value wins**, unless the field has a function that decides
//!    ([`field_merged_by`](Lifeboat::field_merged_by)). It is asked once for each value that was carried, and told both values.
//! 7. **Never onto an ended session**, nor an expired or superseded one: the merge is an ordinary change, which the backend
//!    refuses there by itself.
//! 8. **Bounded.** Local changes are good for [`lifetime`](Lifeboat::lifetime) from the first of them; then the lifeboat opens no more.
//!
//! # What is promised, and what is not
//! P2 to P5 hold as ever for every key that is not aboard. For keys that are:
//!
//! | when | promised | not promised | shown by |
//! |---|---|---|---|
//! | the backend is up | nothing is different; one more cookie on the responses of rule 1, within the header budget | a lifeboat as new as the backend's values, after another client, a release without lifeboats, or overlapping requests of this client have changed them | `up_costs_no_trip_and_reads_write_no_cookie` |
//! | down at a read | the values last confirmed to this client, status `Degraded`, no principal; other keys 503 | that they are still the backend's; that a session which was revoked elsewhere looks revoked | `down_at_read_serves_what_is_aboard_and_nobody_is_logged_in` |
//! | down at a write, outcome known or not | the response succeeds with the change aboard; after the outage it is in the session once | a change whose response did not arrive; `save` means "with the response", and what fails after the headers have left is an error; that a change made without a read, and carried out by the backend after its answer was lost and later than the merge, overwrites nothing newer | `down_at_write_keeps_the_change_whatever_became_of_it` |
//! | down while a session is created, or before the first lifeboat | 503, as without lifeboats (but a request that has loaded the session, and then cannot save, sends the first one) | anything | `down_before_there_is_a_lifeboat_is_the_usual_error` |
//! | requests one after another, on any nodes | each sees the changes of those before, in and after the outage | | `an_outage_is_survived_change_by_change` |
//! | overlapping requests of one client, in an outage | one of them survives as a whole, the one whose response arrives last | both: as with sessions in a cookie, the last response wins | `overlapping_responses_in_either_order_keep_one_of_them` |
//! | overlapping responses across the recovery | a lifeboat that arrives late merges nothing that was merged, and nothing over a newer value | its own changes, if its voyage has gone on without it | `a_late_lifeboat_merges_nothing_twice` |
//! | a copy is replayed after it was merged | nothing, also where the value was removed since, or the session cleared | that after a `clear`, within the difference of the nodes' clocks; nor then that a local change is not taken for older than another client's `clear` | `a_replayed_lifeboat_is_never_merged_again` |
//! | a copy is replayed after logout, expiry, login, or revocation | nothing is merged, nothing revived; after a new id it does not even open | in an outage: that the holder of credential and copy is refused before either expires | `nothing_is_merged_onto_a_session_that_is_over` |
//! | the backend's value is newer, from another device | the newer value stays, or the field's function decides, atomically | the local change, by default | `a_newer_stored_value_wins_unless_the_field_decides` |
//! | nodes disagree on whether the backend is there | as for one node: merged where it is, local where it is not | that a node without the backend shows what another has merged since | `nodes_may_disagree_on_the_outage` |
//! | a release without lifeboats, or with other keys, beside this one | local changes keep riding, and are merged, also of keys that this release does not choose; newer formats are left alone | a lifeboat that follows changes by the other release; once-only after *its* `clear`; local changes, after a new id or a login by it | `releases_with_other_keys_share_a_lifeboat` |
//! | keys rotate | lifeboats under previous and next keys open, and are written under the newest | after a key was dropped: its lifeboats open no more | `keys_rotate_with_a_lifeboat_under_way` |
//! | login, new id, privilege change in an outage | refused with 503; the lifeboat stays | | `degraded_sessions_refuse_logins_and_new_ids` |
//! | logout in an outage | 503 that says what is known of the outcome; credential and lifeboat are taken from the client | that the backend knows: copies of the credential live on until they expire, and lifeboats with them | `logout_in_an_outage_takes_both_cookies_and_says_so` |
//! | the process dies, in or after an outage | nothing is lost: lifeboats are with the clients | | `an_outage_is_survived_change_by_change` (the second node knows nothing of the first) |
//!
//! A client can neither read nor change its lifeboat. It can keep an old one, and present that in an outage to itself.

mod config;
mod manifest;
mod merge;
#[cfg(test)]
mod model;
mod seal;
#[cfg(test)]
mod tests;

pub use self::{
    config::Lifeboat,
    merge::{Decision, Offer},
};
pub(crate) use self::{
    config::{Fleet, ROOM},
    manifest::{Manifest, Voyage},
    merge::{MARKER, Merge, UNREADABLE, floor, marker_of_clear, merge},
    seal::{Opened, is_newer, is_underway},
};
