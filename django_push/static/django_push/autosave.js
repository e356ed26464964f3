/* The composer's draft saves itself: some seconds after the last key, and never while another
   saving is under way. What it cannot keep stays on the page, and leaving the page warns. */
(() => {
  "use strict";
  const line = document.querySelector("[data-autosave]");
  if (!line) { return; }
  const form = line.closest("form");
  line.parentElement.hidden = false;
  const trouble = form.querySelector("[data-autosave-trouble]");
  const WAIT = 2000; // milliseconds of silence
  const IGNORED = new Set(["pv", "test_device"]);
  let timer = 0;
  let saving = null; // the promise of the one that is under way
  let stopped = false;
  let edits = 0;

  function hidden(name) {
    let input = form.elements[name];
    if (!input) {
      input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      form.append(input);
    }
    return input;
  }

  function told(text, isTrouble) {
    line.textContent = isTrouble ? "" : text;
    if (trouble.textContent !== (isTrouble ? text : "")) { trouble.textContent = isTrouble ? text : ""; }
  }

  async function post() {
    const answer = await fetch(line.dataset.autosave, {
      method: "POST", body: new FormData(form), credentials: "same-origin", headers: { Accept: "application/json" },
    });
    const type = answer.headers.get("Content-Type") || "";
    if (!type.includes("json")) { throw new Error(`HTTP ${answer.status}`); }
    stopped = !answer.ok;
    return answer.json();
  }

  async function save() {
    const now = edits;
    try {
      const found = await post();
      told(found.text, stopped || (!found.saved && found.text !== ""));
      if (!found.saved) { return; }
      hidden("draft").value = found.draft;
      hidden("edition").value = found.edition;
      // From now on a reload, and every button, means this draft: no second one comes to be.
      window.history.replaceState(null, "", found.page);
      if (edits === now) { form.dataset.saved = "1"; }
    } catch {
      told(line.dataset.failed, true);
    }
  }

  function soon() {
    clearTimeout(timer);
    if (!stopped) { timer = setTimeout(run, WAIT); }
  }

  async function run() {
    if (saving) { soon(); return; }
    saving = save();
    await saving;
    saving = null;
  }

  form.addEventListener("input", (event) => {
    if (IGNORED.has(event.target.name)) { return; }
    edits += 1;
    delete form.dataset.saved;
    soon();
  });

  // A button pressed meanwhile waits: else the draft would be made twice.
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    if (!saving) { return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    const button = event.submitter;
    saving.then(() => { saving = null; form.requestSubmit(button); });
  }, { capture: true });
})();
