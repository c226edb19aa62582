// The machine that backends use, of several.
const LEADING = new Set(["primary", "used"]);

export const isLeading = (role) => LEADING.has(role);

/**
 * What `/status` says of the machines of a tier with several, in the order of the inventory: `{state, ms, role}` each.
 *
 * It names machines by their positions from 1: `{ok, ms, primary, replicas}` of Redis, `{ok, ms, used, members}` of a
 * database cluster, without what it does not know. `before` are the roles so far.
 */
export function statesOf(before, { ok, ms, primary, replicas, used, members }) {
  const role = primary || replicas ? "primary" : "used";
  const leader = primary ?? used ?? (ok ? 0 : before.findIndex(isLeading) + 1);
  const others = replicas ?? members;
  return before.map((formerly, index) => {
    const position = index + 1;
    if (position === leader) return ok ? { state: "up", ms, role } : { state: "down", role: formerly ?? role };
    if (others?.includes(position)) return { state: "up", role: replicas ? "replica" : "member" };
    if (others) return { state: "down", role: ok ? "apart" : null };
    return { state: "unknown", role: null };
  });
}

/** Addresses in a row; those in the network of the first are shortened to their last number. */
export function inShort([first, ...others]) {
  const network = first.slice(0, first.lastIndexOf(".") + 1);
  const short = (address) => (network && address.startsWith(network) ? address.slice(network.length - 1) : address);
  return [first, ...others.map(short)].join(", ");
}
