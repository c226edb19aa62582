import { paintBands } from "./baton.js";
import { setRunner } from "./map.js";
import { recall, remember } from "./memory.js";
import { clock, t } from "./words.js";

const sections = ["welcome", "profile"].map((id) => document.getElementById(id));
const countdown = document.getElementById("countdown");

let profile = null;

/** The profile of the user logged in on this page, or null. */
export const currentProfile = () => profile;

// Scripts cannot read the cookie. Without this hint, every visit would begin with a request that gets a 401.
/** Whether a session that began in this browser may still exist. */
export const mayBeLoggedIn = () => Date.parse(recall("session-until") ?? "") > Date.now();

/** Show a profile, unless a later one of the same session is shown already. */
export function showProfile(values) {
  if (profile?.sessao === values.sessao && profile.visitas > values.visitas) return;
  const isOther = profile?.sessao !== values.sessao;
  profile = values;
  remember("session-until", values.expira_em);
  drawSession();
  if (!isOther) return;
  paintBands(document.getElementById("bands"), values.sessao);
  setRunner(values.usuario, values.sessao);
  show("profile");
}

/** Show the form: nobody is logged in. */
export function showWelcome() {
  profile = null;
  remember("session-until", null);
  setRunner(null, null);
  show("welcome");
}

// Otherwise the focus would be lost with the section that disappears.
function show(id) {
  const isLeft = sections.some((section) => section.id !== id && section.contains(document.activeElement));
  for (const section of sections) section.hidden = section.id !== id;
  if (isLeft) document.querySelector(`#${id} h1`).focus();
}

/** Redraw the profile in the page's language. */
export function drawSession() {
  if (!profile) return;
  for (const field of document.querySelectorAll("[data-field]")) {
    const value = profile[field.dataset.field] ?? "–";
    const isTime = field instanceof HTMLTimeElement;
    field.textContent = isTime ? clock(new Date(value)) : value;
    if (isTime) field.dateTime = value;
  }
  drawCountdown();
}

function drawCountdown() {
  if (!profile) return;
  const seconds = Math.round((Date.parse(profile.expira_em) - Date.now()) / 1000);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const time = `${two(seconds / 60)}:${two(seconds % 60)}`;
  countdown.textContent = seconds > 0 ? t("remaining", { time }) : t("over");
}

setInterval(drawCountdown, 1000);
