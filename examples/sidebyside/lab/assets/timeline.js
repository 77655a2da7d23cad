// Draws a race as an SVG timeline, and tells it as a table for those who do not see it.

import {seconds} from "./race.js";

const lane = 58; // height of a request's lane in pixels
const bar = 14;
const charWidth = 6.7; // on average, a little more than it is

// Waiting for less than this is none: it takes a moment to open a session that is free.
const noWait = 5;

// loss tells whose change was lost and when, or null: who is done first is overwritten by the other.
function loss({first, second}, outcome) {
  if (outcome !== "lost") return null;
  const [loser, other] = first.done < second.done ? [first, second] : [second, first];
  return {loser, other, at: other.done};
}

const list = (values) => Object.values(values).join(", ") || "nothing";

// ending says how a request ended.
function ending(request, savesAlways) {
  const {answer, gives} = request;
  if (answer.status !== 200) return `is refused: ${answer.status}`;
  if (gives) return `saves ${gives[1]}`;
  if (request.counts) return `saves ${answer.values[request.counts]}`;
  return savesAlways ? `saves all it had read: ${list(answer.values)}` : "saves nothing";
}

// story tells a race as a list of moments.
export function story(result, verdict, savesAlways) {
  const moments = [];
  for (const r of [result.first, result.second]) {
    if (r.waited > noWait) moments.push({at: r.sent, who: r.who, what: "waits for the session"});
    moments.push({at: r.opened, who: r.who, what: "opens the session"});
    moments.push({at: r.done, who: r.who, what: ending(r, savesAlways)});
  }
  for (const {at, values} of result.seen) moments.push({at, who: "Session", what: `holds ${list(values)}`});
  const lost = loss(result, verdict.outcome);
  if (lost) moments.push({at: lost.at, who: lost.loser.who, what: "its change is lost"});
  return moments.sort((a, b) => a.at - b.at);
}

// table returns the moments as an HTML table.
export function table(moments) {
  const element = document.createElement("table");
  const row = (tag, cells) => {
    const tr = element.insertRow();
    for (const text of cells) tr.appendChild(document.createElement(tag)).textContent = text;
  };
  row("th", ["After", "Who", "What"]);
  for (const m of moments) row("td", [`${Math.round(m.at)} ms`, m.who, m.what]);
  return element;
}

function shape(parent, name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

// draw returns a timeline of the given width in pixels.
export function draw(result, verdict, {title, savesAlways, width}) {
  const end = Math.max(result.first.done, result.second.done) * 1.2; // room for what is there afterwards
  const x = (ms) => 8 + (ms / end) * (width - 16);
  const height = 3 * lane + 24;
  const svg = shape(document.createElement("div"), "svg",
    {class: "timeline", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": `t-${result.policy} d-${result.policy}`});
  shape(svg, "title", {id: `t-${result.policy}`}, `Timeline of the race under ${title}`);
  shape(svg, "desc", {id: `d-${result.policy}`},
    story(result, verdict, savesAlways).map((m) => `${Math.round(m.at)} ms: ${m.who} ${m.what}.`).join(" "));

  drawAxis(svg, end, x, height);
  const lost = loss(result, verdict.outcome);
  [result.first, result.second].forEach((r, i) => drawRequest(svg, r, {y: i * lane, x, width, savesAlways, lost}));
  drawSession(svg, result.seen, {y: 2 * lane, x, end, lost});
  return svg;
}

function drawAxis(svg, end, x, height) {
  const bottom = height - 18;
  for (let ms = 0; ms <= end; ms += 250) {
    shape(svg, "line", {class: "axis", x1: x(ms), x2: x(ms), y1: 0, y2: bottom});
    if (ms % 500 === 0) {
      shape(svg, "text", {class: "small", x: x(ms), y: height - 4, "text-anchor": ms ? "middle" : "start"}, seconds(ms));
    }
  }
}

function drawRequest(svg, r, {y, x, width, savesAlways, lost}) {
  const middle = y + 20 + bar / 2;
  shape(svg, "text", {x: 8, y: y + 13}, `${r.who}: ${r.servlet}`);
  if (r.waited > noWait) {
    shape(svg, "path", {class: "waiting", d: `M${x(r.sent)} ${middle}H${x(r.opened)}`});
  }
  const wide = Math.max(x(r.done) - x(r.opened), 3);
  shape(svg, "rect", {class: "holding", x: x(r.opened), y: y + 20, width: wide, height: bar, rx: 3});

  // The marks of a quick request would cover each other.
  const at = Math.max(x(r.done), x(r.opened) + 16);
  shape(svg, "circle", {class: "mark", cx: x(r.opened), cy: middle, r: 5});
  if (r.answer.status !== 200) {
    cross(svg, at, middle);
  } else if (r.answer.dirty || savesAlways) {
    shape(svg, "path", {class: lost?.other === r ? "harm" : "wrote", d: `M${at} ${middle - 8}l8 8-8 8-8-8z`});
  }
  let note = ending(r, savesAlways);
  if (lost?.loser === r) {
    cross(svg, x(lost.at), middle);
    note += ", and that is lost";
  }
  const place = notePlace(note.length * charWidth, x(r.opened) - 5, at + 8, width - 8);
  shape(svg, "text", {class: "small", y: y + 50, ...place}, note);
}

// notePlace puts a note below the end of a bar, or below its beginning if the note is longer than the bar.
function notePlace(length, from, to, limit) {
  if (length < to - from) return {x: to, "text-anchor": "end"};
  if (from + length < limit) return {x: from, "text-anchor": "start"};
  return {x: limit, "text-anchor": "end"};
}

function cross(svg, x, y) {
  shape(svg, "path", {class: "cross", d: `M${x - 6} ${y - 6}l12 12m0-12l-12 12`});
}

// drawSession shows what the session held, as it was seen after each request.
function drawSession(svg, seen, {y, x, end, lost}) {
  shape(svg, "text", {x: 8, y: y + 13}, "What the session holds");
  const lastSeen = seen.length - 1;
  const steps = seen.filter((s, i) => i === 0 || lost && i === lastSeen || list(s.values) !== list(seen[i - 1].values));
  steps.forEach((step, i) => {
    const from = x(step.at);
    const to = x(steps[i + 1]?.at ?? end);
    const last = i === steps.length - 1;
    const kind = i === 0 ? "" : last && lost ? " harmed" : " new";
    const text = list(step.values);
    shape(svg, "rect", {class: `stored${kind}`, x: from, y: y + 20, width: Math.max(to - from - 2, 1), height: 24, rx: 4});
    if (text.length * charWidth + 10 < to - from) {
      shape(svg, "text", {x: from + 6, y: y + 36}, text);
    } else if (last) {
      shape(svg, "text", {x: to - 6, y: y + 13, "text-anchor": "end"}, text);
    }
  });
}
