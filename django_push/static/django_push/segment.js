/* The form of a segment while people write: rows come and go without a reload, and the devices are
   counted. Without this script the same buttons post, and the page comes back changed. */
(() => {
  "use strict";
  const page = document.querySelector("[data-segment]");
  if (!page) { return; }
  const form = page.closest("form");
  const WAIT = 400; // milliseconds of silence before the server is asked
  const find = (selector) => page.querySelector(selector);
  const say = (text) => { find("[data-said]").textContent = text; };

  // ----- rows and groups -----
  function next(elements, number) {
    return 1 + Math.max(-1, ...[...elements].map(number));
  }

  function made(name, numbers) {
    const holder = document.createElement("div");
    let html = find(`template[data-new-${name}]`).innerHTML;
    Object.entries(numbers).forEach(([key, value]) => { html = html.replaceAll(key, String(value)); });
    holder.innerHTML = html;
    return holder.firstElementChild;
  }

  function addRow(group) {
    const rows = find(`[data-rows="${group}"]`);
    const number = next(rows.children, (row) => Number(row.querySelector(".what").name.split("-")[2]));
    const row = made("row", { __group__: group, __row__: number });
    rows.append(row);
    row.querySelector(".what").focus();
    say(page.dataset.added);
  }

  function addGroup() {
    const groups = find("[data-groups]");
    const number = Math.max(1, next(groups.children, (group) => Number(group.dataset.group)));
    groups.append(made("group", { __group__: number }));
    addRow(number);
  }

  function drop(element) {
    const beside = element.nextElementSibling || element.previousElementSibling;
    const target = beside && beside.querySelector(".what, select");
    element.remove();
    (target || find("[data-add='0']")).focus();
    say(page.dataset.removed);
    ask();
  }

  page.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=_rule]");
    if (!button) { return; }
    const known = ["add", "addGroup", "drop", "dropGroup"].some((name) => name in button.dataset);
    if (!known) { return; } // it changes between form and JSON: the server does that
    event.preventDefault();
    if ("add" in button.dataset) { addRow(button.dataset.add); }
    if ("addGroup" in button.dataset) { addGroup(); }
    if ("drop" in button.dataset) { drop(button.closest("[data-rule]")); }
    if ("dropGroup" in button.dataset) { drop(button.closest("[data-group]")); }
  });

  // ----- who is in it -----
  const members = find("[data-members]");
  const spoken = find("[data-members-spoken]");
  let timer = 0;
  let asked = 0;

  function ask() {
    clearTimeout(timer);
    members.classList.add("busy");
    timer = setTimeout(check, WAIT);
  }

  async function answer() {
    const found = await fetch(page.dataset.check, {
      method: "POST", body: new FormData(form), credentials: "same-origin", headers: { Accept: "application/json" },
    });
    const type = found.headers.get("Content-Type") || "";
    if (!found.ok || !type.includes("json")) { throw new Error(`HTTP ${found.status}`); }
    return found.json();
  }

  async function check() {
    const turn = ++asked;
    let found = null;
    try {
      found = await answer();
    } catch {
      found = null;
    }
    if (turn !== asked) { return; } // a later question is on its way
    members.classList.remove("busy");
    members.dataset.counted = "1";
    if (!found) { members.textContent = page.dataset.failed; }
    if (found) { members.innerHTML = found.members; }
    const words = found ? found.devices : page.dataset.failed;
    if (spoken.textContent !== words) { spoken.textContent = words; }
  }

  form.addEventListener("input", (event) => {
    if (!["name", "key", "description"].includes(event.target.name)) { ask(); }
  });
  check();
})();
