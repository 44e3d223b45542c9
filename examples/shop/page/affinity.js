"use strict";
// The panel of pins. Shares its helpers with app.js, which comes before it.

const PINNING = {
  none: "The balancer pins nobody. If requests came with a pin, the nodes would name its product here, and delete it.",
  off: "The balancer pins each client to a node by a cookie, as HAProxy does with `cookie SRV insert preserve`. Un-pinning is off: the nodes look at nobody.",
  on: "The nodes answer each request with the deletion of the pin, and the balancer lets it through. Clients go free with their next request.",
  lost: " Sessions are in each node's memory here, so un-pinned clients lose their carts; with --sessions they keep them.",
};

// The reports of all nodes as one: counts are sums, and the node with the most to tell speaks.
function merge(reports, list, key, count) {
  const merged = new Map();
  for (const entry of reports.flatMap((report) => report[list])) {
    const { sum = 0, most = -1, ...before } = merged.get(entry[key]) ?? {};
    const told = count(entry);
    merged.set(entry[key], { ...(told > most ? entry : before), sum: sum + told, most: Math.max(most, told) });
  }
  return [...merged.values()];
}

let shownReports = "";
function showAffinity({ pins, unpinning, pinned, of, shared_sessions: keeps, nodes }) {
  const state = unpinning ? "on" : "off";
  text("pinned", of ? `${Math.round((pinned / of) * 100)} %` : "0 %");
  text("pinned-of", `of the latest ${of === 1 ? "request" : `${of} requests`}`);
  $("pinned").classList.toggle("bad", pinned > 0);
  text("unpinning", state);
  text("affinity-about", pins ? PINNING[state] + (keeps ? "" : PINNING.lost) : PINNING.none);
  $("unpinning-switch").hidden = !pins;
  text("unpinning-switch", unpinning ? "Switch un-pinning off" : "Switch un-pinning on");

  const reports = nodes.map((node) => node.report).filter(Boolean);
  const seen = JSON.stringify([unpinning, reports.map(({ pins: told, findings }) => [told, findings])]);
  if (seen === shownReports) return; // so that nobody's reading is disturbed
  shownReports = seen;
  const products = merge(reports, "pins", "product", ({ counts }) => counts.seen + counts.gone);
  $("pins").replaceChildren(...products.map((pin) => {
    const total = (name) => reports.flatMap((report) => report.pins).filter(({ product }) => product === pin.product).reduce((sum, { counts }) => sum + counts[name], 0);
    return el("li", { testid: `pin-${pin.product}` }, el("b", {}, pin.subject),
      el("span", { className: "quiet" }, unpinning || pin.sum ? `seen ${total("seen")}, gone ${total("gone")}, back ${total("kept") + total("again")}` : "not looked at"),
      unpinning ? el("p", { className: "quiet" }, pin.sentence.replace(`${pin.subject}: `, "")) : "");
  }));
  const findings = merge(reports, "findings", "kind", ({ count }) => count);
  $("findings").replaceChildren(...findings.map((finding) => el("li", { testid: `finding-${finding.kind}` },
    el("b", {}, finding.kind.replaceAll("_", " ")), el("span", { className: "quiet" }, `${finding.sum} times`), el("p", { className: "quiet" }, finding.sentence))));
}

async function lookAtPins() {
  try {
    showAffinity(await call("GET", "/admin/affinity"));
  } catch (error) {
    text("affinity-about", error.message);
  }
}

$("unpinning-switch").addEventListener("click", () => {
  const wanted = $("unpinning").textContent === "on" ? "off" : "on";
  busy = busy.then(async () => showAffinity(await call("POST", `/admin/unpinning/${wanted}`))).catch((error) => fleetNote(`un-pinning: ${error.message}`));
});
lookAtPins();
setInterval(lookAtPins, 1000);
