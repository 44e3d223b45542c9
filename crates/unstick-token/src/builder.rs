//! Configuration of a [`Token`]; what cannot work is refused here.

use std::sync::Arc;

use unstick_core::{ConfigError, Events, Lifetimes, Revocations, Runtime};

use crate::{
    Token, TokenKeys,
    deny::DenyList,
    token::{Audiences, MAX_TEXT},
};

/// Makes a [`Token`]. Start with [`Token::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct TokenBuilder {
    keys: TokenKeys,
    issuer: String,
    purpose: String,
    cookie: String,
    header: String,
    lifetimes: Lifetimes,
    max_token: usize,
    revocations: Option<Arc<dyn Revocations>>,
    fail_open: bool,
    runtime: Runtime,
    events: Events,
}

impl TokenBuilder {
    pub(crate) fn new(keys: TokenKeys) -> Self {
        Self {
            keys,
            issuer: "unstick".to_owned(),
            purpose: "session".to_owned(),
            cookie: "__Host-id".to_owned(),
            header: String::new(),
            lifetimes: Lifetimes::new(),
            max_token: Token::DEFAULT_MAX,
            revocations: None,
            fail_open: false,
            runtime: Runtime::tokio(),
            events: Events::default(),
        }
    }

    /// Who issues: the `iss` claim. Default `unstick`; change it when applications share a key, and to tell environments apart.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = issuer.to_owned();
        self
    }

    /// What for: the first part of the `aud` claim. Default `session`; change it when one application has two kinds of sessions.
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.purpose = purpose.to_owned();
        self
    }

    /// Name of the cookie that carries the token. Default `__Host-id`. Must be the session layer's, which refuses to be built
    /// otherwise: a token is forged for any other.
    pub fn cookie_name(mut self, name: &str) -> Self {
        self.cookie = name.to_owned();
        self
    }

    /// Name of the header that carries the token for clients without cookies. Must be the session layer's, if it
    /// has one. Default: none.
    pub fn header_name(mut self, name: &str) -> Self {
        self.header = name.to_ascii_lowercase();
        self
    }

    /// Idle and absolute timeouts, and tolerated skew. Default: [`Lifetimes::new`]. The grace has no meaning here: an old
    /// token is as good as a new one until it expires or its session is revoked.
    ///
    /// A shorter timeout holds for tokens that are sealed from then on. "Sign out everywhere" denies for the absolute timeout of
    /// now: after it was shortened, tokens from before outlive that, unless their key is taken out of the ring.
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// The most characters that a token may have. A change beyond it fails with
    /// [`TooLarge`](unstick_core::ErrorKind::TooLarge), names the largest keys, and leaves the client with the token it has.
    ///
    /// Default [`Token::DEFAULT_MAX`], for which the session layer's default header budget and nginx's default buffer
    /// suffice. Three quarters of it, less some 400 bytes, are left for keys and values. For more, raise the layer's header budget and
    /// the proxies' buffers with it, and beyond the 4096 bytes of a cookie allow several (`CookieConfig::chunks`).
    pub fn max_token(mut self, characters: usize) -> Self {
        self.max_token = characters;
        self
    }

    /// Asks a deny-list for every session that is read or written, one trip each, so that ended sessions stay ended.
    /// Default: none; then a copy of a token is good until it expires, whatever was logged out.
    ///
    /// When the list cannot be asked, the request fails as it does with any unavailable session store: fail closed.
    pub fn revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Takes sessions for good while the deny-list cannot be asked, or has not answered in a quarter of the deadline: whoever
    /// was logged out may be back for as long, and what a login replaced, if that was nobody's session, lives on until it
    /// expires. Who logs in meanwhile, less than the tolerated skew after all sessions of the principal were ended, is ended
    /// with them once the list answers. Each time is an event. An end still fails when the list cannot take it in.
    pub fn fail_open(mut self) -> Self {
        self.fail_open = true;
        self
    }

    /// Where the events of [`fail_open`](Self::fail_open) go. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The timer of [`fail_open`](Self::fail_open). Default: [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Builds the backend.
    ///
    /// # Errors
    /// When settings cannot work together; the sentence names them.
    pub fn build(self) -> Result<Token, ConfigError> {
        let lifetimes = self.lifetimes.check()?;
        for (what, text) in [("issuer", &self.issuer), ("purpose", &self.purpose), ("cookie_name", &self.cookie)] {
            if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
                return Err(ConfigError::new(format!("`{what}` must have 1 to 128 bytes and no control characters")));
            }
        }
        if self.purpose.contains(':') {
            return Err(ConfigError::new("`purpose` must not hold `:`, which divides the audience claim"));
        }
        if self.fail_open && self.revocations.is_none() {
            return Err(ConfigError::new("`fail_open` without `revocations`: there is no deny-list that could fail; drop it"));
        }
        let audiences = Audiences::new(&self.purpose, &self.cookie, &self.header);
        // An anonymous session with one small value.
        let least = self.keys.sealing().sealed_len(384 + self.issuer.len() + audiences.longest());
        if !(least..=MAX_TEXT).contains(&self.max_token) {
            return Err(ConfigError::new(format!("`max_token` is {}; it must be between {least} and {MAX_TEXT}", self.max_token)));
        }
        let (runtime, events, fail_open) = (self.runtime, self.events, self.fail_open);
        let deny = self.revocations.map(|list| DenyList { list, fail_open, runtime, events });
        Ok(Token { keys: self.keys, issuer: self.issuer, audiences, lifetimes, max_token: self.max_token, deny })
    }
}
