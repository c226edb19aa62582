// The forms of the page work without this file; with it, they answer in place.

const element = (id) => document.getElementById(id);

/** Ask a route; resolves to the response and its JSON body ({} where there is none). */
async function ask(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  const body = await response.json().catch(() => ({}));
  return { response, body };
}

function say(text) {
  element("message").textContent = text;
  element("message").hidden = !text;
}

function show(section) {
  for (const id of ["welcome", "profile"]) element(id).hidden = id !== section;
}

function fill(values) {
  for (const field of document.querySelectorAll("[data-field]")) {
    const value = values[field.dataset.field] ?? "–";
    const isTime = field instanceof HTMLTimeElement;
    field.textContent = isTime ? new Date(value).toLocaleString("pt-BR") : value;
    if (isTime) field.dateTime = value;
  }
}

/** Show the profile, or the form where nobody is logged in; a failure leaves the page as it is. */
async function refresh() {
  const { response, body } = await ask("/perfil");
  if (response.ok) {
    const answered = { frontend: response.headers.get("X-Frontend"), backend: response.headers.get("X-Backend") };
    fill({ ...body, ...answered });
    show("profile");
  } else if (response.status === 401) {
    show("welcome");
  } else {
    say(body.erro ?? "Ninguém respondeu agora. Tente de novo em instantes.");
  }
}

async function login(form) {
  const headers = { "Content-Type": "application/json" };
  const credentials = JSON.stringify(Object.fromEntries(new FormData(form)));
  const { response, body } = await ask("/login", { method: "POST", headers, body: credentials });
  if (!response.ok) return say(body.erro ?? "Não foi possível entrar agora. Tente de novo em instantes.");
  form.reset();
  return refresh();
}

async function logout() {
  const { response, body } = await ask("/logout", { method: "POST" });
  if (!response.ok) return say(body.erro ?? "Não foi possível sair agora. Tente de novo em instantes.");
  return show("welcome");
}

/** Run an action, with its form's button at rest meanwhile; tell when no server can be reached. */
async function run(action, form) {
  const button = form?.querySelector("button");
  if (button) button.disabled = true;
  say("");
  try {
    await action(form);
  } catch {
    say("Nenhum servidor respondeu. Verifique a rede e tente de novo.");
  } finally {
    if (button) button.disabled = false;
  }
}

for (const [id, action] of Object.entries({ login, refresh, logout })) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    run(action, event.target);
  });
}
run(refresh);
