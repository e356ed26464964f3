/* The composer while people write: preview, count, what is missing, a test. Everything that is
   sent or saved goes through the form itself, which works without this script. */
(() => {
  "use strict";
  const page = document.querySelector("[data-compose]");
  if (!page) { return; }
  const form = page.closest("form");
  const find = (selector) => page.querySelector(selector);
  const all = (selector) => [...page.querySelectorAll(selector)];
  const field = (name) => form.elements[name];
  const value = (name) => (field(name) ? field(name).value : "");
  const WAIT = 400; // milliseconds of silence before the server is asked

  page.querySelectorAll(".push-only-script").forEach((element) => { element.hidden = false; });

  // ----- preview -----
  function appName() {
    const fixed = find("[data-application-name]");
    const choice = field("application");
    if (fixed) { return fixed.textContent; }
    return choice && choice.value ? choice.selectedOptions[0].textContent : "App";
  }

  function show(name, text) {
    all(`[data-show="${name}"]`).forEach((element) => { element.textContent = text; });
  }

  function preview() {
    const app = appName();
    show("title", value("title") || app);
    show("subtitle", value("subtitle"));
    show("body", value("body"));
    show("app", app);
    show("initial", app.slice(0, 1));
    ["title", "body"].forEach(length);
  }

  function length(name) {
    const count = [...value(name)].length;
    const said = find(`[data-length-of="${name}"]`);
    said.textContent = count ? `${count} ${said.dataset.words}` : "";
    if (name !== "body") { return; }
    if (count > 45) { said.textContent += `. ${said.dataset.hint}`; }
    const ruler = find("[data-ruler]");
    ruler.hidden = false;
    find("[data-ruler-used]").setAttribute("width", String(Math.min(count / 170, 1) * 1000));
    ruler.querySelector(".at-45").classList.toggle("cut", count > 45);
    ruler.querySelector(".at-90").classList.toggle("cut", count > 90);
  }

  // ----- what the folded sections hold -----
  function states() {
    all("[data-state]").forEach((details) => {
      const set = [...details.querySelectorAll("input, select, textarea")].filter((input) =>
        input.type !== "hidden" && !input.closest("template") && changed(input));
      const texts = set.filter((input) => !details.closest("#languages") || input.name.endsWith("-tag"));
      const words = texts.slice(0, 3).map(word);
      details.querySelector(".state").textContent = words.join(" · ").replaceAll(": · ", " ") + (texts.length > 3 ? " · …" : "");
    });
  }

  function changed(input) {
    if (input.type === "checkbox") { return input.checked; }
    if (input.tagName === "SELECT") { return input.selectedIndex > 0; }
    return input.value.trim() !== "" && input.value.trim() !== "null";
  }

  function word(input) {
    if (input.type === "checkbox") { return input.labels[0].textContent; }
    const text = input.tagName === "SELECT" ? input.selectedOptions[0].textContent : input.value;
    return text.length > 24 ? `${text.slice(0, 24)}…` : text;
  }

  // ----- count and checks -----
  let timer = 0;
  let asked = 0;

  function ask() {
    clearTimeout(timer);
    find(".push-count").classList.add("busy");
    timer = setTimeout(check, WAIT);
  }

  async function post(address) {
    const body = new FormData(form);
    const answer = await fetch(address, {
      method: "POST", body, credentials: "same-origin", headers: { Accept: "application/json" },
    });
    const type = answer.headers.get("Content-Type") || "";
    if (!type.includes("json")) { throw new Error(`HTTP ${answer.status}`); }
    return { ok: answer.ok, ...(await answer.json()) };
  }

  async function check() {
    const turn = ++asked;
    let answer = null;
    try {
      answer = await post(page.dataset.check);
    } catch {
      answer = null;
    }
    if (turn !== asked) { return; } // a later question is on its way
    find(".push-count").classList.remove("busy");
    if (!answer || !answer.ok) {
      find("[data-count-spoken]").textContent = page.dataset.failed;
      find("[data-dock-devices]").textContent = "–";
      find("[data-count-box]").textContent = page.dataset.failed;
      return;
    }
    find("[data-count-box]").innerHTML = answer.count;
    find("[data-checks]").innerHTML = answer.checks;
    find("[data-schedule]").innerHTML = answer.schedule;
    if (find("[data-count-spoken]").textContent !== answer.devices) {
      find("[data-count-spoken]").textContent = answer.devices;
    }
    find("[data-dock-devices]").textContent = answer.devices || "–";
    find("[data-dock-summary]").textContent = answer.summary;
    platforms(answer.per_type);
  }

  function platforms(counts) {
    const known = Object.keys(counts).length > 0;
    all("[data-count]").forEach((element) => {
      const count = counts[element.dataset.count];
      element.textContent = known ? ` · ${count || 0}` : "";
    });
    find('[data-platform="web"]').hidden = !counts.web;
  }

  // ----- channels, as they are typed -----
  async function channels() {
    const application = value("application");
    const last = value("channels").split(/[,;]/).pop().trim();
    if (!application) { return; }
    const query = new URLSearchParams({ application, q: last });
    const answer = await fetch(`${page.dataset.channels}?${query}`, { credentials: "same-origin" });
    if (!answer.ok) { return; }
    const before = value("channels").slice(0, value("channels").length - last.length);
    const list = find("#push-channels");
    list.replaceChildren(...(await answer.json()).channels.map((name) => {
      const option = document.createElement("option");
      option.value = before + name;
      return option;
    }));
  }

  // ----- segments of the chosen application only -----
  function offers() {
    const application = value("application");
    all("[data-of]").forEach((offer) => {
      offer.hidden = Boolean(application) && offer.dataset.of !== application;
      if (offer.hidden) { offer.querySelector("input").checked = false; }
    });
  }

  // ----- a test -----
  async function test(event) {
    event.preventDefault();
    const button = event.target;
    button.disabled = true;
    const said = find("[data-test-result]");
    const tell = (text, tone) => { said.textContent = text; said.className = `push-small push-p ${tone}`; };
    try {
      const answer = await post(page.dataset.test);
      if (answer.ok) {
        tell(answer.text, "");
        await window.pushFollow(answer.result, tell);
      } else {
        tell(answer.error, "bad");
      }
    } catch {
      tell(page.dataset.testFailed, "bad");
    }
    button.disabled = false;
  }

  // ----- languages -----
  function addLanguage() {
    const total = field("lang-TOTAL_FORMS");
    const template = find("[data-languages] template");
    const row = document.createElement("div");
    row.innerHTML = template.innerHTML.replaceAll("__prefix__", total.value);
    template.before(...row.children);
    total.value = Number(total.value) + 1;
    const rows = all("[data-language]");
    rows[rows.length - 1].querySelector("input").focus();
  }

  // A link of the checks leads into a folded section too.
  function unfold(event) {
    const link = event.target.closest('a[href^="#"]');
    const target = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!target) { return; }
    const details = target.querySelector("details") || target.closest("details");
    if (details) { details.open = true; }
    if (target.matches("input, textarea, select")) { target.focus(); }
  }

  let leaving = false;
  let dirty = false;
  form.addEventListener("input", (event) => { dirty = true; preview(); states(); if (event.target.name !== "pv" && event.target.name !== "test_device") { ask(); } });
  form.addEventListener("change", () => { preview(); states(); offers(); });
  form.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("beforeunload", (event) => { if (dirty && !leaving && !form.dataset.saved) { event.preventDefault(); } });
  page.addEventListener("click", unfold);
  if (find("[data-send-test]")) { find("[data-send-test]").addEventListener("click", test); }
  find("[data-add-language]").addEventListener("click", addLanguage);
  if (field("channels")) {
    field("channels").addEventListener("input", channels);
    field("channels").addEventListener("focus", channels);
  }
  preview();
  states();
  offers();
  check();
})();
