import { t } from "./words.js";

const LASTS_MS = 60_000;
const IN_FLIGHT = 3;

const button = document.getElementById("rhythm");
const rate = document.getElementById("rate");
const pace = document.getElementById("pace");

let timer;
let endsAt = 0;
let inFlight = 0;

/** Let the button start and stop a steady pace of `lap`; announce both through `say`. */
export function startRhythm(lap, say) {
  const beat = async () => {
    if (Date.now() >= endsAt) return stopRhythm(say);
    timer = setTimeout(beat, 1000 / rate.value);
    drawPace();
    if (inFlight >= IN_FLIGHT) return;
    inFlight += 1;
    await lap();
    inFlight -= 1;
  };
  button.addEventListener("click", () => {
    if (endsAt) return stopRhythm(say);
    endsAt = Date.now() + LASTS_MS;
    button.ariaPressed = "true";
    say(t("rhythmOn", { rate: rate.value }));
    beat();
  });
  rate.addEventListener("input", drawPace);
  drawPace();
}

/** Stop the steady pace, if it is running. */
export function stopRhythm(say) {
  if (!endsAt) return;
  clearTimeout(timer);
  endsAt = 0;
  button.ariaPressed = "false";
  drawPace();
  say?.(t("rhythmOff"));
}

/** Show the rate and the remaining time. */
export function drawPace() {
  const seconds = Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  pace.textContent = t(endsAt ? "paceLeft" : "pace", { rate: rate.value, seconds });
  rate.ariaValueText = t("pace", { rate: rate.value });
}
