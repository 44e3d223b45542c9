//! The same small application under each layer.

use std::sync::{Arc, atomic::AtomicBool};

use axum::{Router, routing::get};
use tower_http::set_header::SetResponseHeaderLayer;
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, Audit, Balancer, Percent, drain::Drain};
use unstick_core::{ConfigError, Events, Scope};

use crate::layers::{HEADER, Header, Identity, VALUE};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A layer that does nothing.
    Identity,
    /// A layer that sets the header and does nothing else.
    Header,
    /// tower-http's layer, set up for the header.
    TowerHttp,
    /// Un-pinning switched off with a `bool`.
    Off,
    /// ... with an `AtomicBool`.
    OffFlag,
    /// Un-pinning.
    On,
    /// ... switched on with an `AtomicBool`.
    OnFlag,
    /// ... for half of the clients.
    Half,
    /// ... behind HAProxy, whose cookie is deleted with every response.
    HaProxy,
    /// ... and watching the routes of all clients.
    Watch,
    /// ... and watching those of one percent.
    WatchFew,
    /// The layer of a drain, while serving.
    Drain,
    /// The audit of the session cookie.
    Audit,
}

impl Subject {
    const ALL: [(Self, &str); 13] = [
        (Self::Identity, "identity"),
        (Self::Header, "header"),
        (Self::TowerHttp, "tower-http"),
        (Self::Off, "off"),
        (Self::OffFlag, "off-flag"),
        (Self::On, "on"),
        (Self::OnFlag, "on-flag"),
        (Self::Half, "half"),
        (Self::HaProxy, "haproxy"),
        (Self::Watch, "watch"),
        (Self::WatchFew, "watch-few"),
        (Self::Drain, "drain"),
        (Self::Audit, "audit"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(subject, _)| *subject == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(subject, _)| subject)
    }

    /// The app as axum's server has it: without `with_state`, a router makes handlers and layers into services anew for every request.
    pub(crate) fn app(self) -> Result<Router, ConfigError> {
        Ok(self.layered()?.with_state(()))
    }

    fn layered(self) -> Result<Router, ConfigError> {
        let affinity = || AffinityLayer::builder().sessions(Scope::Shared).events(Events::new("node-1"));
        let on = |builder: AffinityLayerBuilder| Ok(app().layer(builder.build()?));
        let flag = |is_on| Arc::new(AtomicBool::new(is_on));
        match self {
            Self::Identity => Ok(app().layer(Identity(()))),
            Self::Header => Ok(app().layer(Header(()))),
            Self::TowerHttp => Ok(app().layer(SetResponseHeaderLayer::overriding(HEADER, VALUE))),
            Self::Off => on(affinity().switch(false)),
            Self::OffFlag => on(affinity().switch(flag(false))),
            Self::On => on(affinity()),
            Self::OnFlag => on(affinity().switch(flag(true))),
            Self::Half => on(affinity().switch(Percent::of_clients(50))),
            Self::HaProxy => on(affinity().behind(Balancer::haproxy("SRV")?)),
            Self::Watch => on(affinity().watch_routes(Percent::of_clients(100))),
            Self::WatchFew => on(affinity().watch_routes(Percent::of_clients(1))),
            Self::Drain => Ok(app().layer(Drain::builder().build()?.layer())),
            Self::Audit => Ok(app().layer(Audit::of("session")?.layer())),
        }
    }
}

fn app() -> Router {
    Router::new().route("/shop/cart", get(async || "ok"))
}
