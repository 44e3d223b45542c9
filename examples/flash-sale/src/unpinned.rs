//! What the nodes themselves say of un-pinning, summed over the fleet.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::Value;

use crate::{Failure, fleet::Fleet, wire::Wire};

/// Sums of the affinity layers' reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Unpinned {
    /// Nodes that were asked: those in service at the end.
    pub(crate) nodes: u64,
    /// Requests since un-pinning was switched on, and those of them with a pin.
    pub(crate) requests: u64,
    pub(crate) pinned: u64,
    /// Responses that deleted the pin.
    pub(crate) told: u64,
    /// Requests after that, by what had become of it.
    pub(crate) gone: u64,
    pub(crate) kept: u64,
    pub(crate) again: u64,
}

impl Unpinned {
    pub(crate) async fn of(fleet: &Fleet) -> Result<Self, Failure> {
        let (wire, mut sum) = (Wire::default(), Self::default());
        for route in fleet.routes() {
            let request = Request::get("/internal/report")
                .header(header::HOST, "node")
                .header(header::ACCEPT, "application/json")
                .body(Full::new(Bytes::new()))?;
            // One that is being killed is not asked.
            if let Ok(answer) = wire.send(route.addr, request).await {
                sum.add(&serde_json::from_slice(answer.body())?);
            }
        }
        Ok(sum)
    }

    fn add(&mut self, report: &Value) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        self.nodes += 1;
        self.requests += number(&report["requests"]);
        self.pinned += number(&report["pinned"]);
        for pin in report["pins"].as_array().into_iter().flatten() {
            let counts = &pin["counts"];
            self.told += number(&counts["told"]);
            self.gone += number(&counts["gone"]);
            self.kept += number(&counts["kept"]);
            self.again += number(&counts["again"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Unpinned;

    #[test]
    fn reports_add_up() {
        let mut sum = Unpinned::default();
        let pin = json!({ "counts": { "seen": 3, "told": 9, "gone": 2, "kept": 1, "again": 0 } });
        sum.add(&json!({ "requests": 10, "pinned": 3, "pins": [pin, pin] }));
        sum.add(&json!({ "requests": 5, "pinned": 0, "pins": [] }));
        assert_eq!(sum, Unpinned { nodes: 2, requests: 15, pinned: 3, told: 18, gone: 4, kept: 2, again: 0 });
    }
}
