// Draws when the server made the pictures and frames, once all of them are here.

const svgns = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const e = document.createElementNS(svgns, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
}

function draw(parts) {
  const row = 17, left = 78, width = 640, right = 12;
  const end = Math.max(...parts.map((p) => p.end));
  const start = Math.min(...parts.map((p) => p.begin));
  const step = [50, 100, 200, 500, 1000, 2000, 5000].find((s) => (end - start) / s <= 7) ?? 10000;
  const height = parts.length * row + 24;
  const x = (t) => left + ((t - start) / Math.max(end - start, 1)) * (width - left - right);
  const svg = element("svg", {viewBox: `0 0 ${width} ${height}`, role: "img"});
  svg.append(element("title", {}, `${parts.length} requests, made within ${end - start} milliseconds`));
  for (let t = 0; t <= end - start; t += step) {
    svg.append(element("line", {class: "axis", x1: x(t + start), x2: x(t + start), y1: 0, y2: height - 20}));
    svg.append(element("text", {class: "scale", x: x(t + start), y: height - 5, "text-anchor": t === 0 ? "start" : "middle"}, `${t} ms`));
  }
  parts.sort((a, b) => a.begin - b.begin || a.work - b.work).forEach((p, i) => {
    const y = i * row + 3;
    svg.append(element("text", {x: 0, y: y + 10}, p.name));
    svg.append(element("rect", {class: "wait", x: x(p.begin), y, width: Math.max(x(p.work) - x(p.begin), 0), height: row - 5, rx: 2}));
    svg.append(element("rect", {class: "work", x: x(p.work), y, width: Math.max(x(p.end) - x(p.work), 1), height: row - 5, rx: 2}));
  });
  return svg;
}

function busiest(parts) {
  const at = (t) => parts.filter((p) => p.work <= t && t < p.end).length;
  return Math.max(...parts.map((p) => at(p.work)));
}

async function tell() {
  const response = await fetch("times");
  if (!response.ok) throw new Error(`the times: ${response.status}`);
  const {views, seen, expected, parts} = await response.json();
  const counter = document.querySelector("#counter");
  if (parts === null || parts.length === 0) {
    counter.textContent = "Your browser sends no cookies, so there is no session.";
    return;
  }
  const took = Math.max(...parts.map((p) => p.end)) - Math.min(...parts.map((p) => p.begin));
  const work = parts.reduce((sum, p) => sum + p.end - p.work, 0);
  counter.textContent = `This is view ${views}. The session has counted ${seen} of ${expected} pictures and frames. ` +
    `${parts.length} requests did ${work} ms of work within ${took} ms; ` +
    (busiest(parts) > 1 ? `up to ${busiest(parts)} were at work at the same moment.` : "they worked one at a time.");
  counter.dataset.took = took;
  counter.dataset.busiest = busiest(parts);
  const figure = document.querySelector("#timing");
  figure.querySelector(".scroll").append(draw(parts));
  figure.hidden = false;
}

if (document.readyState === "complete") tell();
else addEventListener("load", tell, {once: true});
