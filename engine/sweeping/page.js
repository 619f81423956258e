const sweep = JSON.parse(document.getElementById("sweep").textContent);
const chosen = sweep.axes.map((axis) => new Set(axis.labels.keys()));
const columns = [...new Set(sweep.cells.flatMap((cell) => Object.keys(cell.parameters)))];
const sorts = {
  "as asked for": (cell) => cell.number,
  ...Object.fromEntries(columns.map((name) => [name, (cell) => cell.parameters[name]])),
  seconds: (cell) => cell.seconds,
  status: (cell) => cell.status,
};
let order = "as asked for", descending = false, words = "", visible = [];

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function told(value) { return typeof value === "string" ? value : JSON.stringify(value); }

function caption(cell) {
  const said = sweep.axes.map((axis, place) => axis.labels[cell.at[place]]);
  return cell.filename && !said.includes(cell.filename) ? [cell.filename, ...said].join(", ") : said.join(", ");
}

function pictures(cell) {
  const box = make("div", { className: "pictures" });
  for (const [place] of cell.pictures) {
    box.append(make("img", { src: sweep.pictures[place], alt: caption(cell), decoding: "async" }));
  }
  return cell.pictures.length ? box
    : make("div", { className: "none" }, cell.status === "failed" ? "failed" : cell.status === "done" ? "no picture" : "not run");
}

const cards = sweep.cells.map((cell) => {
  const note = cell.error ? [make("div", { className: "bad" }, cell.error)] : [];
  const card = make("figure", { tabIndex: 0 }, pictures(cell), make("figcaption", {}, caption(cell), ...note));
  card.addEventListener("click", () => enlarge(cell));
  card.addEventListener("keydown", (event) => { if (event.key === "Enter") enlarge(cell); });
  return card;
});
const text = sweep.cells.map((cell) =>
  [caption(cell), ...Object.entries(cell.parameters).flat().map(told), ...cell.files, cell.error].join(" ").toLowerCase());

function compare(one, other) {
  const [a, b] = [sorts[order](one), sorts[order](other)];
  const way = typeof a === "number" && typeof b === "number" ? a - b
    : String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
  return (descending ? -way : way) || one.number - other.number;
}

function show() {
  visible = sweep.cells.filter((cell, number) =>
    cell.at.every((at, place) => chosen[place].has(at)) && words.split(/\s+/).every((word) => text[number].includes(word)));
  visible.sort(compare);
  document.getElementById("cells").replaceChildren(...visible.map((cell) => cards[cell.number - 1]));
  document.getElementById("count").textContent = visible.length;
}

function filter(axis, place) {
  const boxes = axis.labels.map((label, at) => {
    const box = make("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => { chosen[place][box.checked ? "add" : "delete"](at); narrowed(); });
    return { box, row: make("label", {}, box, label) };
  });
  const every = (checked) => () => {
    boxes.forEach(({ box }, at) => { box.checked = checked; chosen[place][checked ? "add" : "delete"](at); });
    narrowed();
  };
  const all = make("button", { type: "button", onclick: every(true) }, "all");
  const none = make("button", { type: "button", onclick: every(false) }, "none");
  const details = make("details", {}, make("summary", {}, axis.name), make("div", {}, all, " ", none, ...boxes.map((each) => each.row)));
  function narrowed() { details.classList.toggle("narrowed", chosen[place].size < axis.labels.length); show(); }
  return details;
}

function enlarge(cell) {
  const dialog = document.getElementById("large");
  const rows = { cell: cell.number, ...cell.parameters, ...Object.fromEntries(Object.entries(cell.seeds).map(([name, seed]) => [`seed ${name}`, seed])),
    seconds: cell.cached ? `${cell.seconds} (reused)` : cell.seconds, ...(cell.place && { from: cell.place }), ...(cell.error && { error: cell.error }) };
  const table = make("table", {}, ...Object.entries(rows).map(([name, value]) => make("tr", {}, make("td", {}, name), make("td", {}, told(value)))));
  const links = cell.pictures.filter(([, address]) => address).map(([, address]) => make("a", { href: address }, decodeURIComponent(address)));
  const step = (by) => () => { const next = visible[visible.indexOf(cell) + by]; if (next) enlarge(next); };
  dialog.replaceChildren(
    ...cell.pictures.map(([place]) => make("img", { src: sweep.pictures[place], alt: caption(cell) })), table,
    make("p", {}, ...links.flatMap((link) => [link, " "])),
    make("nav", {}, make("button", { onclick: step(-1) }, "previous"), make("button", { onclick: () => dialog.close() }, "close"),
      make("button", { onclick: step(1) }, "next")));
  dialog.onkeydown = (event) => { if (event.key === "ArrowLeft") step(-1)(); if (event.key === "ArrowRight") step(1)(); };
  if (!dialog.open) dialog.showModal();
}

const sort = make("select", {}, ...Object.keys(sorts).map((name) => make("option", {}, name)));
sort.addEventListener("change", () => { order = sort.value; show(); });
const turn = make("button", { type: "button" }, "↑");
turn.addEventListener("click", () => { descending = !descending; turn.textContent = descending ? "↓" : "↑"; show(); });
const search = make("input", { type: "search", placeholder: "search" });
search.addEventListener("input", () => { words = search.value.trim().toLowerCase(); show(); });
const size = make("input", { type: "range", min: 80, max: 600, value: 200 });
size.addEventListener("input", () => document.documentElement.style.setProperty("--side", `${size.value}px`));
document.getElementById("controls").append(
  ...sweep.axes.map(filter), make("label", {}, "sort by", sort, turn), search, make("label", {}, "size", size));
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details[open]")) if (!open.contains(event.target)) open.open = false;
});
show();
