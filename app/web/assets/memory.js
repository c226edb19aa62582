// A browser that blocks storage throws on every access; the page works without it.

/** Return the text remembered under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(`revezamento.${name}`);
  } catch {
    return null;
  }
}

/** Remember a text under a name beyond this visit; null removes it. */
export function remember(name, text) {
  try {
    if (text === null) localStorage.removeItem(`revezamento.${name}`);
    else localStorage.setItem(`revezamento.${name}`, text);
  } catch {
    // Nothing depends on it.
  }
}
