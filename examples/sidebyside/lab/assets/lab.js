// Connects the page with the races.

import {judge, run} from "./race.js";
import {draw, story, table} from "./timeline.js";

const sections = [...document.querySelectorAll(".policy")];
const buttons = [...document.querySelectorAll("button")];
const status = document.getElementById("status");
const shown = new Map(); // section: what it shows

// race runs one policy's race and shows it.
async function race(section) {
  const {policy, title} = section.dataset;
  const savesAlways = "savesAlways" in section.dataset;
  const name = document.querySelector("input[name=race]:checked").value;
  status.textContent = `Running the race under ${title} …`;
  try {
    const result = await run(policy, name);
    const verdict = judge(result);
    shown.set(section, {result, verdict, options: {title, savesAlways}});
    show(section);
  } catch (error) {
    clear(section);
    say(section, "failed", `The race could not be run: ${error.message}`);
  }
}

function show(section) {
  const {result, verdict, options} = shown.get(section);
  section.querySelector("figure").hidden = false;
  section.querySelector(".scroll").replaceChildren(table(story(result, verdict, options.savesAlways)));
  picture(section);
  say(section, verdict.outcome, verdict.words);
}

// picture draws for the width that there is.
function picture(section) {
  const place = section.querySelector(".picture");
  const {result, verdict, options} = shown.get(section);
  place.replaceChildren(draw(result, verdict, {...options, width: place.clientWidth}));
}

function say(section, outcome, words) {
  const verdict = section.querySelector(".verdict");
  verdict.className = `verdict ${outcome}`;
  verdict.textContent = words;
}

function clear(section) {
  shown.delete(section);
  section.querySelector("figure").hidden = true;
  say(section, "", "");
}

// runAll runs races one after the other, because browsers open few connections to a host.
async function runAll(list) {
  buttons.forEach((b) => { b.disabled = true; });
  list.forEach(clear);
  for (const section of list) await race(section);
  status.textContent = "";
  buttons.forEach((b) => { b.disabled = false; });
}

document.getElementById("all").addEventListener("click", () => runAll(sections));
for (const section of sections) {
  section.querySelector(".run").addEventListener("click", () => runAll([section]));
}
for (const input of document.querySelectorAll("input[name=race]")) {
  input.addEventListener("change", () => sections.forEach(clear));
}

let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  for (const section of shown.keys()) picture(section);
});
