/* The credential's form: only the fields of the chosen provider; a file may be dropped; the
   provider is asked whether it takes the credential; a test. */
(() => {
  "use strict";
  const choice = document.querySelector("[data-provider-choice]");
  function narrow() {
    document.querySelectorAll("[data-of]").forEach((input) => {
      input.closest(".form-row").hidden = Boolean(choice) && input.dataset.of !== choice.value;
    });
    document.querySelectorAll("[data-help-of]").forEach((help) => {
      help.hidden = Boolean(choice) && help.dataset.helpOf !== choice.value;
    });
  }
  if (choice) { choice.addEventListener("change", narrow); narrow(); }

  const file = document.querySelector("[data-drop]");
  if (file) {
    const zone = file.closest("fieldset");
    file.classList.add("push-drop");
    const over = (on) => file.classList.toggle("over", on);
    zone.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
    zone.addEventListener("dragleave", () => over(false));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      if (event.dataTransfer.files.length) { file.files = event.dataTransfer.files; }
    });
  }

  const check = document.querySelector("[data-check-now]");
  if (check) {
    check.addEventListener("click", async (event) => {
      event.preventDefault(); // without this script the button posts, and the page comes anew
      const said = document.querySelector("[data-check-said]");
      const tell = (text, tone) => { said.textContent = text; said.className = `push-small push-check-said ${tone}`; };
      const body = new FormData();
      body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
      check.setAttribute("aria-disabled", "true"); // a disabled button would lose the focus
      tell(check.dataset.asking, "");
      try {
        const answer = await fetch(check.dataset.checkNow, {
          method: "POST", body, credentials: "same-origin", headers: { Accept: "application/json" },
        });
        const found = await answer.json();
        tell(found.text, found.tone);
        document.querySelector("[data-last-check]").textContent = found.last_check;
        const state = document.querySelector(".field-state .readonly");
        if (state) { state.innerHTML = found.state; }
      } catch {
        tell(check.dataset.failed, "bad");
      }
      check.removeAttribute("aria-disabled");
    });
  }

  const button = document.querySelector("[data-trial] [data-send-test]");
  if (!button) { return; }
  const box = button.closest("[data-trial]");
  button.addEventListener("click", async () => {
    const said = box.querySelector("[data-test-result]");
    const tell = (text, tone) => { said.textContent = text; said.className = tone; };
    const body = new FormData();
    body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    body.set("application", button.dataset.application);
    body.set("title", button.dataset.title);
    body.set("body", button.dataset.body);
    body.set("test_device", box.querySelector("#id_test_device").value);
    button.disabled = true;
    try {
      const answer = await fetch(box.dataset.test, { method: "POST", body, credentials: "same-origin" });
      const found = await answer.json();
      if (answer.ok) {
        tell(found.text, "");
        await window.pushFollow(found.result, tell);
      } else {
        tell(found.error, "bad");
      }
    } catch {
      tell(box.dataset.failed, "bad");
    }
    button.disabled = false;
  });
})();
