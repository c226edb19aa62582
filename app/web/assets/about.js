import { healthOf, heldBy } from "./machines.js";
import { t } from "./words.js";

/** A machine's part in its tier now, in words: its role, or the floating addresses that it holds; "" if it has none. */
export function aboutOf(name) {
  const held = heldBy(name);
  if (held) return held.join(", ") || t("noAddress");
  const { role } = healthOf(name);
  return role ? t(role) : "";
}
