//! What is compared, and the bars.

use crate::{
    apps::Subject,
    requests::{Carried, Given},
};

/// Most instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bar {
    /// Over the layer that does nothing.
    OverIdentity(i64),
    /// Over the layer that sets the header.
    OverHeader(i64),
}

pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) subject: Subject,
    pub(crate) carried: Carried,
    pub(crate) bar: Option<Bar>,
}

/// "Nothing" is what a layer with a future of its own costs: about 3 % of an empty answer by axum.
const NOTHING: Option<Bar> = Some(Bar::OverIdentity(200));
const LITTLE: Option<Bar> = Some(Bar::OverHeader(400));

const fn case(what: &'static str, subject: Subject, carried: Carried, bar: Option<Bar>) -> Case {
    Case { what, subject, carried, bar }
}

pub(crate) const CASES: [Case; 24] = [
    case("the header alone", Subject::Header, Carried::Plain, None),
    case("the header alone, by tower-http", Subject::TowerHttp, Carried::Plain, None),
    case("off, `bool`", Subject::Off, Carried::Cookies, NOTHING),
    case("off, `AtomicBool`", Subject::OffFlag, Carried::Cookies, NOTHING),
    case("off, a pin", Subject::Off, Carried::Pin, NOTHING),
    case("on, no cookie", Subject::On, Carried::Plain, LITTLE),
    case("on, `AtomicBool`, no cookie", Subject::OnFlag, Carried::Plain, LITTLE),
    case("on, session and two foreign cookies", Subject::On, Carried::Cookies, LITTLE),
    case("on, a pin, first time", Subject::On, Carried::Pin, None),
    case("on, the pin was kept", Subject::On, Carried::Kept, None),
    case("on, the pin has gone", Subject::On, Carried::Gone, None),
    case("on, the pin had gone before", Subject::On, Carried::Settled, None),
    case("behind HAProxy, no pin", Subject::HaProxy, Carried::Cookies, None),
    case("behind HAProxy, its pin", Subject::HaProxy, Carried::Srv, None),
    case("half of clients, within", Subject::Half, Carried::Within, None),
    case("half of clients, outside", Subject::Half, Carried::Outside, None),
    case("routes of all watched, new", Subject::Watch, Carried::Cookies, None),
    case("routes of all watched, known", Subject::Watch, Carried::Watched, None),
    case("routes of 1 % watched, another client", Subject::WatchFew, Carried::Within, None),
    case("drain, while serving", Subject::Drain, Carried::Plain, None),
    case("drain, while serving, cookies", Subject::Drain, Carried::Cookies, None),
    case("audit, with its cookie", Subject::Audit, Carried::Cookies, None),
    case("audit, no cookie", Subject::Audit, Carried::Plain, None),
    case("audit, its cookie and a pin", Subject::Audit, Carried::Pin, None),
];

/// What a response must have been given for the case to be the one that is meant.
pub(crate) fn given(subject: Subject, carried: Carried) -> Given {
    let lines = match (subject, carried) {
        // Two forms of deletion, and the marker.
        (Subject::On, Carried::Pin) => 3,
        // The further forms, as many as there is room for, and the marker.
        (Subject::On, Carried::Kept) => 8,
        (Subject::On, Carried::Gone) => 1,
        // Without Domain and with it; the marker, if there is something to remember.
        (Subject::HaProxy, Carried::Srv) => 3,
        (Subject::HaProxy, _) => 2,
        (Subject::Watch, _) => 1,
        _ => 0,
    };
    let is_untouched = match subject {
        Subject::Identity | Subject::Off | Subject::OffFlag | Subject::Drain | Subject::Audit => true,
        Subject::Half => carried == Carried::Outside,
        _ => false,
    };
    Given { header: !is_untouched, lines }
}
