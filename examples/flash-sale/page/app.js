"use strict";
// Shows what the program tells, once a second. Tables that are open stay open.
const main = document.querySelector("main");
const live = document.querySelector(".live");

async function refresh() {
  try {
    const answer = await fetch("/body");
    const text = await answer.text();
    const open = [...main.querySelectorAll("details[open]")].map((table) => table.id);
    const focused = document.activeElement?.closest("details")?.id;
    main.innerHTML = text;
    for (const id of open) {
      const table = document.getElementById(id);
      if (table) table.open = true;
    }
    if (focused) document.getElementById(focused)?.querySelector("summary").focus({ preventScroll: true });
    const states = [...main.querySelectorAll("[data-testid^='state-']")];
    live.textContent = states.every((state) => state.textContent === "over") ? "over" : "live";
  } catch {
    live.textContent = "the program has ended";
  }
  setTimeout(refresh, 1000);
}

refresh();
