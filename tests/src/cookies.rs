//! The testkit's jar, as the stories use it: everything happens on `https://localhost`.

use http::{HeaderMap, Uri};
use unstick_testkit::client::Jar;

fn uri(host: &str, path: &str) -> Uri {
    format!("https://{host}{path}").parse().unwrap_or_default()
}

/// The `Cookie` header of a request to localhost; empty without cookies.
#[must_use]
pub fn cookies(jar: &Jar) -> String {
    cookies_for(jar, "localhost", "/").unwrap_or_default()
}

/// The `Cookie` header of a request.
#[must_use]
pub fn cookies_for(jar: &Jar, host: &str, path: &str) -> Option<String> {
    jar.header(&uri(host, path)).and_then(|value| value.to_str().map(str::to_owned).ok())
}

/// Takes in a response of localhost.
pub fn keep(jar: &mut Jar, headers: &HeaderMap) {
    keep_from(jar, "localhost", "/", headers);
}

/// Takes in a response.
pub fn keep_from(jar: &mut Jar, host: &str, path: &str, headers: &HeaderMap) {
    let _ = jar.receive(&uri(host, path), headers); // a browser does not complain about refused lines either
}
