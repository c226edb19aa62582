import { USERS, columnsOf } from "./graph.js";

// What a column needs; with less, the map goes from top to bottom.
const COLUMN = 190;
const PAD = 20;
// A map taller than this gets small cards.
const TALL = 600;
const LARGE = { h: 60, gap: 24 };
const SMALL = { h: 36, gap: 7 };
const PER_ROW = 3;
// A title with one line below it; what each further line adds; the mean width of a letter of that line.
const TITLE = 44;
const LINE = 14;
const LETTER = 5.9;

/** The name of the user's card. */
export const YOU = "you";

/**
 * Place everything on a map of this width: left to right where there is room, top to bottom where there is not.
 *
 * `tiers` are `{name, title, text, machines}`, the users among them; `links` are `[from, to]`.
 * The result's `cards` maps names to boxes; `curves` maps each link of two cards, as "backend1>redis1", to the four
 * points of its curve.
 */
export function layOut(width, tiers, links) {
  const inUse = tiers.filter(({ machines }) => machines.length);
  const columns = columnsOf(tiers.map(({ name }) => name), links)
    .map((column) => inUse.filter(({ name }) => column.includes(name)))
    .filter((column) => column.length);
  const isWide = width >= columns.length * COLUMN;
  const { cards, titles, zones, height } = isWide ? leftToRight(width, columns) : topToBottom(width, columns);
  return { isWide, width, height, cards, titles, zones, curves: curvesOf(cards, links, isWide) };
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

const isZone = (column) => column.length === 1 && column[0].name !== USERS;

function leftToRight(width, columns) {
  const cardWidth = Math.min(188, (width * 0.7) / columns.length);
  const step = (width - 2 * PAD - cardWidth) / Math.max(1, columns.length - 1);
  const lines = new Map(columns.flat().map((tier) => [tier, wrap(tier.text, Math.min(step, cardWidth + 14))]));
  const head = headOf(lines.values());
  const sizeOf = ({ machines }, { h, gap }) => head + machines.length * (h + gap) - gap;
  const filled = (column, card) => sum(column.map((tier) => sizeOf(tier, card)));
  const heightFor = (card) => Math.max(316, ...columns.map((column) => filled(column, card) + 32 * (column.length - 1)));
  const size = heightFor(LARGE) > TALL ? SMALL : LARGE;
  const inside = heightFor(size);
  const [cards, titles, zones] = [new Map(), [], []];
  const place = (tier, index, top, pitch) => {
    const x = PAD + index * step;
    titles.push({ title: tier.title, lines: lines.get(tier), x, y: isZone(columns[index]) ? PAD : top });
    tier.machines.forEach((machine, n) => {
      cards.set(machine.name, { ...machine, tier: tier.name, index, x, y: top + head + n * pitch, w: cardWidth, h: size.h });
    });
  };
  columns.forEach((column, index) => {
    const slack = inside - filled(column, size);
    const pitch = size.h + size.gap;
    if (isZone(column)) {
      // A tier alone in its column spreads out.
      const [tier] = column;
      const spaces = tier.machines.length - 1;
      const spread = spaces ? Math.min(60, slack / spaces) : 0;
      zones.push({ x: PAD + index * step - 14, y: PAD - 10, w: cardWidth + 28, h: inside + 20 });
      place(tier, index, PAD + (slack - spread * spaces) / 2, pitch + spread);
    } else {
      // Several share it, the first at the top and the last at the bottom.
      const between = slack / Math.max(1, column.length - 1);
      let top = PAD + (column.length === 1 ? slack / 2 : 0);
      for (const tier of column) {
        place(tier, index, top, pitch);
        top += sizeOf(tier, size) + between;
      }
    }
  });
  return { cards, titles, zones, height: inside + 2 * PAD };
}

function topToBottom(width, columns) {
  const gap = 8;
  const pad = 12;
  const card = { w: (width - 2 * pad - gap * (PER_ROW - 1)) / PER_ROW, h: 46 };
  const [cards, titles, zones] = [new Map(), [], []];
  let y = PAD;
  rowsOf(columns).forEach((row, index) => {
    const isShared = !isZone(row);
    const perLine = isShared ? 1 : PER_ROW;
    const step = (width - 2 * pad - card.w) / Math.max(1, row.length - 1);
    const lines = row.map(({ text }) => wrap(text, isShared ? card.w : width - 2 * pad));
    const head = headOf(lines);
    row.forEach((tier, place) => {
      const left = pad + place * step;
      titles.push({ title: tier.title, lines: lines[place], x: left, y });
      tier.machines.forEach((machine, n) => {
        const line = Math.floor(n / perLine);
        const inLine = Math.min(perLine, tier.machines.length - line * perLine);
        const shift = isShared ? 0 : ((PER_ROW - inLine) * (card.w + gap)) / 2;
        const x = left + shift + (n % perLine) * (card.w + gap);
        cards.set(machine.name, { ...card, ...machine, tier: tier.name, index, x, y: y + head + line * (card.h + gap) });
      });
    });
    const tallest = Math.max(...row.map(({ machines }) => Math.ceil(machines.length / perLine)));
    const bottom = y + head + tallest * (card.h + gap) - gap;
    if (!isShared) zones.push({ x: 4, y: y - 12, w: width - 8, h: bottom - y + 22 });
    y = bottom + 30;
  });
  return { cards, titles, zones, height: y - 30 + PAD };
}

// The user comes first, and a row has room for three tiers.
function rowsOf([first, ...others]) {
  return [first.toReversed(), ...others].flatMap((column) =>
    Array.from({ length: Math.ceil(column.length / PER_ROW) }, (_, n) => column.slice(n * PER_ROW, (n + 1) * PER_ROW)),
  );
}

const headOf = (texts) => TITLE + LINE * Math.max(0, ...Array.from(texts, (lines) => lines.length - 1));

function wrap(text, room) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = [lines.at(-1), word].join(" ");
    if (lines.length && fits(longer, room)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Whether a line below a title or a name has room. */
export const fits = (text, room) => text.length * LETTER <= room;

function curvesOf(cards, links, isWide) {
  const of = (tier) => [...cards.values()].filter((card) => card.tier === tier);
  const others = links.filter(([from, to]) => from !== to);
  const pairs = others.flatMap(([from, to]) => of(from).flatMap((a) => of(to).map((b) => [a, b])));
  return new Map(pairs.map(([a, b]) => [`${a.name}>${b.name}`, curve(a, b, isWide)]));
}

// Two columns are linked across, two tiers of one column up or down, and rows the other way round.
function curve(a, b, isWide) {
  const isSame = a.index === b.index;
  return isSame === isWide ? upOrDown(a, b, isSame ? 0.85 : 0.5) : across(a, b);
}

function across(a, b) {
  const isBack = b.x < a.x;
  const from = { x: isBack ? a.x : a.x + a.w, y: a.y + a.h / 2 };
  const to = { x: isBack ? b.x + b.w : b.x, y: b.y + b.h / 2 };
  const middle = (from.x + to.x) / 2;
  return [from, { x: middle, y: from.y }, { x: middle, y: to.y }, to];
}

function upOrDown(a, b, where) {
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
