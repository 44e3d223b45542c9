//! The release between the two: both applications in one, and a middleware that decides which of them serves a client.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_sessions::{SessionStore, session::Id};
use unstick::core::{Sealer, Store, Timestamp, cookie, hygiene};

use crate::moving::{Moving, Place, Step, Unavailable};

const OLD: &str = "id";
const NEW: &str = "__Host-id";

/// Both applications on one node.
#[derive(Debug)]
pub struct Bridge<Old, New> {
    /// What the old release serves.
    pub old: Router,
    /// What the new release serves.
    pub new: Router,
    /// The two stores, and how far the migration is.
    pub moving: Moving<Old, New>,
    /// Signs for the new cookie as the new release does: `keys.for_purpose("cookie:__Host-id")`.
    pub sealer: Sealer,
}

/// The bridge as an application.
pub fn app<O: SessionStore, N: Store>(bridge: Bridge<O, N>) -> Router {
    Router::new().fallback(serve::<O, N>).with_state(Arc::new(bridge))
}

async fn serve<O: SessionStore, N: Store>(State(bridge): State<Arc<Bridge<O, N>>>, request: Request) -> Response {
    bridge.answer(request).await.unwrap_or_else(|Unavailable| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

impl<O: SessionStore, N: Store> Bridge<O, N> {
    async fn answer(&self, mut request: Request) -> Result<Response, Unavailable> {
        let old_id = cookie::candidates(request.headers(), OLD).find_map(|value| std::str::from_utf8(value).ok()?.parse::<Id>().ok());
        let has_new = cookie::candidates(request.headers(), NEW).next().is_some();
        let Some(id) = old_id.filter(|_| !has_new) else {
            let prefers_old = !has_new && self.moving.step == Step::PreferOld;
            let response = self.ask(if prefers_old { &self.old } else { &self.new }, request).await;
            return self.forget_if_ended(response, old_id).await;
        };
        let place = self.moving.find(id).await?;
        match &place {
            Place::Old => {
                let response = self.ask(&self.old, request).await;
                // A logout, or another id at a login: what has moved at this moment ends as well.
                if set_to(response.headers(), OLD).is_some_and(|value| value != id.to_string()) {
                    self.moving.end_new(id).await?;
                }
                Ok(response)
            }
            Place::New(credential) | Place::Replaced(credential) => {
                let pair = format!("{NEW}={}", self.sealer.seal(credential));
                let max_age = credential.idle_deadline().since(Timestamp::system_now()).as_secs();
                let line = format!("{pair}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={max_age}");
                request.headers_mut().append(header::COOKIE, HeaderValue::try_from(pair).map_err(|_| Unavailable)?);
                let mut response = self.ask(&self.new, request).await;
                if matches!(place, Place::New(_)) && set_to(response.headers(), NEW).is_none() {
                    response.headers_mut().append(header::SET_COOKIE, HeaderValue::try_from(line).map_err(|_| Unavailable)?);
                    hygiene::keep_private(response.headers_mut(), &header::COOKIE);
                }
                self.forget_if_ended(response, old_id).await
            }
            Place::Gone => self.forget(self.ask(&self.new, request).await, id).await,
        }
    }

    async fn ask(&self, app: &Router, request: Request) -> Response {
        let Ok(response) = app.clone().oneshot(request).await;
        response
    }

    async fn forget_if_ended(&self, response: Response, old_id: Option<Id>) -> Result<Response, Unavailable> {
        match old_id.filter(|_| set_to(response.headers(), NEW) == Some("")) {
            Some(id) => self.forget(response, id).await,
            None => Ok(response),
        }
    }

    /// Lets the old cookie and its record go, so that no release finds them.
    async fn forget(&self, mut response: Response, id: Id) -> Result<Response, Unavailable> {
        self.moving.old.delete(&id).await.map_err(|_| Unavailable)?;
        let gone = HeaderValue::from_static("id=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0");
        response.headers_mut().append(header::SET_COOKIE, gone);
        Ok(response)
    }
}

/// What a response sets a cookie to.
fn set_to<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut lines = headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.find_map(|line| line.split(';').next()?.strip_prefix(name)?.strip_prefix('='))
}
