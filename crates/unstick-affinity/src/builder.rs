//! Building the layer, and refusing what loses sessions.

use std::{fmt, sync::Arc};

use unstick_core::{ConfigError, EventKind, Events, Scope};

use crate::{AffinityLayer, PinCookie, Switch, report::Sources, tally::Tally};

/// What the layer and its services share.
pub(crate) struct Config {
    pub(crate) switch: Box<dyn Switch>,
    pub(crate) configured: Vec<PinCookie>,
    pub(crate) events: Events,
    pub(crate) tally: Tally,
    pub(crate) sources: Sources,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("is_on", &self.switch.is_on()).field("configured", &self.configured).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
enum Sessions {
    Unsaid,
    None,
    In(Scope),
}

/// Builds an [`AffinityLayer`].
#[must_use]
pub struct AffinityLayerBuilder {
    sessions: Sessions,
    is_loss_allowed: bool,
    pub(crate) config: Config,
}

impl fmt::Debug for AffinityLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AffinityLayerBuilder").field("sessions", &self.sessions).field("config", &self.config).finish_non_exhaustive()
    }
}

impl AffinityLayerBuilder {
    pub(crate) fn new() -> Self {
        let (events, tally, sources) = (Events::default(), Tally::of_catalogue(), Sources::default());
        let config = Config { switch: Box::new(true), configured: Vec::new(), events, tally, sources };
        Self { sessions: Sessions::Unsaid, is_loss_allowed: false, config }
    }

    /// How far the session store reaches: `sessions(store.scope())`. This or [`without_sessions`](Self::without_sessions) is required.
    pub fn sessions(mut self, scope: Scope) -> Self {
        self.sessions = Sessions::In(scope);
        self
    }

    /// The service keeps no state of a user in its nodes, so that nothing can be lost.
    pub fn without_sessions(mut self) -> Self {
        self.sessions = Sessions::None;
        self
    }

    /// Un-pins even though the sessions are in one process's memory: users lose them whenever the balancer picks another node.
    pub fn allow_sessions_lost_on_other_nodes(mut self) -> Self {
        self.is_loss_allowed = true;
        self
    }

    /// Also deletes this cookie, with every response, whether or not the request carries it. For balancers whose cookie's name is the
    /// operator's choice, and those that take it out of the request. Call again for more. Default: none.
    pub fn expire(mut self, pin: PinCookie) -> Self {
        self.config.configured.retain(|other| other.name != pin.name);
        self.config.configured.push(pin);
        self
    }

    /// Asked with every request whether to un-pin it. Default: always on. While it is off, requests and responses pass untouched.
    pub fn switch(mut self, switch: impl Switch) -> Self {
        self.config.switch = Box::new(switch);
        self
    }

    /// Where events go. Default: to `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.config.events = events;
        self
    }

    /// Builds the layer. Over sessions that reach one host only, it works and says so with [`EventKind::HostScope`].
    ///
    /// # Errors
    /// When nothing is said about sessions, or they are in one process's memory and their loss is not allowed.
    pub fn build(mut self) -> Result<AffinityLayer, ConfigError> {
        match self.sessions {
            Sessions::Unsaid => {
                return Err(ConfigError::new(
                    "the affinity layer must know how far sessions reach: call `sessions(store.scope())`, or `without_sessions()` if there are none",
                ));
            }
            Sessions::In(Scope::Process) if !self.is_loss_allowed => {
                return Err(ConfigError::new(
                    "`sessions(Scope::Process)` and the affinity layer cannot work together: a user sent to another node loses a session that is in \
                     one process's memory, and finds one that was ended there; give the session layer, and its deny-list, a store that every node reaches, or leave the affinity layer out, or call \
                     `allow_sessions_lost_on_other_nodes()`",
                ));
            }
            Sessions::In(Scope::Host) => self.config.events.emit(
                EventKind::HostScope,
                None,
                "affinity is disabled over a session store that reaches one host only: all nodes must run on that host",
            ),
            Sessions::In(_) | Sessions::None => {}
        }
        self.config.tally.name(self.config.events.instance());
        Ok(AffinityLayer { config: Arc::new(self.config) })
    }
}
