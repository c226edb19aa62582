import { allTiers, changes, machinesOf, report } from "./machines.js";
import { t } from "./words.js";
import { ask, pathTo } from "./wire.js";

const ROUND_MS = 2000;
const PATIENCE_MS = 5500;
// At most this many checks wait for a backend that hangs: a browser opens six connections, and the show needs the rest.
const WAITING = 2;
const STALE_MS = 10_000;

const failures = new Map();
const waiting = new Set();
// The machines that backends report on in /status.
const dependencies = new Set();
let heard = 0;
let next = 0;

/** Check every backend in turn while the page is visible; report changes through `say`. */
export function startHealth(say) {
  changes.addEventListener("state", ({ detail: { name, state, before } }) => {
    if (state === "down" && before !== "down") say(t("stopped", { name }));
    if (state === "up" && before === "down") say(t("back", { name }));
  });
  tick();
}

function tick() {
  const backends = machinesOf("backends");
  setTimeout(tick, ROUND_MS / Math.max(1, backends.length));
  if (document.hidden || !backends.length || waiting.size >= WAITING) return;
  next = (next + 1) % backends.length;
  check(backends[next].name);
}

async function check(name) {
  if (waiting.has(name)) return;
  waiting.add(name);
  const answer = await ask(pathTo(`/status/${name}`), { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => null);
  waiting.delete(name);
  if (answer?.ok) succeed(name, answer);
  else fail(name);
}

function succeed(name, { body, ms }) {
  failures.set(name, 0);
  heard = Date.now();
  report(name, "up", ms);
  for (const { name: tier, machines } of allTiers()) {
    if (body[tier]) for (const machine of machines) noteDependency(machine.name, body[tier]);
  }
}

function noteDependency(name, { ok, ms }) {
  dependencies.add(name);
  report(name, ok ? "up" : "down", ms ?? undefined);
}

function fail(name) {
  const times = (failures.get(name) ?? 0) + 1;
  failures.set(name, times);
  report(name, times > 1 ? "down" : "suspect");
  if (Date.now() - heard < STALE_MS) return;
  for (const dependency of dependencies) report(dependency, "unknown");
}
