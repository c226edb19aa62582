/** The name under which links speak of the users. */
export const USERS = "users";

/** Whether users ask a tier directly and it asks no other tier, as DNS does. */
export function isBesideUsers(tier, links) {
  const isAsked = links.some(([from, to]) => from === USERS && to === tier);
  return isAsked && !links.some(([from, to]) => from === tier && to !== tier);
}

/**
 * Sort tiers into columns by their distance from the users along the links, given as `[from, to]`.
 * A tier that no path leads to joins the last column.
 */
export function columnsOf(tiers, links) {
  const distances = new Map([[USERS, 0]]);
  // A Map also iterates over entries added on the way: this is a breadth-first search.
  for (const [tier, distance] of distances) {
    for (const [from, to] of links) {
      if (from === tier && !distances.has(to)) distances.set(to, distance + 1);
    }
  }
  const last = Math.max(...tiers.map((tier) => distances.get(tier) ?? 0));
  const columns = Array.from({ length: last + 1 }, () => []);
  for (const tier of tiers) columns[isBesideUsers(tier, links) ? 0 : (distances.get(tier) ?? last)].push(tier);
  return columns.filter((column) => column.length);
}
