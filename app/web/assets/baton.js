const DIGITS = 8;

/** The widths of a session's bands, 1 to 4 each; a session always has the same bands. */
export function bandsOf(fingerprint) {
  return Array.from(fingerprint.slice(0, DIGITS), (digit) => 1 + (Number.parseInt(digit, 16) % 4 || 0));
}

/** Paint a session's bands into an element, as spans. */
export function paintBands(element, fingerprint) {
  const bands = bandsOf(fingerprint).map((width) => {
    const band = document.createElement("span");
    band.style.setProperty("--width", width);
    return band;
  });
  element.replaceChildren(...bands);
}
