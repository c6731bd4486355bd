// A pupil's page.  Elements are made here, one by one, and what comes from the class only becomes text in
// them: there is no place where it could become markup.
"use strict";

const at = (id) => document.getElementById(id);
const prose = at("prose"), dialogue = at("dialogue"), line = at("line"), cover = at("cover");

const MOST_LINES = 3000; // of the dialogue, in the page
const MOST_REMEMBERED = 200;
const PAUSES = [500, 1000, 2000, 5000, 10000]; // milliseconds before another try

let socket = null;
let tries = 0;
let lessonTitle = "";
let remembered = [], back = 0, unsent = "";
let secret = false; // whether the whole line is a secret
let mask = null; // from which character on the line is a secret
let fresh = null; // the first element of the newest prose
let stale = true; // whether the dialogue has gone on since
let replaying = false;

// Elements.

const TAGS = new Set("p ul ol li blockquote strong em table thead tbody tr th td hr br code pre h4".split(" "));

function make(tag, style, text) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

function node(from) {
  if (typeof from === "string") return document.createTextNode(from);
  const [tag, ...rest] = from;
  if (tag === "span") return make("span", "s-" + rest[0], rest[1]);
  const made = make(TAGS.has(tag) ? (tag === "h4" ? "h3" : tag) : "span");
  made.append(...rest.map(node));
  if (tag === "pre" || tag === "table") made.tabIndex = 0; // it may have to be scrolled
  return made;
}

// What the class says.

const told = {
  begin(message) {
    replaying = true;
    for (const each of [prose, dialogue]) each.setAttribute("aria-live", "off"); // a screen reader has read this before
    prose.replaceChildren();
    dialogue.replaceChildren();
    remembered = [];
    fresh = null;
  },
  ready() {
    replaying = false;
    for (const each of [prose, dialogue]) each.setAttribute("aria-live", "polite");
    scroll();
    line.focus();
  },
  heading({ text, level }) {
    if (level > 1) addProse(make("h2", "", text));
    else {
      at("title").textContent = text;
      document.title = text + " · poptalk";
    }
  },
  prose({ nodes }) {
    addProse(...nodes.map(node));
  },
  choices({ choices }) {
    const group = make("fieldset", "choices");
    group.append(make("legend", "", "Your answer"));
    for (const [letter, nodes] of choices) {
      const button = make("button");
      button.type = "button";
      button.append(letter + ") ", ...nodes.map(node));
      button.addEventListener("click", () => {
        send(letter);
        line.focus();
      });
      group.append(button);
    }
    addProse(group);
  },
  again() {
    const last = prose.lastElementChild;
    if (last) last.scrollIntoView({ block: "nearest" });
  },
  lines({ lines }) {
    for (const each of lines) {
      const row = make("div", "line");
      row.append(...each.map(node));
      addLine(row);
    }
  },
  aside({ nodes }) {
    const row = make("div", "comment");
    row.append(...nodes.map(node));
    addLine(row);
  },
  comment({ style, word, nodes }) {
    const row = make("p", "comment");
    row.append(make("span", "s-" + style, word + ":"), " ", ...nodes.map(node));
    addLine(row);
  },
  typed({ text }) {
    if (remembered[remembered.length - 1] !== text) remembered.push(text);
    if (remembered.length > MOST_REMEMBERED) remembered.shift();
    back = remembered.length;
  },
  prompt({ text, ready, choosing, secret: all }) {
    at("prompt").textContent = ready ? text : text + " (waiting)";
    secret = all;
    for (const button of prose.querySelectorAll(".choices button")) button.disabled = true;
    const last = [...prose.querySelectorAll(".choices")].pop();
    if (choosing && last) for (const button of last.querySelectorAll("button")) button.disabled = false;
    showCover();
  },
  mask({ start, text }) {
    if (text === line.value.length || start !== null) mask = start;
    showCover();
  },
  line({ text }) {
    setLine(text);
  },
};

function addProse(...elements) {
  prose.append(...elements);
  if (stale) [fresh, stale] = [elements[0], false];
  if (!replaying) scroll();
}

