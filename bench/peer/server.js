// The app's session routes as they are usually built in Node.js: Express, express-session, connect-redis, mysql2.
// DUTIES=1 adds what the app does for each request as well: it counts the visit, writes a log line, and measures.
import argon2 from "argon2";
import cluster from "node:cluster";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import mysql from "mysql2/promise";
import prometheus from "prom-client";
import { createClient } from "redis";

const IDLE_SECONDS = 1800;
const { env } = process;
const secret = (name) => readFileSync(`${env.CREDENTIALS_DIRECTORY}/${name}`, "utf8").trim();
const address = (text) => ({ host: text.split(":")[0], port: Number(text.split(":")[1]) });
const utc = (ms) => new Date(ms).toISOString().replace(/\.\d+/, "");

async function serve() {
  const started = utc(Date.now());
  const redis = createClient({ socket: address(env.REDIS), username: env.REDIS_USER, password: secret("redis_password") });
  redis.on("error", (error) => console.error(error.message));
  await redis.connect();
  const users = mysql.createPool({
    ...address(env.MYSQL), user: env.MYSQL_USER, password: secret("mysql_password"), database: env.MYSQL_DATABASE,
    connectionLimit: 4,
  });

  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", env.TRUSTED_PROXIES ? env.TRUSTED_PROXIES.split(",") : false);
  if (env.DUTIES) app.use(observe);
  app.use((request, response, next) => {
    response.set({ "X-Backend": env.BACKEND, "Cache-Control": "no-store", "Vary": "Cookie" });
    next();
  });
  const sessions = session({
    store: new RedisStore({ client: redis, prefix: "sess:peer:", ttl: IDLE_SECONDS }),
    name: "sessao", secret: env.SESSION_SECRET, resave: false, saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: "lax", maxAge: IDLE_SECONDS * 1000 },
  });

  app.post("/login", sessions, express.json(), async (request, response) => {
    const { usuario, senha } = request.body ?? {};
    if (typeof usuario !== "string" || typeof senha !== "string") return response.status(400).json({ erro: "bad request" });
    const [[user]] = await users.execute(
      "SELECT id, usuario, nome, email, senha_hash, ativo FROM users WHERE usuario = ?", [usuario]);
    if (!user?.ativo || !(await argon2.verify(user.senha_hash, senha))) {
      return response.status(401).json({ erro: "Usuário ou senha incorretos." });
    }
    await new Promise((resolve, reject) => request.session.regenerate((error) => (error ? reject(error) : resolve())));
    const { id, nome, email } = user;
    Object.assign(request.session, { user: { id, usuario: user.usuario, nome, email }, created: Date.now(), visitas: 0 });
    response.json({ usuario: user.usuario, nome, servidor: env.SERVER_NAME });
  });

  app.get("/perfil", sessions, (request, response) => {
    const { user, created } = request.session;
    if (!user) return response.status(401).json({ erro: "Você não está conectado." });
    if (env.DUTIES) request.session.visitas += 1;
    response.json({
      usuario: user.usuario, nome: user.nome, email: user.email, servidor: env.SERVER_NAME,
      sessao: createHash("sha256").update(`fingerprint:${request.sessionID}`).digest("hex").slice(0, 8),
      criada_em: utc(created), expira_em: utc(Date.now() + IDLE_SECONDS * 1000), visitas: request.session.visitas,
    });
  });

  app.post("/logout", sessions, async (request, response) => {
    await new Promise((resolve) => request.session.destroy(resolve));
    response.clearCookie("sessao").status(204).end();
  });

  app.get("/status", async (request, response) => {
    const timed = async (ask) => {
      const from = performance.now();
      return ask().then(() => ({ ok: true, ms: Math.round((performance.now() - from) * 10) / 10 }), () => ({ ok: false, ms: null }));
    };
    const [ofRedis, ofMysql] = await Promise.all([timed(() => redis.ping()), timed(() => users.query("SELECT 1"))]);
    response.json({ servidor: env.SERVER_NAME, versao: "peer", desde: started, redis: ofRedis, mysql: ofMysql });
  });

  app.get("/livez", (request, response) => response.json({ ok: true }));
  app.get("/metrics", async (request, response) => response.type("text").send(await prometheus.register.metrics()));

  const server = app.listen(Number(env.PORT), env.ADDRESS);
  server.keepAliveTimeout = 75_000; // longer than nginx keeps idle connections
}

const labels = { name: "requests", help: "Responses, by status", labelNames: ["method", "route", "status"] };
const requests = new prometheus.Counter(labels);
const seconds = new prometheus.Histogram({
  name: "request_seconds", help: "Time in the app", labelNames: ["route"],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
});

function observe(request, response, next) {
  const from = performance.now();
  const given = request.get("X-Request-Id") ?? "";
  const id = /^[A-Za-z0-9_-]{8,64}$/.test(given) ? given : randomUUID();
  response.on("finish", () => {
    const ms = performance.now() - from;
    const { method, path, ip } = request;
    const { statusCode: status } = response;
    const route = request.route?.path ?? "other";
    requests.inc({ method, route, status });
    seconds.observe({ route }, ms / 1000);
    process.stdout.write(`${JSON.stringify({
      event: "request", method, path, status, ms: Math.round(ms * 10) / 10, client: ip,
      request_id: id, backend: env.BACKEND, level: "info", timestamp: new Date().toISOString(),
    })}\n`);
  });
  next();
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < Number(env.WORKERS); worker += 1) cluster.fork();
} else {
  await serve();
}
