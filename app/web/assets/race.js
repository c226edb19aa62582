import { machinesOf, meet, report } from "./machines.js";
import { showLap } from "./map.js";
import { list } from "./requests.js";
import { count } from "./share.js";
import { t } from "./words.js";
import { ask } from "./wire.js";

// The stores that a backend uses for a route.
const STORES = { "/login": ["mysql", "redis"], "/status": ["redis", "mysql"] };

const caption = document.getElementById("caption");

let total = 0;
let lastLap;
// The last frontend that answered; a failed request was on a connection to it.
let frontend;

/** Send one request of the show, highlight its path, count it and list it. Rejects if there is no answer. */
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
  // Which of several answered is not visible.
  if (lap.askedDns && machinesOf("dns").length === 1) report(machinesOf("dns")[0].name, "up");
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

/** Describe a request in one sentence. */
export function inWords(lap) {
  if (!lap.frontend) return t("lost", lap);
  return t("path", { ...lap, dns: lap.askedDns ? "DNS → " : "", backend: lap.backend ?? t("nobody") });
}

/** Describe the last request in the page's language. */
export function drawCaption() {
  caption.textContent = lastLap ? inWords(lastLap) : t("start");
}