function addLine(row) {
  stale = true;
  dialogue.append(row);
  while (dialogue.childElementCount > MOST_LINES) dialogue.firstElementChild.remove();
  if (!replaying) scroll();
}

// New prose begins at the top of its part, and the dialogue ends at the bottom of its own.
function scroll() {
  if (fresh) prose.scrollTop = fresh.offsetTop - prose.offsetTop - 8;
  dialogue.scrollTop = dialogue.scrollHeight;
  // If the window is too low for everything, the whole page scrolls.
  if (document.activeElement === line) line.scrollIntoView({ block: "nearest" });
}

// The line.

function tell(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function send(text) {
  tell({ line: text });
}

function setLine(text) {
  line.value = text;
  mask = null;
  line.setSelectionRange(text.length, text.length);
  changed();
}

function changed() {
  tell({ typing: line.value });
  if (!line.value) mask = null;
  showCover();
}

function showCover() {
  const from = secret ? 0 : mask;
  const covered = from !== null && line.value.length > from;
  line.classList.toggle("covered", covered);
  cover.hidden = !covered;
  cover.textContent = covered ? line.value.slice(0, from) + "•".repeat(line.value.length - from) : "";
  cover.scrollLeft = line.scrollLeft;
}

at("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!socket || socket.readyState !== WebSocket.OPEN) return; // the line stays until it can be sent
  send(line.value);
  line.value = unsent = "";
  mask = null;
  back = remembered.length;
  showCover();
  line.focus();
});

line.addEventListener("input", changed);
line.addEventListener("scroll", showCover);
line.addEventListener("keyup", showCover);

line.addEventListener("paste", (event) => {
  const lines = event.clipboardData.getData("text").split(/\r\n|\r|\n/);
  if (lines.length < 2) return;
  event.preventDefault();
  const last = lines.pop();
  lines[0] = line.value + lines[0];
  lines.forEach(send);
  setLine(last);
});

line.addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    event.preventDefault();
    const to = back + (event.key === "ArrowUp" ? -1 : 1);
    if (to < 0 || to > remembered.length) return;
    if (back === remembered.length) unsent = line.value;
    back = to;
    setLine(back === remembered.length ? unsent : remembered[back]);
  } else if (event.key === "Escape") {
    tell({ stop: true });
  }
});

// Coming and going.

function say(text, ...others) {
  at("state").replaceChildren(text, ...others);
}

function open() {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/lesson");
  socket.addEventListener("message", (event) => {
    tries = 0;
    say("");
    const message = JSON.parse(event.data);
    told[message.kind](message);
  });
  socket.addEventListener("close", (event) => {
    socket = null;
    if (event.reason === "another tab") {
      const here = make("button", "", "Go on here");
      here.addEventListener("click", start);
      say("The lesson is open in another tab. ", here);
    } else if (event.reason === "the class is over") {
      say("The class is over. Thank you for coming!");
    } else {
      say("The connection to the class is lost; trying again.");
      setTimeout(start, PAUSES[Math.min(tries++, PAUSES.length - 1)]);
    }
  });
}

function show(name) {
  at("join").hidden = name !== null;
  at("lesson").hidden = name === null;
  document.body.classList.toggle("learning", name !== null); // as high as the window
  at("who").textContent = name === null ? "" : name;
  (name === null ? at("name") : line).focus();
}

async function start() {
  let session;
  try {
    session = await (await fetch("/session")).json();
  } catch (error) {
    say("The class can't be reached; trying again.");
    setTimeout(start, PAUSES[Math.min(tries++, PAUSES.length - 1)]);
    return;
  }
  say("");
  at("title").textContent = session.lesson;
  document.title = session.lesson + " · poptalk";
  show(session.name);
  if (session.name !== null) open();
}

at("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ name: at("name").value, code: at("code").value });
  try {
    const answer = await fetch("/join", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    const said = await answer.json();
    at("refusal").textContent = answer.ok ? "" : said.error;
    if (answer.ok) start();
  } catch (error) {
    at("refusal").textContent = "The class can't be reached. Try again in a moment.";
  }
});

addEventListener("resize", scroll);
start();
