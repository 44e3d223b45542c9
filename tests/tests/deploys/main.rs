//! Rolling deploys behind real balancers with sticky sessions on: nodes are replaced one after the other while users go on, and nobody notices.
//!
//! The affinity layer is switched off until a node drains, so that users are pinned. Drains go by a clock that the tests move once the balancer has
//! done its part; only the processes keep their own.

mod clients;
mod counter;
mod in_flight;
mod processes;
mod rolling;
mod site;
