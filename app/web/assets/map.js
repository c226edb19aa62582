import { bandsOf } from "./baton.js";
import { YOU, joined, layOut } from "./layout.js";
import { TIERS, bib, changes, healthOf, isDescribed, machinesOf } from "./machines.js";
import { t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const LAP_MS = 1100;
// More than these on the way at once are a blur.
const BATONS = 3;

const place = document.getElementById("map");
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

let layout;
let svg;
let lastLap;
let runner = { name: null, fingerprint: null };

function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Draw the map, and draw it again when it gets another width or other machines. */
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

/** Draw everything anew, in the page's language. */
export function drawMap() {
  if (!isDescribed()) return place.replaceChildren(sentence(t("noMap")));
  // The map's unit is a sixteenth of the root's type size: what the page's type does, the map's does as well.
  const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  layout = layOut(Math.max(300, place.clientWidth / unit));
  svg = make("svg", { viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-labelledby": "map-name map-text" });
  svg.append(make("title", { id: "map-name" }, t("mapTitle")), make("desc", { id: "map-text" }));
  svg.append(...layout.zones.map(({ x, y, w, h }) => make("rect", { class: "zone", x, y, width: w, height: h, rx: 18 })));
  svg.append(make("g", { class: "ways" }, ...Array.from(layout.curves, ([id, curve]) => make("path", { "data-edge": id, d: joined([curve]) }))));
  svg.append(...layout.titles.map(title), ...[...layout.cards.values()].map(card), make("g", { class: "batons" }));
  place.replaceChildren(svg);
  for (const name of layout.cards.keys()) drawState(name);
  drawRunner();
  if (lastLap) light(lastLap);
  describe();
}

function sentence(text) {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  return paragraph;
}

function title({ tier, x, y }) {
  const name = make("tspan", { class: "tier" }, t(tier));
  const role = make("tspan", { class: "role", x, dy: 16 }, t(`${tier}Role`));
  return make("text", { class: "title", x, y: y + 14 }, name, role);
}

function card({ name, x, y, w, h }) {
  const isYou = name === YOU;
  const numeral = isYou || !layout.isWide ? "" : bib(name);
  const left = numeral ? x + (h < 50 ? 40 : 54) : x + w / 2;
  const baseline = y + h / 2;
  const own = { class: isYou ? "card you" : "card", ...(!isYou && { "data-machine": name }), ...(!numeral && { "text-anchor": "middle" }) };
  return make(
    "g",
    own,
    make("rect", { x, y, width: w, height: h, rx: isYou ? h / 2 : 9 }),
    make("text", { class: h < 50 ? "bib small" : "bib", x: x + (h < 50 ? 21 : 28), y: baseline + (h < 50 ? 7 : 11), "text-anchor": "middle" }, numeral),
    make("text", { class: "name", x: left, y: baseline - 3 }, isYou ? t("you") : name),
    make("text", { class: "sub", x: left, y: baseline + 13 }),
  );
}

const find = (name) => svg?.querySelector(`[data-machine="${CSS.escape(name)}"]`);

const MARKS = { down: "✕", suspect: "?" };

// The shape, the mark and the words change as well: colour alone tells nobody anything.
function drawState(name) {
  const group = find(name);
  if (!group) return;
  const { state } = healthOf(name);
  group.dataset.state = state;
  if (layout.isWide) group.querySelector(".bib").textContent = MARKS[state] ?? bib(name);
  group.querySelector(".sub").textContent = state in MARKS ? t(state) : (layout.cards.get(name).address ?? "");
}

/** Show who runs: the user's name and session, or nobody's. */
export function setRunner(name, fingerprint) {
  runner = { name, fingerprint };
  if (svg) drawRunner();
}

function drawRunner() {
  svg.classList.toggle("empty-handed", !runner.fingerprint);
  svg.querySelector(".you .sub").textContent = runner.name ?? t("visitor");
  svg.querySelector(".you .held")?.remove();
  if (!runner.fingerprint) return;
  const { x, y, w } = layout.cards.get(YOU);
  svg.querySelector(".you").append(make("g", { class: "held", transform: `translate(${x + w - 20} ${y + 2}) rotate(-24)` }, baton()));
}

// Who has no session has no baton to carry.
function baton() {
  if (!runner.fingerprint) return make("g", { class: "baton" }, make("circle", { r: 6 }));
  const shape = make("g", { class: "baton" }, make("rect", { x: -19, y: -5.5, width: 38, height: 11, rx: 5.5 }));
  let x = -13;
  for (const width of bandsOf(runner.fingerprint)) {
    shape.append(make("rect", { class: "band", x, y: -5.5, width: width * 0.6 + 0.3, height: 11 }));
    x += 3.4;
  }
  return shape;
}

/** Light the way of a request, and let the baton run along it. */
export function showLap(lap) {
  lastLap = lap;
  if (!svg) return;
  light(lap);
  describe();
  if (!stillness.matches) run(lap);
}

function light(lap) {
  for (const element of svg.querySelectorAll("[data-lit]")) element.removeAttribute("data-lit");
  const legs = Object.values(legsOf(lap)).flat();
  for (const name of new Set(legs.flat())) find(name)?.setAttribute("data-lit", "");
  for (const leg of legs) {
    const way = svg.querySelector(`[data-edge="${CSS.escape(leg.join(">"))}"]`);
    way?.setAttribute("data-lit", "");
    way?.parentNode.append(way);
  }
}

function legsOf({ askedDns, frontend, backend, stores }) {
  const to = (from, tier) => machinesOf(tier).map(({ name }) => [from, name]);
  return {
    lookup: askedDns ? to(YOU, "dns") : [],
    trunk: [frontend && [YOU, frontend], frontend && backend && [frontend, backend]].filter(Boolean),
    errands: frontend && backend ? stores.flatMap((tier) => to(backend, tier)) : [],
  };
}

function run(lap) {
  const batons = svg.querySelector(".batons");
  const path = joined(courseOf(lap));
  if (!path || batons.children.length >= BATONS) return;
  const shape = baton();
  shape.style.setProperty("offset-path", `path("${path}")`);
  batons.append(shape);
  const timing = { duration: LAP_MS * (lap.askedDns ? 1.4 : 1), easing: "cubic-bezier(.45,.05,.55,.95)" };
  shape.animate({ offsetDistance: ["0%", "100%"] }, timing).onfinish = () => shape.remove();
}

// To DNS and back, on to the backend, from there to each store and back, and home.
function courseOf(lap) {
  const { lookup, trunk, errands } = legsOf(lap);
  const back = (curve) => curve.toReversed();
  const curves = (legs) => legs.map((leg) => layout.curves.get(leg.join(">"))).filter(Boolean);
  const thereAndBack = (legs) => curves(legs).flatMap((curve) => [curve, back(curve)]);
  return [...thereAndBack(lookup.slice(0, 1)), ...curves(trunk), ...thereAndBack(errands), ...curves(trunk).map(back).reverse()];
}

/** The map in words, for those who do not see it. */
function describe() {
  const text = svg?.querySelector("desc");
  if (!text) return;
  const names = (machines) => machines.map(({ name }) => name).join(", ");
  const down = TIERS.flatMap(machinesOf).filter(({ name }) => healthOf(name).state === "down");
  const path = lastLap && [t("you"), ...Object.values(legsOf(lastLap)).flat().map(([, to]) => to)].join(" → ");
  text.textContent = [
    ...TIERS.map((tier) => t("mapMachines", { tier: t(tier), names: names(machinesOf(tier)) })),
    ...(path ? [t("mapPath", { path })] : []),
    down.length ? t("mapStates", { names: names(down) }) : t("mapFine"),
  ].join(" ");
}
