"use strict";

const PRODUCTS = [
  ["tea", "Green tea", "100 g tin", "M8 12h20v9a8 8 0 0 1-8 8h-4a8 8 0 0 1-8-8zM28 14h3a4 4 0 0 1 0 8h-3M14 4v3M18 3v4M22 4v3"],
  ["mug", "Stone mug", "glazed", "M9 9h17v17a4 4 0 0 1-4 4h-9a4 4 0 0 1-4-4zM26 14h2a4 4 0 0 1 4 4v1a4 4 0 0 1-4 4h-2"],
  ["lamp", "Desk lamp", "warm light", "M11 17 17 5h4l6 12zM19 17v12M12 30h14"],
  ["plant", "House plant", "easy going", "M12 22h14l-2 9H14zM19 22V12M19 14c0-5-4-8-10-8 0 6 4 9 10 8M19 17c0-4 4-7 9-7 0 5-4 8-9 7"],
  ["book", "Notebook", "dotted", "M9 6h18a2 2 0 0 1 2 2v22H11a3 3 0 0 1-3-3V8M8 27a3 3 0 0 1 3-3h18M14 12h9"],
  ["clock", "Wall clock", "silent", "M19 5a13 13 0 1 0 .01 0M19 10v8l5 4"],
];
const EXPLAIN = {
  unstick: ["Unstick:", " every node keeps its sessions in one store, and the balancer pins nobody. Click around and stop nodes as you like: the cart stays."],
  sticky: ["Sticky:", " the balancer pins you to one node. With sessions in each node's memory your cart is gone when you stop the node that answers you, or switch un-pinning on."],
  broken: ["Broken:", " every node keeps sessions in its own memory, and the balancer pins nobody. Add something and click again: another node has never seen your cart."],
};
const TURNS = { sticky: "every click goes to the node that you are pinned to, while it runs and un-pinning is off" };
const NAMES = Object.fromEntries(PRODUCTS.map(([sku, name]) => [sku, name]));

const $ = (id) => document.getElementById(id);
function el(tag, props = {}, ...children) {
  const { testid, ...rest } = props;
  const node = Object.assign(document.createElement(tag), rest);
  if (testid) node.dataset.testid = testid;
  node.append(...children);
  return node;
}
function text(id, value) { if ($(id).textContent !== String(value)) $(id).textContent = value; }
const hue = (instance) => `h${(Number.parseInt(instance.replace(/^node-/, ""), 10) - 1 || 0) % 8}`;

// What this page has put into the cart and was told is in. Kept here alone, to notice what the server forgets.
let expected = new Map();
// Another tab's clicks change the same cart: what this one expected is no longer a yardstick.
const tabs = new BroadcastChannel("shop");
tabs.addEventListener("message", () => { expected = new Map(); });
let cursor = 0;
let lastEvents = [];
let busy = Promise.resolve();

function chip(instance, what, failed) {
  const path = $("path");
  path.querySelector(".empty")?.remove();
  const look = instance === "balancer" ? "balancer" : hue(instance);
  path.prepend(el("li", { className: `chip ${look}${failed ? " failed" : ""}`, testid: "chip" }, instance, el("small", {}, what)));
  while (path.children.length > 40) path.lastElementChild.remove();
}

async function call(method, url, body, what) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  if (url.startsWith("/admin/")) options.headers["x-shop-admin"] = "1";
  const response = await fetch(url, options);
  const instance = response.headers.get("x-instance") ?? "?";
  if (what) chip(instance, what, !response.ok);
  const answer = await response.json().catch(() => ({}));
  if (response.ok && method !== "GET" && url.startsWith("/api/")) tabs.postMessage("changed");
  if (!response.ok) throw new Error(answer.error ?? `${response.status} from ${instance}`);
  return answer;
}

function showLoss(missing, session) {
  $("alarm").hidden = false;
  const items = missing === 1 ? "1 item" : `${missing} items`;
  text("alarm-text", `${items} you had added ${missing === 1 ? "is" : "are"} gone: ${session.instance} answered, and to it your session is "${session.status}".`);
  const card = $("cart-card");
  card.classList.remove("lost-cart");
  void card.offsetWidth; // restarts the animation
  card.classList.add("lost-cart");
}

function showSession(session) {
  const held = new Map(session.cart.lines.map(({ sku, qty }) => [sku, qty]));
  let missing = 0;
  for (const [sku, qty] of expected) missing += Math.max(0, qty - (held.get(sku) ?? 0));
  if (missing > 0) showLoss(missing, session);
  expected = held;

  text("count", session.cart.count);
  text("status", session.status);
  text("instance", session.instance);
  const known = session.user !== null;
  text("who", known ? session.user : "not logged in");
  $("who").classList.toggle("known", known);
  $("logout").hidden = !known;
  $("login").hidden = $("user").hidden = known;
  const lines = session.cart.lines.map(({ sku, qty }) => {
    const remove = el("button", { type: "button", id: `remove-${sku}`, testid: `remove-${sku}`, title: `Remove ${NAMES[sku] ?? sku}` }, "Remove");
    remove.addEventListener("click", () => act("remove", async () => {
      await call("DELETE", `/api/cart/${encodeURIComponent(sku)}`, undefined, "remove");
      expected.delete(sku);
    }));
    return el("li", { testid: `line-${sku}` }, el("span", { className: "name" }, NAMES[sku] ?? sku), el("span", { className: "qty" }, `× ${qty}`), remove);
  });
  $("cart").replaceChildren(...(lines.length ? lines : [el("li", { className: "empty" }, "Nothing in it.")]));
}

