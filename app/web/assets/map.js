import { aboutOf } from "./about.js";
import { bandsOf } from "./baton.js";
import { USERS } from "./graph.js";
import { inShort, isLeading } from "./group.js";
import { YOU, fits, joined, layOut } from "./layout.js";
import { allLinks, allTiers, bib, changes, healthOf, heldBy, isDescribed, machinesOf } from "./machines.js";
import { make } from "./make.js";
import { inLanguage, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const LAP_MS = 1100;
// More batons at once are a blur.
const BATONS = 3;

const place = document.getElementById("map");
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

let layout;
let svg;
let lastParts;
let runner = { name: null, fingerprint: null };

function shape(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Draw the map, and redraw it when its width or the machines change. */
export function startMap() {
  changes.addEventListener("machines", drawMap);
  changes.addEventListener("state", ({ detail }) => {
    drawState(detail.name);
    describe();
  });
  let width;
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width !== width) drawMap();
    width = contentRect.width;
  }).observe(place);
}

/** Redraw the map in the page's language. */
export function drawMap() {
  if (isDescribed() === undefined) return;
  if (!isDescribed()) return place.replaceChildren(make("p", "", t("noMap")));
  // The map's unit is 1/16 of the root font size, so that the map scales with the page's text.
  const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  layout = layOut(Math.max(300, place.clientWidth / unit), tiersInLanguage(), allLinks());
  svg = shape("svg", { viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-labelledby": "map-name map-text" });
  svg.append(shape("title", { id: "map-name" }, t("mapTitle")), shape("desc", { id: "map-text" }));
  svg.append(...layout.zones.map(({ x, y, w, h }) => shape("rect", { class: "zone", x, y, width: w, height: h, rx: 18 })));
  svg.append(shape("g", { class: "ways" }, ...Array.from(layout.curves, ([id, curve]) => shape("path", { "data-edge": id, d: joined([curve]) }))));
  svg.append(...layout.titles.map(title), ...[...layout.cards.values()].map(card), shape("g", { class: "batons" }));
  place.replaceChildren(svg);
  for (const name of layout.cards.keys()) drawState(name);
  drawRunner();
  if (lastParts) light(lastParts);
  describe();
}

function tiersInLanguage() {
  const tiers = allTiers().map(({ label, runs, ...tier }) => ({ ...tier, title: inLanguage(label), text: inLanguage(runs) }));
  return [...tiers, { name: USERS, title: t("you"), text: t("youRole"), machines: [{ name: YOU }] }];
}

function title({ title, lines, x, y }) {
  const name = shape("tspan", { class: "tier" }, title);
  const below = lines.map((line, n) => shape("tspan", { class: "role", x, dy: n ? 14 : 16 }, line));
  return shape("text", { class: "title", x, y: y + 14 }, name, ...below);
}

function card({ name, x, y, w, h }) {
  const isYou = name === YOU;
  const isSmall = h < 50;
  const numeral = isYou || !layout.isWide ? "" : bib(name);
  const left = numeral ? x + (isSmall ? 40 : 54) : x + w / 2;
  const middle = y + h / 2;
  const own = { class: isYou ? "card you" : "card", ...(!isYou && { "data-machine": name }), ...(!numeral && { "text-anchor": "middle" }) };
  return shape(
    "g",
    own,
    shape("rect", { x, y, width: w, height: h, rx: isYou ? h / 2 : 9 }),
    shape("text", { class: isSmall ? "bib small" : "bib", x: x + (isSmall ? 21 : 28), y: middle + (isSmall ? 7 : 11), "text-anchor": "middle" }, numeral),
    shape("text", { class: "name", x: left }, name),
    shape("text", { class: "sub", x: left, y: middle + 13 }),
  );
}

const find = (name) => svg?.querySelector(`[data-machine="${CSS.escape(name)}"]`);

// A second line moves the first one up.
function write(group, name, below = "") {
  const [first, second] = [".name", ".sub"].map((line) => group.querySelector(line));
  first.textContent = name;
  first.setAttribute("y", second.getAttribute("y") - (below ? 16 : 8));
  second.textContent = below;
}

const MARKS = { down: "✕", suspect: "?" };

// Outline, mark and text change as well: not everybody sees colours.
function drawState(name) {
  const group = find(name);
  if (!group) return;
  const { state, role } = healthOf(name);
  const held = heldBy(name);
  group.dataset.state = state;
  if (role) group.dataset.role = role;
  else delete group.dataset.role;
  if (held) group.dataset.holds = held.join(" ");
  if (layout.isWide) group.querySelector(".bib").textContent = MARKS[state] ?? bib(name);
  write(group, name, state in MARKS && role !== "apart" ? t(state) : below(name, held));
}

// Users know a frontend by the addresses that it holds. A role is followed by the machine's address if there is room.
function below(name, held) {
  if (held?.length) return inShort(held);
  const { address, w, h } = layout.cards.get(name);
  const about = aboutOf(name);
  if (!about || held) return about || address;
  const both = [about, address].filter(Boolean).join(" · ");
  return fits(both, layout.isWide ? w - (h < 50 ? 44 : 58) : w) ? both : about;
}

/** Show the user's name and session, or a visitor without one. */
export function setRunner(name, fingerprint) {
  runner = { name, fingerprint };
  if (svg) drawRunner();
}

function drawRunner() {
  svg.classList.toggle("empty-handed", !runner.fingerprint);
  write(svg.querySelector(".you"), runner.name ?? t("visitor"));
  svg.querySelector(".you .held")?.remove();
  if (!runner.fingerprint) return;
  const { x, y, w } = layout.cards.get(YOU);
  svg.querySelector(".you").append(shape("g", { class: "held", transform: `translate(${x + w - 20} ${y + 2}) rotate(-24)` }, baton()));
}

// Without a session there is no baton, only a dot.
function baton() {
  if (!runner.fingerprint) return shape("g", { class: "baton" }, shape("circle", { r: 6 }));
  const figure = shape("g", { class: "baton" }, shape("rect", { x: -19, y: -5.5, width: 38, height: 11, rx: 5.5 }));
  let x = -13;
  for (const width of bandsOf(runner.fingerprint)) {
    figure.append(shape("rect", { class: "band", x, y: -5.5, width: width * 0.6 + 0.3, height: 11 }));
    x += 3.4;
  }
  return figure;
}

/** Highlight the path of a request, and let the baton run along it. */
export function showLap(lap) {
  lastParts = partsOf(lap);
  if (!svg) return;
  light(lastParts);
  describe();
  if (!stillness.matches) run(lastParts);
}

function light(parts) {
  for (const element of svg.querySelectorAll("[data-lit]")) element.removeAttribute("data-lit");
  const legs = Object.values(parts).flat();
  for (const name of new Set(legs.flat())) find(name)?.setAttribute("data-lit", "");
  for (const leg of legs) {
    const way = svg.querySelector(`[data-edge="${CSS.escape(leg.join(">"))}"]`);
    way?.setAttribute("data-lit", "");
    way?.parentNode.append(way);
  }
}

// The parts of a request's path: to DNS, to the backend, and from there to the stores.
function partsOf({ askedDns, frontend, backend, stores }) {
  const to = (from, machines) => machines.map(({ name }) => [from, name]);
  return {
    lookup: askedDns ? to(YOU, machinesOf("dns")) : [],
    trunk: [frontend && [YOU, frontend], frontend && backend && [frontend, backend]].filter(Boolean),
    errands: frontend && backend ? stores.flatMap((tier) => to(backend, inUse(machinesOf(tier)))) : [],
  };
}

const inUse = (machines) => (machines.length > 1 ? machines.filter(({ name }) => isLeading(healthOf(name).role)) : machines);

function run(parts) {
  const batons = svg.querySelector(".batons");
  const path = joined(courseOf(parts));
  if (!path || batons.children.length >= BATONS) return;
  const figure = baton();
  figure.style.setProperty("offset-path", `path("${path}")`);
  batons.append(figure);
  const timing = { duration: parts.lookup.length ? LAP_MS * 1.4 : LAP_MS, easing: "cubic-bezier(.45,.05,.55,.95)" };
  figure.animate({ offsetDistance: ["0%", "100%"] }, timing).onfinish = () => figure.remove();
}

// To DNS and back, on to the backend, from there to each store and back, and home.
function courseOf({ lookup, trunk, errands }) {
  const back = (curve) => curve.toReversed();
  const curves = (legs) => legs.map((leg) => layout.curves.get(leg.join(">"))).filter(Boolean);
  const thereAndBack = (legs) => curves(legs).flatMap((curve) => [curve, back(curve)]);
  return [...thereAndBack(lookup.slice(0, 1)), ...curves(trunk), ...thereAndBack(errands), ...curves(trunk).map(back).reverse()];
}

/** Describe the map in words, for screen readers. */
function describe() {
  const text = svg?.querySelector("desc");
  if (!text) return;
  const names = (machines) => machines.map(({ name }) => name).join(", ");
  const described = ({ name }) => (aboutOf(name) ? `${name} (${aboutOf(name)})` : name);
  const isDown = ({ state, role }) => state === "down" && role !== "apart";
  const down = allTiers().flatMap(({ machines }) => machines).filter(({ name }) => isDown(healthOf(name)));
  const path = lastParts && inWords(lastParts);
  text.textContent = [
    ...allTiers().map(({ label, machines }) => `${inLanguage(label)}: ${machines.map(described).join(", ")}.`),
    ...(path ? [t("mapPath", { path })] : []),
    ...(down.length ? [t("mapStates", { names: names(down) })] : []),
  ].join(" ");
}

// Which of several DNS servers answered is not visible.
function inWords({ lookup, trunk, errands }) {
  const ends = (legs) => legs.map(([, to]) => to);
  return [t("you"), ends(lookup).join(" / "), ...ends([...trunk, ...errands])].filter(Boolean).join(" → ");
}
