import { aboutOf } from "./about.js";
import { isBesideUsers } from "./graph.js";
import { allLinks, allTiers, bib, changes, healthOf, machinesOf } from "./machines.js";
import { make } from "./make.js";
import { inLanguage, t } from "./words.js";

const place = document.getElementById("share");
const counts = new Map();
// The headers of an answer name its machines in these tiers.
const COUNTED = ["frontends", "backends"];

/** Show every machine with its health and its share, from now on. */
export function startShare() {
  changes.addEventListener("machines", drawShare);
  changes.addEventListener("state", ({ detail }) => drawHealth(detail.name));
}

/** Count one answer for its frontend and its backend. */
export function count({ frontend, backend }) {
  for (const name of [frontend, backend]) if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const tier of COUNTED) drawCounts(tier);
}

/** Redraw the list in the page's language. It has no DNS servers: the page cannot see lookups. */
export function drawShare() {
  const tiers = allTiers().filter(({ name, machines }) => machines.length && !isBesideUsers(name, allLinks()));
  place.replaceChildren(...tiers.map(group));
  for (const { machines } of tiers) for (const { name } of machines) drawHealth(name);
  for (const tier of COUNTED) drawCounts(tier);
}

function group({ name, label, machines }) {
  const isCounted = COUNTED.includes(name);
  const rows = machines.map((machine) => row(machine.name, isCounted));
  return make("div", isCounted ? "lanes counted" : "lanes", make("h3", "", inLanguage(label)), make("ul", "", ...rows));
}

function row(name, counted) {
  const number = make("span", "bib", bib(name));
  number.ariaHidden = "true";
  const item = make("li", "", number, make("span", "name", name), make("span", "state"));
  item.dataset.name = name;
  if (!counted) return item;
  const times = make("span", "count");
  times.dataset.share = name;
  item.append(make("span", "lane", make("span", "run")), make("span", "tally", times, " ", make("span", "percent")));
  return item;
}

const find = (name) => place.querySelector(`[data-name="${CSS.escape(name)}"]`);

function drawHealth(name) {
  const item = find(name);
  if (!item) return;
  const { state, ms, role } = healthOf(name);
  const isTimed = state === "up" && Number.isFinite(ms);
  const parts = [aboutOf(name), role !== "apart" && t(state), isTimed && `${ms} ms`];
  item.dataset.state = state;
  item.querySelector(".state").textContent = parts.filter(Boolean).join(", ");
}

function drawCounts(tier) {
  const values = machinesOf(tier).map(({ name }) => counts.get(name) ?? 0);
  const [total, most] = [values.reduce((sum, value) => sum + value, 0), Math.max(...values)];
  machinesOf(tier).forEach(({ name }, index) => {
    const item = find(name);
    if (!item) return;
    item.querySelector(".count").textContent = values[index];
    item.querySelector(".percent").textContent = total ? `${Math.round((100 * values[index]) / total)} %` : "";
    item.querySelector(".run").style.setProperty("--run", most ? values[index] / most : 0);
  });
}
