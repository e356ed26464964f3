/* Copies a key that is shown this once. */
(() => {
  "use strict";
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const input = document.getElementById(button.dataset.copy);
      input.select();
      await navigator.clipboard.writeText(input.value);
      button.textContent = button.dataset.done;
    });
  });
})();
