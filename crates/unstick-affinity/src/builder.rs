//! Building the layer, and refusing what loses sessions.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU8},
};

use unstick_core::{ConfigError, EventKind, Events, Scope};

use crate::{
    AffinityLayer, Balancer, Head, Percent, PinCookie, Switch, decide::Own, filter::Filter, fly, marker, named, report::Sources,
    tally::Tally,
};

/// What the layer and its services share.
pub(crate) struct Config {
    pub(crate) switch: Box<dyn Switch>,
    pub(crate) own: Vec<Own>,
    pub(crate) filter: Filter,
    pub(crate) events: Events,
    pub(crate) tally: Tally,
    pub(crate) sources: Sources,
    pub(crate) watch: Option<Watch>,
    /// The row of Fly.io, when it stands in front.
    pub(crate) fly: Option<usize>,
    /// Nothing is to be done for a request without a pin and a marker but the header.
    pub(crate) is_plain: bool,
    /// Responses that were given the mark of the layers' order.
    pub(crate) marked: AtomicU8,
}

/// Watching for pins that are not seen.
pub(crate) struct Watch {
    pub(crate) clients: Percent,
    pub(crate) node: u32,
}

impl Config {
    pub(crate) fn is_on(&self, head: &Head<'_>) -> bool {
        self.switch.is_on(head) || self.sources.is_draining()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.own.iter().map(|own| &own.pin.name).collect();
        let watched = self.watch.as_ref().map(|watch| watch.clients.get());
        f.debug_struct("Config").field("expired", &names).field("watched_percent", &watched).finish_non_exhaustive()
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
    balancers: Vec<Balancer>,
    cookies: Vec<PinCookie>,
    switch: Box<dyn Switch>,
    watched: Option<Percent>,
    events: Events,
    pub(crate) sources: Sources,
}

impl fmt::Debug for AffinityLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AffinityLayerBuilder")
            .field("sessions", &self.sessions)
            .field("balancers", &self.balancers)
            .field("cookies", &self.cookies)
            .finish_non_exhaustive()
    }
}

impl AffinityLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            sessions: Sessions::Unsaid,
            is_loss_allowed: false,
            balancers: Vec::new(),
            cookies: Vec::new(),
            switch: Box::new(true),
            watched: None,
            events: Events::default(),
            sources: Sources::default(),
        }
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

    /// What stands in front of the application. Call again for more. Default: nothing is known of it, and only cookies of the
    /// [catalogue](crate::catalogue) are deleted, when they are seen.
    pub fn behind(mut self, balancer: Balancer) -> Self {
        self.balancers.push(balancer);
        self
    }

    /// Also deletes this cookie, with every response, whether or not the request carries it. For balancers whose cookie's name is the
    /// operator's choice, and those that take it out of the request; where the product is known, [`behind`](Self::behind) says more. Call again
    /// for more. Default: none.
    ///
    /// **Never name a cookie that the application sets**, such as the session's: every response would delete it. The session layer's default name, and
    /// the name that [`audit`](Self::audit) is given, are refused. Any other that a response of the application sets is left alone
    /// by this node from then on, and told once as [`EventKind::CookieMisconfigured`] and in the report.
    pub fn expire(mut self, pin: PinCookie) -> Self {
        self.cookies.push(pin);
        self
    }

    /// Asked with every request whether to un-pin it. Default: always on. While it is off, requests and responses pass untouched.
    pub fn switch(mut self, switch: impl Switch) -> Self {
        self.switch = Box::new(switch);
        self
    }

    /// Notices clients that stay on one node without any pin cookie that is seen, because the balancer goes by their address, hides its cookie or
    /// remembers them itself. So many of 100 clients carry a small cookie with the last node's hash and a count, which is written with
    /// every response; eight responses in a row by one node are reported, once, as [`EventKind::RoutePinned`]. By chance that happens to one in 2187
    /// such rows on three nodes and one in 128 on two; on a single node always, and where a balancer hands out connections rather than requests.
    ///
    /// Default: nobody is watched. One percent of the clients is enough to see a pin that all have. The node must have a name: see [`events`](Self::events).
    pub fn watch_routes(mut self, clients: Percent) -> Self {
        self.watched = Some(clients);
        self
    }

    /// Where events go. Default: to `tracing` alone, without a name of the node.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Builds the layer. Over sessions that reach one host only, it works and says so with [`EventKind::HostScope`].
    ///
    /// # Errors
    /// When nothing is said about sessions, or they are in one process's memory and their loss is not allowed; when a product is not in the
    /// catalogue; when a named cookie is not the balancer's, is named twice, or the deletions of all do not fit in a response; when routes are watched
    /// by a node without a name.
    pub fn build(self) -> Result<AffinityLayer, ConfigError> {
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
            Sessions::In(Scope::Host) => self.events.emit(
                EventKind::HostScope,
                None,
                "affinity is disabled over a session store that reaches one host only: all nodes must run on that host",
            ),
            Sessions::In(_) | Sessions::None => {}
        }
        if self.watched.is_some() && self.events.instance().is_empty() {
            return Err(ConfigError::new(
                "`watch_routes(..)` tells nodes apart by their names, and this one has none: pass `events(Events::new(name))` with a name of its own for each node",
            ));
        }
        let mut tally = Tally::of_catalogue();
        let own = named::own(self.balancers, self.cookies, self.sources.audit.as_ref(), &mut tally.rows)?;
        tally.name(self.events.instance());
        let fly = tally.rows.iter().position(|row| row.label == fly::PRODUCT && row.is_configured);
        let node = marker::node(self.events.instance());
        let watch = self.watched.map(|clients| Watch { clients, node });
        let Self { switch, events, sources, .. } = self;
        let filter = Filter::new(own.iter().map(|own| own.pin.name.as_str()));
        let is_plain = own.is_empty() && watch.is_none() && fly.is_none();
        let config = Config { switch, own, filter, events, tally, sources, watch, fly, is_plain, marked: AtomicU8::new(0) };
        Ok(AffinityLayer { config: Arc::new(config) })
    }
}