// One click after the other, each followed by a look at the session, as a page of a shop does.
function act(what, action) {
  busy = busy.then(async () => {
    try {
      await action();
      showSession(await call("GET", "/api/session", undefined, "read"));
    } catch (error) {
      fleetNote(`${what}: ${error.message}`);
    }
    await watch();
  });
  return busy;
}

function fleetNote(detail) {
  lastEvents.unshift({ at: Date.now(), instance: "page", kind: "request_failed", warning: true, session: null, detail });
  showEvents();
}

function showEvents() {
  if (!lastEvents.length) return;
  lastEvents.length = Math.min(lastEvents.length, 200);
  $("events").replaceChildren(...lastEvents.map((event) => el("li", { className: event.warning ? "warning" : "" },
    el("time", {}, new Date(event.at).toLocaleTimeString([], { hour12: false })),
    el("span", {}, event.instance),
    el("span", { className: "what" }, el("span", { className: "kind" }, event.kind.replaceAll("_", " ")), " ",
      el("span", { className: "tag" }, [event.detail, event.session].filter(Boolean).join(" · "))))));
}

let shownNodes = "";
function showNodes(nodes) {
  if (JSON.stringify(nodes) === shownNodes) return;
  shownNodes = JSON.stringify(nodes);
  text("alive", `${nodes.filter((node) => node.state === "running").length} of ${nodes.length} running`);
  $("nodes").replaceChildren(...nodes.map((node) => {
    const running = node.state === "running";
    const verb = running ? "stop" : "start";
    const button = el("button", { type: "button", id: `${verb}-${node.id}`, testid: `${verb}-${node.id}`, disabled: node.state === "draining" }, running ? "Stop" : "Start");
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        showNodes((await call("POST", `/admin/nodes/${node.id}/${verb}`)).nodes);
      } catch (error) {
        fleetNote(`${verb} ${node.name}: ${error.message}`);
        shownNodes = "";
      }
      await act("read", async () => {});
    });
    const where = [node.address, node.pid && `process ${node.pid}`].filter(Boolean).join(" · ");
    return el("li", { className: running ? "" : "off", testid: `node-${node.id}` },
      el("span", { className: `dot ${hue(node.name)}` }),
      el("div", {}, el("div", { className: "name" }, node.name), el("div", { className: "where" }, where)),
      el("span", { className: `state ${node.state}`, testid: `state-${node.id}` }, node.state), button);
  }));
}

function showMode(mode) {
  if ($("mode").textContent === mode) return;
  text("mode", mode);
  $("mode").classList.add(mode);
  const [name, rest] = EXPLAIN[mode] ?? [mode, ""];
  $("explain").replaceChildren(el("b", {}, name), rest);
  text("turns", TURNS[mode] ?? "each click goes to the next node");
}

let watching = false;
async function watch() {
  if (watching) return;
  watching = true;
  try {
    const news = await call("GET", `/admin/events?after=${cursor}`);
    showMode(news.mode);
    showNodes(news.nodes);
    const { found, lost, rate } = news.continuity;
    text("found", found);
    text("lost", lost);
    // Rounded down, so that "100 %" means all.
    text("rate", `${(Math.floor(rate * 1000) / 10).toFixed(rate === 1 ? 0 : 1)} %`);
    $("rate").classList.toggle("bad", lost > 0);
    $("bar").style.width = `${rate * 100}%`;
    if (news.events.length) {
      cursor = news.events.at(-1).seq;
      lastEvents.unshift(...news.events.reverse());
      showEvents();
    }
  } catch {
    text("alive", "the balancer does not answer");
  } finally {
    watching = false;
  }
}

function start() {
  $("products").replaceChildren(...PRODUCTS.map(([sku, name, note, path]) => {
    const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    picture.setAttribute("viewBox", "0 0 38 38");
    picture.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    picture.append(line);
    const button = el("button", { type: "button", className: "product", id: `add-${sku}`, testid: `add-${sku}` },
      picture, name, el("small", {}, note), el("span", { className: "plus" }, "Add to cart"));
    button.addEventListener("click", () => act("add", async () => {
      await call("POST", "/api/cart", { sku, qty: 1 }, "add");
      expected.set(sku, (expected.get(sku) ?? 0) + 1);
    }));
    return button;
  }));
  $("account").addEventListener("submit", (event) => {
    event.preventDefault();
    const user = $("user").value;
    act("log in", () => call("POST", "/api/login", { user }, "log in"));
  });
  $("logout").addEventListener("click", () => act("log out", async () => {
    await call("POST", "/api/logout", undefined, "log out");
    expected = new Map();
  }));
  $("dismiss").addEventListener("click", () => { $("alarm").hidden = true; });
  act("open", async () => {});
  setInterval(watch, 1000);
}
start();
