//! What the operator is told.

use super::FindingKind;

/// One sentence: what is wrong, what users see, what to change.
pub(super) fn sentence(kind: FindingKind, name: &str) -> String {
    let (wrong, seen, change) = match kind {
        FindingKind::SecureOverHttp => (
            format!("`{name}` is a Secure cookie and clients get it over plain http"),
            "their browsers drop it, so that every request starts a new session",
            "redirect http to https in the balancer, or have the proxy send the right X-Forwarded-Proto",
        ),
        FindingKind::DomainMismatch => (
            format!("the Domain of `{name}` is not the host that browsers ask"),
            "they drop the cookie and nobody stays logged in",
            "set no Domain, or the public one, and let the balancer keep the original Host (Azure App Gateway, Front Door and App Service: preserve the host name)",
        ),
        FindingKind::PathMismatch => (
            format!("the Path of `{name}` leaves out paths whose requests start sessions"),
            "carts and logins are there under some addresses and gone under others",
            "set Path=/ for the cookie, on every node",
        ),
        FindingKind::RefusedByBrowser => (
            format!("`{name}` breaks a rule by which browsers drop cookies"),
            "every request starts a new session, or an old one stays in its place",
            "correct the attribute named in the detail: prefixes need Secure, `__Host-` also Path=/ and no Domain, SameSite=None and Partitioned need Secure, and name and value fit in 4096 bytes",
        ),
        FindingKind::SameSiteLost => (
            format!("the SameSite of `{name}` holds it back from requests that other sites lead here, and the answer replaces it"),
            "users who come back from a payment or login provider are logged out and their cart is empty",
            "set SameSite=Lax if it is Strict; for providers that return by a POST, start no session there but redirect to a page of yours first, or use a cookie of its own with SameSite=None; Secure",
        ),
        FindingKind::Shadowed => (
            format!("browsers send two different cookies called `{name}`, left by another Domain or Path"),
            "the older one hides the session, by turns or until it expires",
            "use one Domain and Path on all nodes and releases and expire the other form once, or give the cookie a new `__Host-` name",
        ),
        FindingKind::NeverReturned => (
            format!("`{name}` is set again and again and no request carries it"),
            "every request starts a new session",
            "look for a proxy that strips Cookie or Set-Cookie, a path prefix that it cuts off, and a browser console that says why the cookie is blocked",
        ),
        FindingKind::KeyMismatch => (
            format!("clients send a `{name}` that is signed with a key which this node does not have"),
            "they are logged out on some nodes, or all were after a change of keys",
            "give all nodes the same keys, keep the previous key until its cookies have expired, and hand out a new one for verification before it signs",
        ),
        FindingKind::NameMismatch => (
            format!("clients send the session under another name than `{name}`"),
            "their session is not seen here and they get a second one, by turns with nodes that use the other name",
            "use one cookie name and prefix on all nodes and releases, and expect every session to start anew once when it changes",
        ),
        FindingKind::StoreMismatch => (
            "sessions that another node has created moments before are not in this node's store".to_owned(),
            "carts and logins come and go from request to request",
            "give all nodes the same store: URL, database number or name, key prefix or table; no store in memory or in a local file",
        ),
        FindingKind::ClockSkew => (
            "cookies were issued in the future of this node: clocks differ by more than is tolerated".to_owned(),
            "sessions expire early or not at all on some nodes",
            "synchronise the clocks of all nodes (NTP, chrony)",
        ),
        FindingKind::StoreEvicts => (
            "the session store drops sessions before their time, or is set up to".to_owned(),
            "users are logged out at random, more of them under load",
            "give the store more memory, set Redis to maxmemory-policy noeviction, and let nothing flush it or share it as a cache",
        ),
        FindingKind::StoreDown => (
            "the session store did not answer".to_owned(),
            "users meet errors, or look logged out until it is back",
            "see the store's own log and the network between, and allow anonymous answers only on routes that can do without a session",
        ),
    };
    format!("{wrong}; {seen}; {change}")
}
