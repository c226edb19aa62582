import { statesOf } from "./group.js";
import { allFloating, allTiers, changes, healthOf, hold, machinesOf, report } from "./machines.js";
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
let primary;

/** Check every backend and every floating address in turn while the page is visible; report changes through `say`. */
export function startHealth(say) {
  changes.addEventListener("state", ({ detail: { name, state, role, before } }) => {
    if (state === "down" && before.state !== "down") say(t(role === "apart" ? "left" : "stopped", { name }));
    if (state === "up" && before.state === "down") say(t("back", { name }));
    if (role !== "primary" || name === primary) return;
    if (primary) say(t("promoted", { name }));
    primary = name;
  });
  changes.addEventListener("held", ({ detail: { label, holder } }) => {
    say(t(holder ? "moved" : "nowhere", { address: label, name: holder }));
  });
  tick();
}

function tick() {
  const all = [
    ...machinesOf("backends").map(({ name }) => [name, checkBackend]),
    ...allFloating().map((address) => [address.name, (name) => checkAddress(name, address)]),
  ];
  setTimeout(tick, ROUND_MS / Math.max(1, all.length));
  if (document.hidden || !all.length || waiting.size >= WAITING) return;
  next = (next + 1) % all.length;
  const [name, check] = all[next];
  if (!waiting.has(name)) check(name);
}

async function checkBackend(name) {
  const answer = await statusOf(name);
  if (answer?.ok) succeed(name, answer);
  else fail(name);
}

// The frontend that this page is connected to asks whoever holds the address. Without its answer, nothing is known.
async function checkAddress(name, address) {
  const answer = await statusOf(name);
  if (answer) hold(address, (answer.ok && answer.body.frontend) || null);
}

async function statusOf(name) {
  waiting.add(name);
  const answer = await ask(pathTo(`/status/${name}`), { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => null);
  waiting.delete(name);
  return answer;
}

function succeed(name, { body, ms }) {
  failures.set(name, 0);
  heard = Date.now();
  report(name, "up", ms);
  for (const { name: tier, machines } of allTiers()) {
    if (body[tier]) noteTier(machines, body[tier]);
  }
}

function noteTier(machines, said) {
  if (machines.length === 1) return noteDependency(machines[0].name, said);
  const states = statesOf(machines.map(({ name }) => healthOf(name).role), said);
  machines.forEach(({ name }, index) => {
    const { state, ms = null, role } = states[index];
    dependencies.add(name);
    report(name, state, ms, role);
  });
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
  for (const dependency of dependencies) report(dependency, "unknown", null, null);
}
