/** The tiers in the order in which a request meets them. */
export const TIERS = ["dns", "frontends", "backends", "redis", "mysql"];

/** Says "machines" when there are others, and "state" (with name, state, before) when one changed. */
export const changes = new EventTarget();

const UNKNOWN = { state: "unknown" };
const tiers = Object.fromEntries(TIERS.map((tier) => [tier, []]));
const health = new Map();
let described;

/** Read who there is from the lab's own description. */
export async function loadMachines() {
  try {
    const response = await fetch("/lab.json");
    const lab = await response.json();
    for (const tier of TIERS) tiers[tier] = merge(lab.tiers[tier] ?? [], tiers[tier]);
    described = true;
    report(response.headers.get("X-Frontend"), "up");
  } catch {
    // The map says so; everything else works without.
    described ??= false;
  } finally {
    changes.dispatchEvent(new Event("machines"));
  }
}

// Who was met here but is not described stays.
function merge(machines, met) {
  return [...machines, ...met.filter(({ name }) => !machines.some((machine) => machine.name === name))];
}

/** Whether the lab's description could be read; undefined until that is known. */
export const isDescribed = () => described;

/** The machines of a tier: `[{name, address?}]`. */
export const machinesOf = (tier) => tiers[tier];

/** The number on a machine's bib: "backend12" runs with 12. */
export const bib = (name) => /\d+$/.exec(name)?.[0] ?? name[0];

/** What is known of a machine: `{state: "up" | "down" | "suspect" | "unknown", ms?}`. */
export const healthOf = (name) => health.get(name) ?? UNKNOWN;

/** Note how a machine is; `ms` is how long it took to answer. */
export function report(name, state, ms) {
  if (!name) return;
  const before = healthOf(name).state;
  health.set(name, { state, ms: ms ?? health.get(name)?.ms });
  changes.dispatchEvent(new CustomEvent("state", { detail: { name, state, before } }));
}

/** Note that a machine answered. One nobody has told of joins its tier at once. */
export function meet(tier, name) {
  if (!name) return;
  if (!tiers[tier].some((machine) => machine.name === name)) {
    tiers[tier] = [...tiers[tier], { name }];
    changes.dispatchEvent(new Event("machines"));
    if (described) loadMachines();
  }
  report(name, "up");
}
