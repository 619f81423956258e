"use strict";
// A large drawing is packed: text of a gzip file, in base64.
async function unpacked() {
  const packed = document.getElementById("packed");
  if (packed) {
    const bytes = Uint8Array.from(atob(packed.textContent), letter => letter.charCodeAt(0));
    const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    packed.insertAdjacentHTML("afterend", text);
    packed.remove();
  }
  start(document.querySelector("svg.weft-graph"));
}
function start(graph) {
const tip = document.getElementById("tip"), find = document.getElementById("find");
const box = graph.viewBox.baseVal, whole = { x: box.x, y: box.y, width: box.width, height: box.height };
let view = { ...whole };

// Moving and scaling: the view is the part of the drawing that is shown.
function show() {
  graph.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  // Seen from afar, links stay wide enough to be seen.
  graph.style.setProperty("--wide", Math.max(2.5, 1.1 / graph.getScreenCTM().a));
}
function scaled(factor, clientX, clientY) {
  const width = Math.min(Math.max(view.width / factor, 60), whole.width * 6), real = view.width / width;
  const at = new DOMPoint(clientX, clientY).matrixTransform(graph.getScreenCTM().inverse());
  view = { x: at.x - (at.x - view.x) / real, y: at.y - (at.y - view.y) / real, width, height: view.height / real };
  show();
}
function moved(dx, dy) {
  const unit = 1 / graph.getScreenCTM().a;
  view.x -= dx * unit;
  view.y -= dy * unit;
  show();
}
function fit(element) {
  view = { ...whole };
  show();
  if (!element) return;
  const to = graph.getScreenCTM().inverse(), at = element.getBoundingClientRect();
  const a = new DOMPoint(at.left, at.top).matrixTransform(to), b = new DOMPoint(at.right, at.bottom).matrixTransform(to);
  const edge = Math.max(40, (b.x - a.x) * 0.05), width = Math.max(b.x - a.x, 500) + 2 * edge, height = b.y - a.y + 2 * edge;
  view = { x: (a.x + b.x - width) / 2, y: a.y - edge, width, height };
  show();
}
show();
const middle = () => { const at = graph.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; };
graph.addEventListener("wheel", event => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  scaled(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX, event.clientY);
}, { passive: false });

const fingers = new Map();
let travelled = 0;
graph.addEventListener("pointerdown", event => {
  if (event.button) return;
  if (!fingers.size) travelled = 0;
  fingers.set(event.pointerId, event);
});
addEventListener("pointermove", event => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  travelled += Math.abs(dx) + Math.abs(dy);
  fingers.set(event.pointerId, event);
  if (fingers.size === 1) {
    if (travelled > 4) graph.classList.add("moving");
    moved(dx, dy);
  } else if (fingers.size === 2) {
    const [one, other] = [...fingers.values()], old = event.pointerId === one.pointerId ? [before, other] : [one, before];
    const apart = (a, b) => Math.max(Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), 1);
    moved(dx / 2, dy / 2);
    scaled(apart(one, other) / apart(...old), (one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2);
  }
});
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, event => {
  fingers.delete(event.pointerId);
  if (!fingers.size) graph.classList.remove("moving");
});

// What belongs together.
const nodes = new Map([...graph.querySelectorAll("[data-id]")].map(node => [node.dataset.id, node]));
const links = [...graph.querySelectorAll(".link")].map(element => {
  const owner = end => end.slice(0, end.lastIndexOf("."));
  return { element, from: owner(element.dataset.from), to: owner(element.dataset.to) };
});
function light(elements) {
  for (const lit of graph.querySelectorAll(".lit")) lit.classList.remove("lit");
  graph.classList.toggle("focus", elements.length > 0);
  for (const element of elements) element.classList.add("lit");
}
graph.addEventListener("click", event => {
  if (travelled > 4) return;
  const node = event.target.closest(".node"), link = links.find(each => each.element === event.target);
  if (!node && !link) return light([]);
  if (node?.classList.contains("lit") && graph.dataset.lit === node.dataset.id) { delete graph.dataset.lit; return light([]); }
  graph.dataset.lit = node ? node.dataset.id : "";
  const near = node ? links.filter(each => each.from === node.dataset.id || each.to === node.dataset.id) : [link];
  light([...new Set([node, ...near.flatMap(each => [each.element, nodes.get(each.from), nodes.get(each.to)])])].filter(Boolean));
});
graph.addEventListener("dblclick", event => {
  const inset = event.target.closest(".node")?.dataset.inset;
  fit(inset ? graph.querySelector(`.inset[data-inset="${inset}"]`) : event.target.closest(".node, .inset"));
});

// Whole values. The browser's own tooltips come late and cannot be styled.
for (const title of graph.querySelectorAll("title")) {
  title.parentNode.tip = title.textContent;
  title.remove();
}
for (const { element, from, to } of links) {
  const type = [...element.classList].find(name => name.startsWith("t-"));
  const name = id => nodes.get(id)?.querySelector(".h")?.textContent ?? id;
  element.tip = `${type ? type.slice(2) + ": " : ""}${name(from)} → ${name(to)}`;
}
graph.addEventListener("pointermove", event => {
  let at = event.target;
  while (at && at !== graph && !at.tip) at = at.parentNode;
  const said = fingers.size || !at?.tip ? "" : at.tip;
  tip.style.display = said ? "block" : "none";
  if (!said) return;
  tip.textContent = said;
  const right = event.clientX + 16 + tip.offsetWidth > innerWidth, low = event.clientY + 18 + tip.offsetHeight > innerHeight;
  tip.style.left = `${right ? Math.max(event.clientX - 12 - tip.offsetWidth, 4) : event.clientX + 16}px`;
  tip.style.top = `${low ? Math.max(event.clientY - 12 - tip.offsetHeight, 4) : event.clientY + 18}px`;
});
graph.addEventListener("pointerleave", () => { tip.style.display = "none"; });

// Finding, buttons, keys.
let found = [], at = 0;
function look() {
  const wanted = find.value.trim().toLowerCase(), said = node => `${node.tip ?? ""} ${node.textContent}`.toLowerCase();
  found = wanted ? [...nodes.values()].filter(node => said(node).includes(wanted)) : [];
  at = 0;
  light(found);
}
find.addEventListener("input", look);
find.addEventListener("keydown", event => {
  if (event.key === "Enter" && found.length) fit(found[at++ % found.length]);
});
const acts = {
  fit: () => fit(), in: () => scaled(1.25, ...middle()), out: () => scaled(0.8, ...middle()),
};
for (const [name, act] of Object.entries(acts)) document.getElementById(name).addEventListener("click", act);
const keys = {
  f: acts.fit, 0: acts.fit, "+": acts.in, "=": acts.in, "-": acts.out, "/": () => find.focus(),
  ArrowLeft: () => moved(80, 0), ArrowRight: () => moved(-80, 0), ArrowUp: () => moved(0, 80), ArrowDown: () => moved(0, -80),
};
addEventListener("keydown", event => {
  if (event.key === "Escape") { find.value = ""; find.blur(); return light([]); }
  if (event.target === find || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
}
unpacked();
