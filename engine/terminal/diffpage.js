"use strict";
// Each graph is moved and scaled by itself: its view is the part of the drawing that is shown.
function start(graph) {
  const box = graph.viewBox.baseVal, whole = { x: box.x, y: box.y, width: box.width, height: box.height };
  let view = { ...whole }, from = null, travelled = 0;
  function show() {
    graph.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
    // Seen from afar, marks stay wide enough to be seen.
    graph.style.setProperty("--wide", Math.max(3, 2.4 / graph.getScreenCTM().a));
  }
  show();
  addEventListener("resize", show);
  graph.addEventListener("wheel", event => {
    event.preventDefault();
    const factor = Math.exp(event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 0.01 : 0.0016));
    const width = Math.min(Math.max(view.width * factor, 60), whole.width * 6), real = width / view.width;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(graph.getScreenCTM().inverse());
    view = { x: at.x - (at.x - view.x) * real, y: at.y - (at.y - view.y) * real, width, height: view.height * real };
    show();
  }, { passive: false });
  graph.addEventListener("pointerdown", event => { if (!event.button) { from = event; travelled = 0; } });
  addEventListener("pointermove", event => {
    if (!from) return;
    const unit = 1 / graph.getScreenCTM().a, dx = event.clientX - from.clientX, dy = event.clientY - from.clientY;
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled > 4) graph.classList.add("moving");
    view.x -= dx * unit;
    view.y -= dy * unit;
    from = event;
    show();
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { from = null; graph.classList.remove("moving"); });
  function light(node) {
    for (const lit of graph.querySelectorAll(".lit")) lit.classList.remove("lit");
    graph.classList.toggle("focus", Boolean(node));
    view = { ...whole };
    show();
    if (!node) return;
    node.classList.add("lit");
    const to = graph.getScreenCTM().inverse(), at = node.getBoundingClientRect();
    const a = new DOMPoint(at.left, at.top).matrixTransform(to), b = new DOMPoint(at.right, at.bottom).matrixTransform(to);
    const width = Math.max((b.x - a.x) * 2.2, 900), height = Math.max((b.y - a.y) * 1.3, 500);
    view = { x: (a.x + b.x - width) / 2, y: (a.y + b.y - height) / 2, width, height };
    show();
  }
  graph.addEventListener("dblclick", () => light(null));
  return light;
}
const lights = new Map();
for (const name of ["before", "now"]) {
  const graph = document.querySelector(`#${name} svg.weft-graph`);
  // A node inside a subgraph has several ids, of which the drawing has the first; else the box around it is shown.
  const known = id => {
    for (let wanted = id; wanted; wanted = wanted.includes(":") ? wanted.slice(0, wanted.lastIndexOf(":")) : "") {
      const found = [...graph.querySelectorAll("[data-id]")].find(node => node.dataset.id === wanted);
      if (found) return found;
    }
    return null;
  };
  if (graph) {
    const light = start(graph);
    lights.set(name, id => light(id ? known(id) : null));
  }
}
const entries = [...document.querySelectorAll("nav button")];
function choose(entry) {
  for (const each of entries) each.classList.toggle("lit", each === entry);
  lights.get("before")?.(entry ? entry.dataset.old : "");
  lights.get("now")?.(entry ? entry.dataset.new : "");
}
for (const entry of entries) entry.addEventListener("click", () => choose(entry.classList.contains("lit") ? null : entry));
addEventListener("keydown", event => { if (event.key === "Escape") choose(null); });
// Of a large graph, all of it is too small to be read.
if (entries.length && document.querySelectorAll("[data-id]").length > 120) choose(entries[0]);
