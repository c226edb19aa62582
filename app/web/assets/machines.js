/**
 * Dispatches "machines" when the list changes, "state" (with name, state, role, and both before as `before`) when one
 * machine's changes, and "held" (with label, holder) when a floating address moves.
 */
export const changes = new EventTarget();

const UNKNOWN = { state: "unknown" };
const health = new Map();
const holders = new Map();
let floating = [];
let tiers = [];
let links = [];
let described;

/** Read the lab's own description. */
export async function loadMachines() {
  try {
    const response = await fetch("/lab.json");
    const lab = await response.json();
    const listed = lab.tiers.map((tier) => ({ ...tier, machines: merge(tier.machines, machinesOf(tier.name)) }));
    tiers = merge(listed, tiers);
    links = lab.links;
    floating = lab.floating ?? [];
    described = true;
    report(response.headers.get("X-Frontend"), "up");
  } catch {
    // The map says so; everything else works without.
    described ??= false;
  } finally {
    changes.dispatchEvent(new Event("machines"));
  }
}

// What has been seen here stays, listed or not.
function merge(listed, seen) {
  return [...listed, ...seen.filter(({ name }) => !listed.some((other) => other.name === name))];
}

/** Whether the lab's description could be read; undefined until that is known. */
export const isDescribed = () => described;

/** The tiers in the lab's order: `[{name, label: {en, pt}, runs: {en, pt}, machines: [{name, address?}]}]`. */
export const allTiers = () => tiers;

/** Which tier asks which, as `[from, to]`; the users are "users". */
export const allLinks = () => links;

/** The machines of a tier; none for a tier that is not there. */
export const machinesOf = (name) => tiers.find((tier) => tier.name === name)?.machines ?? [];

/** The number on a machine's bib: "backend12" runs with 12. */
export const bib = (name) => /\d+$/.exec(name)?.[0] ?? name[0];

/**
 * What is known of a machine: `{state: "up" | "down" | "suspect" | "unknown", ms?, role?}`. The role is for tiers that
 * share work: "primary", "replica", "used", "member", or "apart" if the others do not see it.
 */
export const healthOf = (name) => health.get(name) ?? UNKNOWN;

/** Record a machine's state; `ms` is how long it took to answer. Both `ms` and `role` stay unless they are given. */
export function report(name, state, ms, role) {
  if (!name) return;
  const before = healthOf(name);
  health.set(name, { state, ms: ms === undefined ? before.ms : ms, role: role === undefined ? before.role : role });
  changes.dispatchEvent(new CustomEvent("state", { detail: { name, ...healthOf(name), before } }));
}

/** The addresses that float between the frontends: `[{name, address?}]`. */
export const allFloating = () => floating;

/** The floating addresses that a frontend holds; undefined for other machines, and until that is known. */
export function heldBy(name) {
  if (!floating.length || holders.size < floating.length) return;
  if (!machinesOf("frontends").some((frontend) => frontend.name === name)) return;
  return floating.filter((address) => holders.get(address.name) === name).map(labelOf);
}

const labelOf = ({ name, address }) => address ?? name;

/** Record which frontend answers at a floating address; null for none. */
export function hold(address, holder) {
  const before = holders.get(address.name);
  holders.set(address.name, holder);
  report(holder, "up");
  if (before === holder) return;
  for (const { name } of machinesOf("frontends")) {
    const { state } = healthOf(name);
    // A frontend without an address may be well, but no user can tell.
    report(name, state === "up" && heldBy(name)?.length === 0 ? "unknown" : state);
  }
  if (before !== undefined) changes.dispatchEvent(new CustomEvent("held", { detail: { label: labelOf(address), holder } }));
}

/** Record that a machine answered. A machine that is not in the description joins its tier at once. */
export function meet(tier, name) {
  if (!name) return;
  if (!machinesOf(tier).some((machine) => machine.name === name)) {
    const known = tiers.find((other) => other.name === tier) ?? undescribed(tier);
    const grown = { ...known, machines: [...known.machines, { name }] };
    tiers = tiers.includes(known) ? tiers.with(tiers.indexOf(known), grown) : [...tiers, grown];
    changes.dispatchEvent(new Event("machines"));
    if (described) loadMachines();
  }
  report(name, "up");
}

const undescribed = (name) => ({ name, label: { en: name, pt: name }, runs: { en: "", pt: "" }, machines: [] });
