import { recall, remember } from "./memory.js";

const marked = (name) => document.querySelectorAll(`[data-${name}]`);

const LOCALES = { pt: "pt-BR", en: "en-GB" };

// What the page says before any script runs stands in index.html, and is read from there.
const WORDS = {
  pt: {
    ...Object.fromEntries(Array.from(marked("t"), ({ dataset, textContent }) => [dataset.t, textContent])),
    language: "Idioma",
    remaining: "faltam {time}",
    over: "terminou",
    noMap: "O mapa não pôde ser carregado; o resto funciona.",
    pace: "{rate} por segundo",
    paceLeft: "{rate} por segundo, para em {seconds} s",
    rhythmOn: "Ritmo: {rate} pedidos por segundo, durante um minuto.",
    rhythmOff: "Ritmo parou.",
    new: "nova",
    kept: "mantida",
    you: "você",
    visitor: "visitante",
    nobody: "ninguém",
    youRole: "o navegador",
    up: "responde",
    down: "não responde",
    suspect: "demora a responder",
    unknown: "ainda não se sabe",
    stopped: "{name} não responde.",
    back: "{name} voltou a responder.",
    start: "Siga o bastão.",
    path: "Pedido {count}: {dns}{frontend} → {backend}, {ms} ms.",
    lost: "Pedido {count}: ninguém respondeu.",
    mapPath: "Último pedido: {path}.",
    mapStates: "Não respondem: {names}.",
    loggedOut: "Você saiu, em todos os servidores.",
    sessionEnded: "Sua sessão terminou. Entre de novo.",
    notLoggedIn: "Você não está conectado.",
    noAnswer: "Ninguém respondeu. Tente de novo em instantes.",
    noNetwork: "Nenhuma máquina respondeu. Verifique a rede.",
  },
  en: {
    language: "Language",
    promise1: "Log in once.",
    promise2: "Stay logged in.",
    intro: "The machines take turns with every request. The baton that they pass on is your session.",
    user: "User name",
    password: "Password",
    logIn: "Log in",
    logOut: "Log out",
    already: "Logged in already?",
    seeProfile: "See your profile",
    loggedInAs: "Logged in as",
    baton: "The baton: your session",
    visits: "Visits",
    answeredBy: "Answered by",
    createdAt: "Created at",
    expiresAt: "Ends at",
    remaining: "{time} left",
    over: "over",
    mapTitle: "Live map of the lab",
    noMap: "The map could not be loaded; the rest works.",
    ask: "Make one request",
    rhythm: "Steady rhythm",
    rate: "Requests per second",
    pace: "{rate} per second",
    paceLeft: "{rate} per second, stops in {seconds} s",
    rhythmOn: "Rhythm: {rate} requests per second for a minute.",
    rhythmOff: "Rhythm stopped.",
    newConnection: "New connection for every request",
    shareTitle: "Who answered",
    requestsTitle: "Last requests",
    noRequests: "No request yet.",
    time: "Time",
    request: "Request",
    connection: "Connection",
    new: "new",
    kept: "kept",
    you: "you",
    visitor: "visitor",
    nobody: "nobody",
    youRole: "the browser",
    up: "answers",
    down: "does not answer",
    suspect: "slow to answer",
    unknown: "not known yet",
    stopped: "{name} does not answer.",
    back: "{name} answers again.",
    start: "Follow the baton.",
    path: "Request {count}: {dns}{frontend} → {backend}, {ms} ms.",
    lost: "Request {count}: nobody answered.",
    mapPath: "Last request: {path}.",
    mapStates: "Not answering: {names}.",
    why: "Why does F5 always show the same frontend?",
    why1: "A browser keeps its connection open and uses it again; nginx keeps it for 65 seconds. As long as it lives, every request reaches the same frontend. The backends change all the same: the frontend chooses them.",
    why2: "A browser also has its own memory of addresses. The answer of DNS is good for 5 seconds, but Chromium keeps it for about",
    why3: "seconds, whatever the TTL says.",
    why4: "With “New connection for every request” the frontend closes the connection after its answer, and the next request may take another address. To forget addresses by hand:",
    loggedOut: "You are logged out, on every server.",
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

function translate() {
  document.documentElement.lang = locale();
  for (const element of marked("t")) element.textContent = t(element.dataset.t);
  for (const element of marked("t-label")) element.ariaLabel = t(element.dataset.tLabel);
  for (const button of marked("language")) {
    button.ariaPressed = String(button.dataset.language === current);
  }
}

/** Put the page into its language, and let the switch change it; `redraw` runs after every change. */
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
