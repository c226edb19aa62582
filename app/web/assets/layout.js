import { machinesOf } from "./machines.js";

const WIDE = 640;
const PAD = 20;
const TITLE = 44;
const CROWD = 5;

/** The name under which the user stands on the map. */
export const YOU = "you";

const COLUMNS = [["dns", YOU], ["frontends"], ["backends"], ["redis", "mysql"]];
const ROWS = [[YOU, "dns"], ["frontends"], ["backends"], ["redis", "mysql"]];
const ROUTES = [[YOU, "dns"], [YOU, "frontends"], ["frontends", "backends"], ["backends", "redis"], ["backends", "mysql"]];

const members = (tier) => (tier === YOU ? [{ name: YOU }] : machinesOf(tier));

/**
 * Where everything stands on a map of this width: left to right where there is room, top to bottom where not.
 * `cards` maps names to boxes; `curves` maps every way, as "backend1>redis1", to the four points of its curve.
 */
export function layOut(width) {
  const isWide = width >= WIDE;
  const { cards, titles, zones, height } = isWide ? columns(width) : rows(width);
  return { isWide, width, height, cards, titles, zones, curves: curves(cards, isWide) };
}

function columns(width) {
  const isCrowded = COLUMNS.flat().some((tier) => members(tier).length > CROWD);
  const card = { w: Math.min(188, width * 0.175), h: isCrowded ? 36 : 60 };
  const gap = isCrowded ? 7 : 24;
  const size = (tier) => TITLE + members(tier).length * (card.h + gap) - gap;
  const inside = Math.max(316, ...COLUMNS.map((column) => column.reduce((sum, tier) => sum + size(tier), 32 * (column.length - 1))));
  const [cards, titles, zones] = [new Map(), [], []];
  COLUMNS.forEach((column, index) => {
    const x = PAD + (index * (width - 2 * PAD - card.w)) / (COLUMNS.length - 1);
    if (column.length === 1) zones.push({ x: x - 14, y: PAD - 10, w: card.w + 28, h: inside + 20 });
    column.forEach((tier, place) => {
      const count = members(tier).length;
      const slack = inside - size(tier);
      // A tier alone in its column spreads out; two share it, one at the top and one at the bottom.
      const spread = column.length === 1 && count > 1 ? Math.min(60, slack / (count - 1)) : 0;
      const top = PAD + (column.length === 1 ? (slack - spread * (count - 1)) / 2 : place * slack);
      titles.push({ tier, x, y: column.length === 1 ? PAD : top });
      members(tier).forEach((machine, n) => {
        cards.set(machine.name, { ...card, ...machine, tier, x, y: top + TITLE + n * (card.h + gap + spread) });
      });
    });
  });
  return { cards, titles, zones, height: inside + 2 * PAD };
}

function rows(width) {
  const gap = 8;
  const perRow = 3;
  const pad = 12;
  const card = { w: (width - 2 * pad - gap * (perRow - 1)) / perRow, h: 46 };
  const [cards, titles, zones] = [new Map(), [], []];
  let y = PAD;
  for (const row of ROWS) {
    const isShared = row.length > 1;
    const across = isShared ? 1 : perRow;
    row.forEach((tier, place) => {
      const left = pad + place * (width - 2 * pad - card.w);
      titles.push({ tier, x: left, y });
      members(tier).forEach((machine, n) => {
        const line = Math.floor(n / across);
        const inLine = Math.min(across, members(tier).length - line * across);
        const shift = isShared ? 0 : ((perRow - inLine) * (card.w + gap)) / 2;
        cards.set(machine.name, { ...card, ...machine, tier, x: left + shift + (n % across) * (card.w + gap), y: y + TITLE + line * (card.h + gap) });
      });
    });
    const lines = Math.max(...row.map((tier) => Math.ceil(members(tier).length / across)));
    const bottom = y + TITLE + lines * (card.h + gap) - gap;
    if (!isShared) zones.push({ x: 4, y: y - 12, w: width - 8, h: bottom - y + 22 });
    y = bottom + 30;
  }
  return { cards, titles, zones, height: y - 30 + PAD };
}

function curves(cards, isWide) {
  const of = (tier) => [...cards.values()].filter((card) => card.tier === tier);
  const ways = ROUTES.flatMap(([from, to]) => of(from).flatMap((a) => of(to).map((b) => [a, b])));
  return new Map(ways.map(([a, b]) => [`${a.name}>${b.name}`, curve(a, b, isWide)]));
}

function curve(a, b, isWide) {
  const isLookup = b.tier === "dns";
  if (isLookup === isWide) return upDown(a, b, isLookup ? 0.85 : 0.5);
  const [from, to] = [{ x: a.x + a.w, y: a.y + a.h / 2 }, { x: b.x, y: b.y + b.h / 2 }];
  const middle = (from.x + to.x) / 2;
  return [from, { x: middle, y: from.y }, { x: middle, y: to.y }, to];
}

function upDown(a, b, where) {
  const isUp = b.y < a.y;
  const from = { x: a.x + a.w * where, y: isUp ? a.y : a.y + a.h };
  const to = { x: b.x + b.w * where, y: isUp ? b.y + b.h : b.y };
  const middle = (from.y + to.y) / 2;
  return [from, { x: from.x, y: middle }, { x: to.x, y: middle }, to];
}

const at = ({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`;

const drawn = ([from, ...rest]) => `M${at(from)}C${rest.map(at).join(" ")}`;

/** Curves in a row as one path. */
export const joined = (curves) => curves.map(drawn).join("").replaceAll(/(?<=.)M/g, "L");
