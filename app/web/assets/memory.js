// A browser that forbids storage throws on every access: then nothing is remembered, and nothing breaks.

/** What was remembered under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(`revezamento.${name}`);
  } catch {
    return null;
  }
}

/** Remember a text under a name beyond this visit; null forgets it. */
export function remember(name, text) {
  try {
    if (text === null) localStorage.removeItem(`revezamento.${name}`);
    else localStorage.setItem(`revezamento.${name}`, text);
  } catch {
    // Nothing depends on it.
  }
}
