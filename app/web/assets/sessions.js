import { make } from "./make.js";
import { moment, t } from "./words.js";

const box = document.getElementById("sessions");
const [list, more] = ["ul", "p"].map((tag) => box.querySelector(tag));

const NONE = { total: 0, sessoes: [] };
let shown = NONE;

/** Show an answer of /sessoes: the sessions of the user logged in on this page. */
export function showSessions(answer) {
  // Otherwise the focus would be lost with the button of the session that has been ended.
  const hadFocus = list.contains(document.activeElement);
  shown = answer;
  drawSessions();
  if (hadFocus) box.querySelector("summary").focus();
}

/** Show no sessions: nobody is logged in. */
export function hideSessions() {
  box.open = false;
  showSessions(NONE);
}

/** Redraw the sessions in the page's language. */
export function drawSessions() {
  list.replaceChildren(...shown.sessoes.map(row));
  const count = shown.total - shown.sessoes.length;
  more.textContent = t("moreSessions", { count });
  more.hidden = count < 1;
}

function row({ sessao, cliente, endereco, criada_em: created, usada_em: used, atual }) {
  const where = [cliente ?? t("unknownClient"), endereco].filter(Boolean).join(" · ");
  const when = t("sessionTimes", { created: moment(created), used: moment(used) });
  const last = atual ? make("strong", "", t("thisSession")) : make("button", "quiet", t("endSession"));
  if (!atual) Object.assign(last, { ariaLabel: `${t("endSession")} ${sessao}`, value: sessao });
  return make("li", "", make("code", "", sessao), make("span", "name", where), make("span", "state", when), last);
}
