/* Asks how a test went until it is over: window.pushFollow(address, tell). */
window.pushFollow = async (address, tell) => {
  "use strict";
  const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });
  for (let turn = 0; turn < 120; turn += 1) {
    const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!answer.ok) { throw new Error(`HTTP ${answer.status}`); }
    const found = await answer.json();
    tell(found.text, found.tone);
    if (found.over) { return; }
    await pause(turn < 10 ? 250 : 1000);
  }
};
