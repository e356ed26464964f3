// Asks the feed what arrived and shows it. Everything it needs to know is in the page's data
// attributes; what a push says is set as text, never as HTML.

const LISTEN_EVERY = 600; // ms between an answer and the next question
const TROUBLE_EVERY = 2500; // the same after a failure
const LIT_FOR = 9000; // ms that a screen stays bright
const STACK = 4; // notifications on a screen

const list = document.getElementById("phones");
const link = document.getElementById("link");
const news = document.getElementById("news");
const trouble = document.getElementById("trouble");
const phones = new Map();
let since = "";

for (const element of list.querySelectorAll("[data-phone]")) {
  phones.set(element.dataset.phone, { element, stack: element.querySelector(".stack"), timer: 0 });
}

function showTime() {
  const now = new Date();
  for (const { element } of phones.values()) {
    const locale = element.dataset.locale || undefined;
    const timeZone = element.dataset.zone || undefined;
    const short = format(now, locale, { hour: "2-digit", minute: "2-digit", hour12: false, timeZone });
    const date = format(now, locale, { weekday: "long", day: "numeric", month: "short", timeZone });
    element.querySelector(".clock").textContent = short;
    element.querySelector(".small-clock").textContent = short;
    element.querySelector(".date").textContent = date;
  }
}

function format(date, locale, options) {
  try {
    return new Intl.DateTimeFormat(locale, options).format(date);
  } catch {
    // A device may report any locale and zone; the browser need not know them.
    return new Intl.DateTimeFormat(undefined, { ...options, timeZone: undefined }).format(date);
  }
}

function card(arrival) {
  const item = document.createElement("li");
  item.className = "push";
  const texts = [["strong", arrival.title], ["em", arrival.subtitle], ["span", arrival.body]];
  for (const [tag, text] of texts) {
    if (text) {
      item.appendChild(document.createElement(tag)).textContent = text;
    }
  }
  if (!item.childElementCount) {
    item.classList.add("is-silent");
    item.appendChild(document.createElement("span")).textContent = list.dataset.silent;
  }
  if (/^https:/i.test(arrival.image || "")) {
    const image = item.appendChild(document.createElement("img"));
    image.alt = "";
    image.addEventListener("error", () => image.remove());
    image.src = arrival.image;
  }
  return item;
}

function arrive(arrival, isNew) {
  const phone = phones.get(arrival.phone);
  if (!phone) {
    return;
  }
  phone.stack.prepend(card(arrival));
  while (phone.stack.childElementCount > STACK) {
    phone.stack.lastElementChild.remove();
  }
  if (typeof arrival.badge === "number") {
    const badge = phone.element.querySelector(".badge");
    badge.textContent = arrival.badge > 999 ? "999+" : arrival.badge;
    badge.hidden = arrival.badge === 0;
  }
  if (isNew) {
    lightUp(phone);
  }
}

function lightUp(phone) {
  phone.element.classList.remove("has-come");
  void phone.element.offsetWidth; // starts the animation anew
  phone.element.classList.add("is-lit", "has-come");
  clearTimeout(phone.timer);
  phone.timer = setTimeout(() => phone.element.classList.remove("is-lit", "has-come"), LIT_FOR);
}

function tell(arrivals) {
  if (!arrivals.length) {
    return;
  }
  const last = arrivals[arrivals.length - 1];
  const text = [last.title, last.body].filter(Boolean).join(". ") || list.dataset.silent;
  const count = new Set(arrivals.map((arrival) => arrival.phone)).size;
  const phone = phones.get(last.phone);
  news.textContent =
    count > 1 || !phone
      ? news.dataset.many.replace("%n", count).replace("%t", text)
      : news.dataset.one.replace("%p", phone.element.dataset.name).replace("%t", text);
}

function setLink(state, message) {
  if (link.dataset.state !== state) {
    link.dataset.state = state;
    link.firstElementChild.textContent = link.dataset[state];
  }
  trouble.hidden = !message;
  trouble.textContent = message || "";
}

async function listen() {
  let pause = LISTEN_EVERY;
  try {
    const response = await fetch(`${list.dataset.feed}?since=${since}`);
    const answer = await response.json();
    if (!response.ok) {
      throw new Error(answer.error);
    }
    const isNew = since !== "";
    for (const arrival of answer.arrivals) {
      arrive(arrival, isNew);
    }
    if (isNew) {
      tell(answer.arrivals);
    }
    since = String(answer.last);
    setLink("up", "");
  } catch (error) {
    setLink("down", error instanceof TypeError ? link.dataset.down : error.message);
    pause = TROUBLE_EVERY;
  }
  setTimeout(listen, pause);
}

showTime();
setInterval(showTime, 5000);
listen();
