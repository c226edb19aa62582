import { locale } from "./words.js";

// Longer than the frontends ever take to answer.
const PATIENCE_MS = 15_000;

// Chromium takes up to 0.3 ms for a lookup in its own DNS cache, and longer to ask a DNS server.
const LOOKUP_MS = 0.4;

let pending = 0;

/** No machine answered in time. */
export class NoAnswer extends Error {}

/** The path to a route, on a new connection if the user has chosen that. */
export const pathTo = (route) => (document.getElementById("new-connection").checked ? "/conexao-nova" : "") + route;

/**
 * Request a route. Resolves to the answer and what is known of its path; rejects with NoAnswer if there is none in time.
 * `isNew` and `askedDns` are null if the browser does not report them.
 */
export async function ask(path, { signal, ...options } = {}) {
  const headers = { Accept: "application/json", "Accept-Language": locale(), ...options.headers };
  const signals = [AbortSignal.timeout(PATIENCE_MS), signal].filter(Boolean);
  const started = performance.now();
  pending += 1;
  try {
    const response = await answer(path, { ...options, headers, cache: "no-store", signal: AbortSignal.any(signals) });
    const body = await response.json().catch(() => ({}));
    const ms = Math.round(performance.now() - started);
    return { ok: response.ok, status: response.status, body, ms, ...machines(response), ...(await connection(path, started)) };
  } finally {
    pending -= 1;
    if (!pending) performance.clearResourceTimings();
  }
}

async function answer(path, options) {
  try {
    return await fetch(path, options);
  } catch (cause) {
    throw new NoAnswer(path, { cause });
  }
}

function machines({ headers }) {
  return { frontend: headers.get("X-Frontend"), backend: headers.get("X-Backend") };
}

async function connection(path, started) {
  const timing = timingOf(path, started) ?? (await pause(30), timingOf(path, started));
  if (!timing) return { isNew: null, askedDns: null };
  return {
    isNew: timing.connectEnd > timing.connectStart,
    askedDns: timing.domainLookupEnd - timing.domainLookupStart > LOOKUP_MS,
  };
}

// Several requests for one path may be in flight; ours is the one that began when we did.
function timingOf(path, started) {
  const away = (entry) => Math.abs(entry.startTime - started);
  const [nearest] = performance.getEntriesByName(new URL(path, location).href).sort((a, b) => away(a) - away(b));
  return nearest && away(nearest) < 50 ? nearest : undefined;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
