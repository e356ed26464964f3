/* The report while a push runs: the parts of the page that change come anew each second. */
(() => {
  "use strict";
  const page = document.querySelector("[data-report]");
  if (!page || page.dataset.over === "1") { return; }
  const SECOND = 1000;
  const last = {};

  function put(name, html) {
    const part = page.querySelector(`[data-part="${name}"]`);
    // Where somebody is with the keyboard nothing is taken away under their fingers.
    if (last[name] === html || (part.contains(document.activeElement) && page.dataset.over !== "1")) { return; }
    last[name] = html;
    const unfolded = part.querySelector("details[open]") !== null;
    part.innerHTML = html;
    if (unfolded) { part.querySelectorAll("details").forEach((details) => { details.open = true; }); }
  }

  async function ask() {
    if (document.hidden) { setTimeout(ask, SECOND); return; }
    try {
      const answer = await fetch(page.dataset.progress, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (!answer.ok) { throw new Error(`HTTP ${answer.status}`); }
      const found = await answer.json();
      page.dataset.over = found.over ? "1" : "0";
      Object.entries(found.parts).forEach(([name, html]) => { put(name, html); });
      if (found.over) { return; }
      setTimeout(ask, SECOND);
    } catch {
      put("line", ""); // so that the next answer is shown even if it is the former one
      page.querySelector('[data-part="line"]').textContent = page.dataset.lost;
      setTimeout(ask, 5 * SECOND);
    }
  }
  setTimeout(ask, SECOND / 2);
})();
