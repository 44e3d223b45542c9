//! Sessions in the client's cookie, sealed by keys that are derived from the application's own.

use std::sync::Arc;

use unstick_core::{ConfigError, Revocations, Scope};
use unstick_session::{IntoBackend, Setup};
use unstick_token::{Sealing, Token, TokenKeys};

use crate::query::Options;

/// Settings of a `token:` URL; becomes a [`Token`] once the layer's keys, names and lifetimes are known.
///
/// For other keys than those derived from the layer's, build a [`Token`] and give it to
/// [`SessionLayer::backend`](unstick_session::SessionLayer::backend).
#[derive(Debug, Clone)]
#[must_use]
pub struct TokenSource {
    sealing: Sealing,
    issuer: Option<String>,
    purpose: Option<String>,
    max_token: Option<usize>,
    revocations: Option<Arc<dyn Revocations>>,
    fail_open: bool,
}

impl Default for TokenSource {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenSource {
    /// Encrypted, with the defaults of [`Token::builder`].
    pub fn new() -> Self {
        Self { sealing: Sealing::Encrypted, issuer: None, purpose: None, max_token: None, revocations: None, fail_open: false }
    }

    /// Whether the client can read its session. Default [`Sealing::Encrypted`].
    pub fn sealing(mut self, sealing: Sealing) -> Self {
        self.sealing = sealing;
        self
    }

    /// As [`TokenBuilder::revocations`](unstick_token::TokenBuilder::revocations).
    pub fn revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// How far the sessions, and with a deny-list their ends, reach.
    pub(super) fn scope(&self) -> Scope {
        match self.revocations.as_ref().map(|list| list.scope()) {
            Some(scope) if !scope.reaches_other_hosts() => scope,
            _ => Scope::Client,
        }
    }

    /// The options of a URL, and the URL of the deny-list's store among them.
    pub(super) fn of_url(rest: &str) -> Result<(Self, Option<String>), ConfigError> {
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        if !path.is_empty() && path != "//" {
            return Err(ConfigError::new("`token:` has no path: write `token:` with its options behind a `?`"));
        }
        let mut options = Options::parse("token", options)?;
        let sealing: Option<String> = options.take("sealing", "`encrypted` or `signed`")?;
        let sealing = match sealing.as_deref() {
            None | Some("encrypted") => Sealing::Encrypted,
            Some("signed") => Sealing::Signed,
            Some(_) => {
                return Err(ConfigError::new("`token:` is sealed in one of two ways: write `sealing=encrypted` or `sealing=signed`"));
            }
        };
        let (issuer, purpose) = (options.take("issuer", "a name")?, options.take("purpose", "a name")?);
        let max_token = options.take("max_token", "a number of characters")?;
        let revocations: Option<String> = options.take("revocations", "the URL of a store, percent-encoded")?;
        let fail_open: Option<String> = options.take("fail_open", "`yes` or `no`")?;
        let fail_open = match fail_open.as_deref() {
            None | Some("no") => false,
            Some("yes") => true,
            Some(_) => return Err(ConfigError::new("`token:` has a `fail_open` that is not understood: write `yes` or `no`")),
        };
        options.finish()?;
        if fail_open && revocations.is_none() {
            return Err(ConfigError::new("`token:` has `fail_open` without `revocations`: write both, or leave it out"));
        }
        Ok((Self { sealing, issuer, purpose, max_token, revocations: None, fail_open }, revocations))
    }
}

impl IntoBackend for TokenSource {
    type Backend = Token;

    fn into_backend(self, setup: &Setup<'_>) -> Result<Token, ConfigError> {
        if setup.max_sessions.is_some() {
            return Err(ConfigError::new(
                "`max_sessions_per_principal` and `token:`: nobody counts sessions that the clients carry; drop the limit, or write the URL of a store",
            ));
        }
        let keys = TokenKeys::from_ring(setup.keys, self.sealing)?;
        let mut builder = Token::builder(keys).cookie_name(setup.cookie).header_name(setup.header).lifetimes(setup.lifetimes);
        builder = builder.runtime(setup.runtime.clone()).events(setup.events.clone());
        if let Some(issuer) = &self.issuer {
            builder = builder.issuer(issuer);
        }
        if let Some(purpose) = &self.purpose {
            builder = builder.purpose(purpose);
        }
        if let Some(characters) = self.max_token {
            builder = builder.max_token(characters);
        }
        if let Some(revocations) = self.revocations {
            builder = builder.revocations(revocations);
        }
        if self.fail_open {
            builder = builder.fail_open();
        }
        builder.build()
    }
}
