// The board.  What comes from the class is only ever made into text.
"use strict";

const at = (id) => document.getElementById(id);
const BLOCKS = { done: "■", due: "▶", "to do": "□" };
const PAUSES = [500, 1000, 2000, 5000, 10000]; // milliseconds before another try

let socket = null;
let named = false; // whether names are shown: they are not even sent before
let tries = 0;

function make(tag, style, text) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

function cell(style, ...contents) {
  const made = make("td", style);
  made.append(...contents);
  return made;
}

function time(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? minutes + " min" : Math.floor(seconds) + " s";
}

function rowOf(pupil) {
  const row = make("tr", pupil.is_finished ? "finished" : pupil.is_connected ? "" : "away");
  const name = make("th", "", pupil.name);
  name.scope = "row";
  const done = pupil.steps.filter((step) => step === "done").length;
  const blocks = make("span", "blocks", pupil.steps.map((step) => BLOCKS[step]).join(""));
  blocks.ariaHidden = "true";
  const far = make("span", "far", done + " of " + pupil.steps.length);
  const said = cell("said");
  if (pupil.line) said.append(make("div", "line", pupil.line));
  if (pupil.remark) {
    const remark = make("div");
    remark.append(make("span", pupil.word === "not yet" ? "s-notyet" : "s-aside", pupil.word + ":"), " ", pupil.remark);
    said.append(remark);
  }
  if (pupil.trouble) said.append(make("div", "s-warn", pupil.trouble));
  const step = make("div", "step", pupil.is_finished ? "finished" : pupil.step + (pupil.is_connected ? "" : " (not connected)"));
  row.append(
    name,
    cell("", blocks, " ", far, step),
    cell("", pupil.is_finished ? "" : time(pupil.stuck_seconds)),
    cell("", String((pupil.is_finished ? pupil.all_misses : pupil.misses) || "")),
    said,
  );
  return row;
}

function draw(board) {
  const { lesson, pupils, steps, wrong_lines: wrong, finished, connected, seconds, join } = board;
  at("title").textContent = lesson;
  document.title = lesson + " · the class";
  at("summary").textContent =
    `${pupils.length} ${pupils.length === 1 ? "pupil" : "pupils"}, ${connected} connected, ` +
    `${finished} finished · ${time(seconds)}`;
  at("joining").textContent = "Join: " + join;
  at("board").hidden = false;
  at("nobody").hidden = pupils.length > 0;
  at("pupils").hidden = pupils.length === 0;
  at("pupils").tBodies[0].replaceChildren(...pupils.map(rowOf));
  at("steps").tBodies[0].replaceChildren(
    ...steps.map(({ number, title, done }) => {
      const row = make("tr");
      const name = make("th", "", `${number} ${title}`);
      name.scope = "row";
      const bar = make("progress");
      bar.max = Math.max(pupils.length, 1);
      bar.value = done;
      bar.ariaLabel = `${title}: ${done} of ${pupils.length}`;
      row.append(name, cell("", bar), cell("", String(done)));
      return row;
    }),
  );
  at("wrong").hidden = wrong.length === 0;
  at("wrong").tBodies[0].replaceChildren(
    ...wrong.map(([line, count]) => {
      const row = make("tr");
      row.append(cell("", count + "×"), cell("line", line));
      return row;
    }),
  );
}

function showNames() {
  named = !named;
  at("names").setAttribute("aria-pressed", String(named));
  at("names").textContent = named ? "Hide names (n)" : "Show names (n)";
  ask();
}

function ask() {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ key: location.hash.slice(1), names: named }));
  }
}

at("names").addEventListener("click", showNames);
addEventListener("keydown", (event) => {
  if (event.key === "n" && !event.ctrlKey && !event.altKey && !event.metaKey) showNames();
});

function open() {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/class");
  socket.addEventListener("open", ask);
  socket.addEventListener("message", (event) => {
    tries = 0;
    at("state").textContent = "";
    draw(JSON.parse(event.data));
  });
  socket.addEventListener("close", (event) => {
    if (event.reason === "key") {
      at("state").textContent = "The board is for the teacher. Its whole address is in the teacher's terminal.";
    } else if (event.reason === "the class is over") {
      at("state").textContent = "The class is over.";
    } else {
      at("state").textContent = "The connection to the class is lost; trying again.";
      setTimeout(open, PAUSES[Math.min(tries++, PAUSES.length - 1)]);
    }
  });
}

addEventListener("hashchange", () => location.reload());
open();
