//! The catalogue as a page for people.

use std::fmt::Write;

use super::product::{Evidence, Product};

const INTRODUCTION: &str = "\
Which balancers pin users to a node, how to see it, what an application can do about it, and the setting that ends it.

<!-- Written from the rows in src/catalogue; a test keeps the two equal and says how to write it anew. -->

Switching stickiness off in the balancer is always the best answer. The table says how, and what is left where you cannot.

# What decides everything

* **Whose `Set-Cookie` line comes last.** Browsers apply the lines in order. nginx, Caddy and Traefik write their cookie *before* the
  application's lines, so a deletion in every response wins and nobody is ever pinned. Apache and Envoy write theirs *after*: the
  application can delete the cookie that a request carries, and the answer to the next request without it pins again, so that every
  second request is pinned. HAProxy removes the application's line of that name, unless `preserve` is set: then it leaves the line and adds none of its own.
* **Name, `Domain` and `Path` must be those it was set with.** A deletion without `Domain` does not touch a cookie that was set with one,
  and one for `/` does not touch a cookie of `/shop`. The layer sends both forms of the host. Give other domains and paths with
  [`PinCookie`](crate::PinCookie).
* **The application may never see the cookie.** HAProxy with `indirect` and DigitalOcean take it out of the request. Deleting what is
  seen does nothing then; a cookie that you name is deleted with every response.
* **Some pins have no cookie of their own.** The client's address, a hash ring or a table in the balancer ignores every header. Where the
  application's session cookie is hashed, learned or rewritten, another name for that cookie ends the pin; a new session id mostly does not.
* **How often it is set.** Most balancers set their cookie only when the request has no valid one. One that sets it with every response,
  such as an AWS ALB, wins whenever its line comes last.

Names that any application may use (`lb`, `route`, `SERVERID`) are not acted upon until you name them: deleting somebody else's cookie
is worse than a pin. They are marked *if named*.

# The table

*Tested* rows were measured with the product: 60 requests of one client over three nodes. *Documented* rows rest on the
vendor's words. *Unverified* rows rest on less: the names are documented or commonly known, and that the application's part works is
plausible, or was seen with an emulation only.
";

/// The whole catalogue as Markdown, for a page or a run-book: what decides, and a table of all products.
///
/// ```
/// let page = unstick_affinity::catalogue::page();
/// assert!(page.contains("stickiness.enabled=false"));
/// ```
#[must_use]
pub fn page() -> String {
    let mut page = format!(
        "{INTRODUCTION}\n| Product | How it pins | Cookies | What the application can do | Setting | How a pin is seen | Evidence |\n|{}\n",
        " --- |".repeat(7)
    );
    for product in super::products() {
        let Product { name, title, pins_by, application, setting, detection, .. } = product;
        let row = [
            format!("{title} (`{name}`)"),
            (*pins_by).to_owned(),
            cookies(product),
            (*application).to_owned(),
            (*setting).to_owned(),
            (*detection).to_owned(),
            evidence(product),
        ];
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    page
}

fn cookies(product: &Product) -> String {
    let known = product.cookies.iter().map(|cookie| {
        let note = if cookie.is_deleted_when_seen { "" } else { " (only reported)" };
        format!("`{}`{note}", cookie.name)
    });
    let named = product.idioms.iter().map(|idiom| format!("`{idiom}` *if named*"));
    let names: Vec<_> = known.chain(named).collect();
    match (names.is_empty(), product.attributes.is_empty()) {
        (true, true) => "none".to_owned(),
        (true, false) => product.attributes.to_owned(),
        (false, true) => names.join(", "),
        (false, false) => format!("{}: {}", names.join(", "), product.attributes),
    }
}

fn evidence(product: &Product) -> String {
    let word = match product.evidence {
        Evidence::Tested => "Tested",
        Evidence::Documented => "Documented",
        Evidence::Unverified => "Unverified",
    };
    if product.sources.is_empty() { word.to_owned() } else { format!("{word}: {}", product.sources.join("; ")) }
}
