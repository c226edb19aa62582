import { recall, remember } from "./memory.js";

const marked = (name) => document.querySelectorAll(`[data-${name}]`);

const LOCALES = { pt: "pt-BR", en: "en-GB" };

// The Portuguese texts that the page starts with are in index.html, and are read from there.
const WORDS = {
  pt: {
    ...Object.fromEntries(Array.from(marked("t"), ({ dataset, textContent }) => [dataset.t, textContent])),
    language: "Idioma",
    remaining: "faltam {time}",
    over: "expirou",
    noMap: "Não foi possível carregar o mapa; o resto funciona.",
    pace: "{rate} por segundo",
    paceLeft: "{rate} por segundo, para em {seconds} s",
    rhythmOn: "Ritmo constante: {rate} requisições por segundo, durante um minuto.",
    rhythmOff: "O ritmo constante parou.",
    new: "nova",
    kept: "reutilizada",
    you: "você",
    visitor: "visitante",
    nobody: "ninguém",
    youRole: "o navegador",
    up: "responde",
    down: "não responde",
    suspect: "demora a responder",
    unknown: "desconhecido",
    primary: "primário",
    replica: "réplica",
    used: "em uso",
    member: "membro",
    apart: "fora do grupo",
    noAddress: "sem endereço",
    stopped: "{name} não responde.",
    left: "{name} saiu do grupo.",
    back: "{name} voltou a responder.",
    promoted: "{name} é o primário agora.",
    moved: "{address} está em {name} agora.",
    nowhere: "Ninguém responde em {address}.",
    start: "Siga o bastão.",
    path: "Requisição {count}: {dns}{frontend} → {backend}, {ms} ms.",
    lost: "Requisição {count}: ninguém respondeu.",
    mapPath: "Última requisição: {path}.",
    mapStates: "Não respondem: {names}.",
    unknownClient: "programa desconhecido",
    sessionTimes: "criada em {created}, usada em {used}",
    thisSession: "esta sessão",
    endSession: "Encerrar",
    endedSession: "A sessão {name} foi encerrada em todos os servidores.",
    endedAll: "Todas as suas sessões foram encerradas, em todos os servidores.",
    moreSessions: "Outras sessões, que não aparecem aqui: {count}.",
    loggedOut: "Sua sessão foi encerrada em todos os servidores.",
    sessionEnded: "Sua sessão terminou. Entre de novo.",
    notLoggedIn: "Você não está conectado.",
    noAnswer: "Ninguém respondeu. Tente de novo em instantes.",
    noNetwork: "Nenhuma máquina respondeu. Verifique a rede.",
  },
  en: {
    language: "Language",
    promise1: "Log in once.",
    promise2: "Stay logged in.",
    intro: "The machines take turns answering your requests. The baton they pass on is your session.",
    user: "Username",
    password: "Password",
    logIn: "Log in",
    logOut: "Log out",
    already: "Already logged in?",
    seeProfile: "See your profile",
    loggedInAs: "Logged in as",
    baton: "The baton: your session",
    visits: "Visits",
    answeredBy: "Answered by",
    createdAt: "Created at",
    expiresAt: "Expires at",
    remaining: "{time} left",
    over: "expired",
    mapTitle: "Live map of the lab",
    noMap: "The map could not be loaded; the rest works.",
    ask: "Send a request",
    rhythm: "Steady pace",
    rate: "Requests per second",
    pace: "{rate} per second",
    paceLeft: "{rate} per second, stops in {seconds} s",
    rhythmOn: "Steady pace: {rate} requests per second for one minute.",
    rhythmOff: "The steady pace has stopped.",
    newConnection: "New connection for every request",
    shareTitle: "Who answered",
    requestsTitle: "Latest requests",
    noRequests: "No requests yet.",
    time: "Time",
    request: "Request",
    connection: "Connection",
    new: "new",
    kept: "reused",
    you: "you",
    visitor: "visitor",
    nobody: "nobody",
    youRole: "the browser",
    up: "responding",
    down: "not responding",
    suspect: "slow to respond",
    unknown: "unknown",
    primary: "primary",
    replica: "replica",
    used: "in use",
    member: "member",
    apart: "not in the group",
    noAddress: "no address",
    stopped: "{name} is not responding.",
    left: "{name} has left the group.",
    back: "{name} is responding again.",
    promoted: "{name} is the primary now.",
    moved: "{address} is at {name} now.",
    nowhere: "Nobody answers at {address}.",
    start: "Follow the baton.",
    path: "Request {count}: {dns}{frontend} → {backend}, {ms} ms.",
    lost: "Request {count}: nobody answered.",
    mapPath: "Last request: {path}.",
    mapStates: "Not responding: {names}.",
    why: "Why does F5 always show the same frontend?",
    why1: "The browser keeps its connection open and reuses it; nginx keeps it for 65 seconds. As long as it is open, every request reaches the same frontend. The backends still change, because the frontend chooses them.",
    why2: "The browser also has its own DNS cache. The DNS answer is valid for 5 seconds, but Chromium keeps it for about",
    why3: "seconds, whatever the TTL.",
    why4: "With “New connection for every request”, the frontend closes the connection after its answer, and the next request may use another address. To clear the DNS cache by hand:",
    ownSessions: "Your sessions",
    logOutEverywhere: "Log out everywhere",
    unknownClient: "unknown program",
    sessionTimes: "created {created}, last used {used}",
    thisSession: "this session",
    endSession: "End",
    endedSession: "Session {name} has ended on every server.",
    endedAll: "All your sessions have ended, on every server.",
    moreSessions: "More sessions, not shown here: {count}.",
    loggedOut: "You are logged out on every server.",
    sessionEnded: "Your session has ended. Log in again.",
    notLoggedIn: "You are not logged in.",
    noAnswer: "Nobody answered. Try again in a moment.",
    noNetwork: "No machine answered. Check the network.",
  },
};

let current = recall("language") ?? (navigator.languages[0]?.startsWith("en") ? "en" : "pt");
if (!(current in WORDS)) current = "pt";

/** The language of the page as an HTTP and Intl name, such as "pt-BR". */
export const locale = () => LOCALES[current];

/** A sentence in the page's language; `{name}` in it is replaced by `values.name`. */
export function t(key, values = {}) {
  return WORDS[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Choose from a text in each language, as `/lab.json` has them. */
export const inLanguage = (texts) => texts[current];

/** The time of day, with seconds. */
export const clock = (date) => date.toLocaleTimeString(locale(), { hourCycle: "h23" });

/** A point in time, given as text, with its date. */
export const moment = (text) => new Date(text).toLocaleString(locale(), { dateStyle: "short", timeStyle: "short" });

function translate() {
  document.documentElement.lang = locale();
  for (const element of marked("t")) element.textContent = t(element.dataset.t);
  for (const element of marked("t-label")) element.ariaLabel = t(element.dataset.tLabel);
  for (const button of marked("language")) {
    button.ariaPressed = String(button.dataset.language === current);
  }
}

/** Show the page in its language, and let the switch change it; `redraw` runs after every change. */
export function startLanguage(redraw) {
  const buttons = document.getElementById("language");
  buttons.hidden = false;
  buttons.addEventListener("click", ({ target }) => {
    if (!target.dataset.language) return;
    current = target.dataset.language;
    remember("language", current);
    translate();
    redraw();
  });
  translate();
}
