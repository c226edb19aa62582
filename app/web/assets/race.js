import { machinesOf, meet, report } from "./machines.js";
import { showLap } from "./map.js";
import { list } from "./requests.js";
import { count } from "./share.js";
import { t } from "./words.js";
import { ask } from "./wire.js";

// Which stores a backend asks to answer a route.
const STORES = { "/login": ["mysql", "redis"], "/status": ["redis", "mysql"] };

const caption = document.getElementById("caption");

let total = 0;
let lastLap;
// The last one that answered: a connection to it is the one that fails.
let frontend;

/** Make one request of the show: ask, light its way, count it, list it. Rejects where no answer came. */
export async function runLap(path, options) {
  const lap = { time: new Date(), path, stores: STORES[path.replace("/conexao-nova", "")] ?? ["redis"] };
  try {
    Object.assign(lap, await ask(path, options));
  } catch (error) {
    if (!options?.signal?.aborted) lose(lap);
    throw error;
  }
  meet("frontends", lap.frontend);
  meet("backends", lap.backend);
  if (lap.askedDns) for (const { name } of machinesOf("dns")) report(name, "up");
  note(lap);
  count(lap);
  return lap;
}

function lose(lap) {
  report(frontend, "suspect");
  note({ ...lap, frontend: null, backend: null, isNew: null, askedDns: null });
}

function note(lap) {
  total += 1;
  lap.count = total;
  lastLap = lap;
  frontend = lap.frontend ?? frontend;
  showLap(lap);
  list(lap);
  drawCaption();
}

/** A request in one sentence. */
export function inWords(lap) {
  if (!lap.frontend) return t("lost", lap);
  return t("path", { ...lap, dns: lap.askedDns ? "DNS → " : "", backend: lap.backend ?? t("nobody") });
}

/** Say the last request, in the page's language. */
export function drawCaption() {
  caption.textContent = lastLap ? inWords(lastLap) : t("start");
}
