import { startHealth } from "./health.js";
import { loadMachines } from "./machines.js";
import { drawMap, startMap } from "./map.js";
import { drawCaption, inWords, runLap } from "./race.js";
import { drawList } from "./requests.js";
import { drawPace, startRhythm, stopRhythm } from "./rhythm.js";
import { currentProfile, drawSession, mayBeLoggedIn, showProfile, showWelcome } from "./session.js";
import { drawSessions, hideSessions, showSessions } from "./sessions.js";
import { drawShare, startShare } from "./share.js";
import { NoAnswer, pathTo } from "./wire.js";
import { startLanguage, t } from "./words.js";

const element = (id) => document.getElementById(id);

// Aborts the requests in flight at logout: their answers would show a session that has ended.
let leaving = new AbortController();

function say(text, isCalm = false) {
  const message = element("message");
  if (message.textContent !== text) message.textContent = text;
  message.classList.toggle("calm", isCalm);
  message.hidden = !text;
}

const announce = (text) => (element("live").textContent = text);

/** Send one request of the show; resolves to undefined if there is no answer. */
async function lap() {
  const { signal } = leaving;
  const route = currentProfile() ? "/perfil" : "/status";
  try {
    const answer = await runLap(pathTo(route), { signal });
    if (signal.aborted) return;
    showAnswer(answer);
    return answer;
  } catch (error) {
    reportNoAnswer(error);
  }
}

function reportNoAnswer(error) {
  if (!(error instanceof NoAnswer)) throw error;
  if (error.cause.name !== "AbortError") say(t("noNetwork"), true);
}

function showAnswer({ ok, status, body }) {
  if (ok) say("");
  if (ok && body.visitas) showProfile(body);
  else if (status === 401 && (currentProfile() || mayBeLoggedIn())) end(t("sessionEnded"));
  else if (status === 401) say(t("notLoggedIn"));
  else if (!ok) say(body.erro ?? t("noAnswer"), true);
}

function end(text) {
  stopRhythm();
  showWelcome();
  hideSessions();
  say(text, true);
}

async function login(form) {
  const headers = { "Content-Type": "application/json" };
  const credentials = JSON.stringify(Object.fromEntries(new FormData(form)));
  const answer = await runLap("/login", { method: "POST", headers, body: credentials });
  if (!answer.ok) return say(answer.body.erro ?? t("noAnswer"), answer.status === 503);
  form.reset();
  await seeProfile();
}

const seeProfile = async () => showAnswer(await runLap("/perfil"));

const logout = () => leave("/logout", "POST", "loggedOut");
const logOutEverywhere = () => leave("/sessoes", "DELETE", "endedAll");

async function leave(path, method, key) {
  stopRhythm();
  leaving.abort();
  leaving = new AbortController();
  const answer = await runLap(path, { method });
  if (answer.ok) end(t(key));
  else showAnswer(answer);
}

async function listSessions() {
  const answer = await runLap("/sessoes");
  if (answer.ok) showSessions(answer.body);
  else showAnswer(answer);
  return answer.ok;
}

async function endSession({ value: name }) {
  const answer = await runLap(`/sessoes/${name}`, { method: "DELETE" });
  // A 404 says that it has ended before.
  if (!answer.ok && answer.status !== 404) return showAnswer(answer);
  if (await listSessions()) say(t("endedSession", { name }), true);
}

/** Run the action of a button or a form, one at a time; say so if no machine can be reached. */
async function perform(action, origin) {
  if (origin.ariaBusy === "true") return;
  origin.ariaBusy = "true";
  say("");
  try {
    await action(origin);
  } catch (error) {
    reportNoAnswer(error);
  } finally {
    origin.ariaBusy = "false";
  }
}

function on(id, event, action) {
  element(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    perform(action, happened.currentTarget);
  });
}

async function askOnce() {
  const answer = await lap();
  if (answer) announce(inWords(answer));
}

function redraw() {
  for (const draw of [drawMap, drawShare, drawList, drawSession, drawSessions, drawPace, drawCaption]) draw();
}

async function start() {
  startLanguage(redraw);
  element("stage").hidden = element("figures").hidden = false;
  on("login", "submit", login);
  on("logout", "submit", logout);
  on("already", "click", seeProfile);
  on("log-out-everywhere", "click", logOutEverywhere);
  element("sessions").addEventListener("toggle", ({ currentTarget: box }) => box.open && perform(listSessions, box));
  element("sessions").addEventListener("click", ({ target }) => target.value && perform(endSession, target));
  element("ask").addEventListener("click", askOnce);
  startRhythm(lap, announce);
  startMap();
  startShare();
  drawCaption();
  const loaded = loadMachines();
  if (mayBeLoggedIn()) await perform(seeProfile, element("welcome"));
  await loaded;
  startHealth(announce);
}

start();
