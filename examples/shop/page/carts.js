"use strict";
// The panel of the saved cart. Shares its helpers with app.js, which comes before it.

const ADDRESS = "customers/7/carts/saved?market=se";
const ABOUT = {
  unstick: "Every node remembers the cart, and hears of changes by the bus. Without the bus you still see your own changes at once, and others see them within a second.",
  plain: "Every node remembers the cart for ten minutes and hears of no other node's changes. Save a change, and only the node that took it knows.",
};
const COUNTS = ["hits", "loads", "refused", "gaps", "notices", "brought"];

// The newest version that this page was told to be saved, and how often it was told an older one since.
let saved = 0;
let stale = 0;
let changedAt = 0;
let bus = "none";

async function ask(method, what, body) {
  const options = { method, headers: body ? { "content-type": "application/json" } : {}, body: body && JSON.stringify(body) };
  const response = await fetch(`/api/${ADDRESS}`, options);
  const instance = response.headers.get("x-instance") ?? "?";
  const answer = await response.json().catch(() => ({}));
  chip(instance, what, !response.ok && response.status !== 404);
  if (!response.ok && response.status !== 404) throw new Error(answer.error ?? `${response.status} from ${instance}`);
  return { instance, version: answer.version ?? 0 };
}

async function read(times) {
  for (let turn = 0; turn < times; turn += 1) {
    const { instance, version } = await ask("GET", "saved cart");
    if (version < saved) {
      stale += 1;
      text("stale-text", `${instance} answered ${version ? `version ${version}` : "no cart"}, after this page had saved version ${saved}.`);
    }
    text("own", version ? `v${version}` : "none");
    showStale();
  }
}

function showStale() {
  text("stale", stale);
  $("stale").classList.toggle("bad", stale > 0);
}

async function save() {
  const { version } = await ask("PUT", "save", { lines: [{ sku: "tea", qty: (saved % 999) + 1 }] });
  saved = Math.max(saved, version);
  changedAt = performance.now();
  text("saved", `v${saved}`);
  await look();
  await read(1);
}

function showHolders(nodes) {
  const versions = nodes.filter((node) => node.answer).map((node) => node.answer.version ?? 0);
  const newest = Math.max(saved, ...versions);
  const behind = nodes.filter((node) => node.answer && (node.answer.version ?? 0) < newest);
  $("holders").replaceChildren(...nodes.map(({ name, answer }, index) => {
    const late = behind.some((node) => node.name === name);
    const version = answer ? (answer.version === null ? "none" : `v${answer.version}`) : "–";
    return el("li", { className: `${late ? "behind" : ""}${answer ? "" : " off"}`, testid: `holder-${index + 1}` },
      el("span", { className: "name" }, el("span", { className: `dot ${hue(name)}` }), name),
      el("b", { testid: `version-${index + 1}` }, version),
      el("small", {}, answer ? `from ${answer.from}` : "does not answer"));
  }));
  for (const count of COUNTS) text(`carts-${count}`, nodes.reduce((sum, node) => sum + (node.answer?.counts[count] ?? 0), 0));
  if (behind.length) {
    text("agreement", `${behind.length} of ${nodes.length} nodes tell other clients an older cart`);
  } else if (changedAt) {
    text("agreement", `all nodes tell the same cart, ${((performance.now() - changedAt) / 1000).toFixed(1)} s after the change`);
    changedAt = 0;
  } else if ($("agreement").classList.contains("bad") || !$("agreement").textContent) {
    text("agreement", "all nodes tell the same cart");
  }
  $("agreement").classList.toggle("bad", behind.length > 0);
}

function showBus(state) {
  bus = state;
  text("bus", bus);
  $("bus").classList.toggle("bad", bus === "off");
  $("bus-switch").hidden = bus === "none";
  text("bus-switch", bus === "on" ? "Switch the bus off" : "Switch the bus on");
}

let looking = false;
async function look() {
  if (looking) return;
  looking = true;
  try {
    const overview = await call("GET", `/admin/${ADDRESS}`);
    showBus(overview.bus);
    showHolders(overview.nodes);
    text("carts-about", overview.bus === "none" ? ABOUT.plain : ABOUT.unstick);
  } catch (error) {
    text("agreement", error.message);
  } finally {
    looking = false;
  }
}

// One click after the other, as in app.js.
function press(id, action) {
  $(id).addEventListener("click", () => {
    busy = busy.then(action).catch((error) => fleetNote(`saved cart: ${error.message}`));
  });
}

press("save", save);
press("read", () => read(10));
press("bus-switch", async () => showBus((await call("POST", `/admin/bus/${bus === "on" ? "off" : "on"}`)).bus));
look();
setInterval(look, 1000);
// More often while nodes may differ, so that one sees for how long they do.
setInterval(() => { if (bus === "off" || (changedAt && performance.now() - changedAt < 3000)) look(); }, 200);
