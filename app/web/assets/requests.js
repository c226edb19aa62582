import { machinesOf } from "./machines.js";
import { make } from "./make.js";
import { clock, t } from "./words.js";

const SHOWN = 12;

const table = document.getElementById("requests");
const [body] = table.tBodies;
const laps = [];
let count = 0;

// On a phone the rows do not look like a table; the roles keep it one for screen readers.
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader" };
for (const [tag, role] of Object.entries(ROLES)) {
  for (const element of document.querySelectorAll(tag)) element.role = role;
}

/** Add a request at the top of the list, and drop the oldest one. */
export function list(lap) {
  laps.unshift(lap);
  laps.length = Math.min(laps.length, SHOWN);
  body.prepend(row(lap));
  while (body.rows.length > SHOWN) body.lastElementChild.remove();
  document.getElementById("no-requests").hidden = true;
  table.dataset.count = ++count;
}

/** Redraw the list in the page's language. */
export function drawList() {
  body.replaceChildren(...laps.map(row));
}

function row(lap) {
  const line = make(
    "tr",
    "",
    cell("time", clock(lap.time)),
    cell("path", lap.path),
    cell("frontend", lane("frontends", lap.frontend), lap.frontend ?? "–"),
    cell("backend", lane("backends", lap.backend), lap.backend ?? "–"),
    cell("connection", ...way(lap)),
    cell("ms number", lap.status ? lap.ms : "–"),
    cell("status number", lap.status ?? "-"),
  );
  line.role = "row";
  Object.assign(line.dataset, { frontend: lap.frontend ?? "", backend: lap.backend ?? "", status: lap.status ?? "-" });
  return line;
}

function cell(className, ...children) {
  const element = make("td", className, ...children);
  element.role = "cell";
  return element;
}

function way({ isNew, askedDns }) {
  if (isNew === null) return ["–"];
  const kind = isNew ? "new" : "kept";
  const word = make("span", kind, t(kind));
  return askedDns ? [word, " + DNS"] : [word];
}

// One dot for each machine of the tier; row by row they draw the race.
function lane(tier, name) {
  const dots = make("span", "dots", ...machinesOf(tier).map((machine) => make("i", machine.name === name ? "on" : "")));
  dots.ariaHidden = "true";
  return dots;
}
