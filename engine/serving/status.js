"use strict";
// The page asks the server for its state again and again: it sees the prompts of all clients, and comes back by itself.
const $ = (id) => document.getElementById(id);
const api = (path, body) => fetch(path, body === undefined ? {} : {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});
const QUICK = 500, SLOW = 2000, LEGIBLE = 0.4;
let drawn = "", ended = "", previewed = "", followed = "";

const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const seconds = (value) => {
  const whole = Math.max(0, Math.round(value));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
};
const size = (bytes) => bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB`
  : bytes < 1 << 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
const short = (promptId) => promptId.slice(0, 8);
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const address = (file) => "view?" + new URLSearchParams({ filename: file.filename, subfolder: file.subfolder || "", type: file.type || "output" });
const isPicture = (file) => /\.(png|jpe?g|webp|gif|avif)$/i.test(file.filename);
const empty = (list, none) => { list.parentElement.querySelector(".empty").hidden = !none; };

function bar(element, part, text) {
  element.hidden = text === "";
  element.querySelector("i").style.width = `${100 * Math.min(1, Math.max(0, part || 0))}%`;
  element.querySelector("span").textContent = text;
}

async function draw(promptId) {
  drawn = promptId;
  followed = "";
  const answer = await api(`weft/drawing/${encodeURIComponent(promptId)}`);
  if (drawn !== promptId) return;
  $("graph").replaceChildren();
  if (!answer.ok) return;
  const svg = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  if (svg.nodeName !== "svg") return;
  svg.style.minWidth = `${Math.round(LEGIBLE * svg.getAttribute("width"))}px`;
  $("graph").append(document.importNode(svg, true));
}

function mark(nodes) {
  // A node inside of a subgraph or of an expansion shows at the box that holds it, too.
  const states = {}, rank = { done: 1, runs: 2, failed: 3 };
  const say = (id, state) => { if (!(rank[states[id]] >= rank[state])) states[id] = state; };
  for (const [id, node] of Object.entries(nodes)) {
    const state = { running: "runs", finished: "done", error: "failed" }[node.state];
    for (const place of [id, node.shown, id.split(":").pop(), id.split(":")[0]]) if (state && place) say(place, state);
  }
  for (const element of $("graph").querySelectorAll(".node[data-id]")) {
    element.classList.remove("waits", "runs", "done", "failed");
    element.classList.add(states[element.dataset.id] || "waits");
  }
  const graph = $("graph"), busy = graph.querySelector(".node.runs");
  if (!busy || busy.dataset.id === followed) return;
  followed = busy.dataset.id;
  const box = busy.getBoundingClientRect(), view = graph.getBoundingClientRect();
  graph.scrollBy(box.x + box.width / 2 - view.x - view.width / 2, box.y + box.height / 2 - view.y - view.height / 2);
}

function running(job, now) {
  const section = $("running");
  section.querySelector(".empty").hidden = job !== null;
  section.querySelector(".job").hidden = job === null;
  if (job === null) { drawn = ""; previewed = ""; $("graph").replaceChildren(); return; }
  if (drawn !== job.prompt_id) draw(job.prompt_id);
  $("name").textContent = `${short(job.prompt_id)}: ${job.current || "is being planned"}`;
  $("time").textContent = seconds(now - job.started);
  $("stop").onclick = () => api("interrupt", { prompt_id: job.prompt_id }).then(soon);
  const nodes = Object.values(job.nodes), done = nodes.filter((node) => node.state === "finished").length;
  bar($("nodes-bar"), done / job.total, `${done} of ${count(job.total, "node")}`);
  const busy = nodes.filter((node) => node.state === "running" && node.max > 1).pop();
  bar($("step-bar"), busy && busy.value / busy.max, busy ? `step ${Math.round(busy.value)} of ${Math.round(busy.max)}` : "");
  const preview = job.preview ? `weft/preview/${encodeURIComponent(job.prompt_id)}?n=${job.preview}` : "";
  if (preview !== previewed) { previewed = preview; if (preview) $("preview").src = preview; }
  $("preview").hidden = !preview;
  mark(job.nodes);
}

function waiting(jobs, now) {
  document.querySelector("#waiting-title small").textContent = jobs.length ? jobs.length : "";
  empty($("waiting"), !jobs.length);
  $("waiting").replaceChildren(...jobs.slice(0, 50).map((job) => {
    const item = make("li"), line = make("div", undefined, "line"), button = make("button", "Remove");
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${short(job.prompt_id)}`);
    button.onclick = () => api("queue", { delete: [job.prompt_id] }).then(soon);
    line.append(make("span", `${short(job.prompt_id)}, ${count(job.nodes, "node")}, since ${seconds(now - job.created)}`), button);
    item.append(line);
    return item;
  }));
  if (jobs.length > 50) $("waiting").append(make("li", `and ${jobs.length - 50} more`, "dim"));
}

function results(jobs) {
  const text = JSON.stringify(jobs);
  empty($("ended"), !jobs.length);
  if (text === ended) return;
  ended = text;
  $("ended").replaceChildren(...jobs.map((job) => {
    const item = make("li"), line = make("div", undefined, "line"), said = make("span", `${short(job.prompt_id)} `);
    said.append(make("span", job.status, job.status === "success" ? "dim" : "bad"), ` after ${seconds(job.ended - job.started)}`);
    line.append(said);
    const workflow = make("a", "workflow");
    workflow.href = `weft/workflow/${encodeURIComponent(job.prompt_id)}`;
    const drawing = make("a", "drawing");
    drawing.href = `weft/drawing/${encodeURIComponent(job.prompt_id)}`;
    line.append(workflow, drawing);
    item.append(line);
    if (job.message) item.append(make("div", job.message, "bad"));
    const pictures = make("div", undefined, "pictures");
    for (const file of job.files) {
      const link = make("a", undefined, isPicture(file) ? "" : "file");
      link.href = address(file);
      if (isPicture(file)) {
        const picture = make("img");
        picture.loading = "lazy";
        picture.alt = file.filename;
        picture.src = `${address(file)}&preview=webp;70`;
        link.append(picture);
      } else link.textContent = file.filename;
      pictures.append(link);
    }
    if (job.files.length) item.append(pictures);
    return item;
  }));
}

function facts(state) {
  $("facts").textContent = `${state.version} on ${state.device}, up ${seconds(state.now - state.started)}, ${count(state.clients, "client")}`;
  $("memory").replaceChildren(...state.memory.flatMap(([name, bytes, most]) =>
    [make("dt", name), make("dd", most ? `${size(bytes)} of ${size(most)}` : size(bytes))]));
}

let timer = 0;
function soon() { clearTimeout(timer); timer = setTimeout(look, 0); }
async function look() {
  let wait = SLOW;
  try {
    const answer = await api("weft/state");
    if (!answer.ok) throw new Error(answer.status === 401 ? "a token is needed: open /weft?token=..." : `the server says ${answer.status}`);
    const state = await answer.json();
    $("link").textContent = "";
    $("link").className = "";
    facts(state);
    running(state.running, state.now);
    waiting(state.waiting, state.now);
    results(state.ended);
    wait = state.running || state.waiting.length ? QUICK : SLOW;
  } catch (error) {
    $("link").textContent = error instanceof TypeError ? "no connection" : error.message;
    $("link").className = "lost";
  }
  clearTimeout(timer);
  timer = setTimeout(look, document.hidden ? 4 * wait : wait);
}
$("free").onclick = () => api("free", { unload_models: true, free_memory: true }).then(soon);
document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
look();
