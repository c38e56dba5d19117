/* Neighbours: asked for while sliders move, the last question being the one that counts, and moved to their new places. */

const answers = { query: {}, weights: {}, pictures: new Map(), methods: [], asking: false, again: false };
const still = matchMedia("(prefers-reduced-motion: reduce)");
const lists = [$("list-0"), $("list-1")];

const queryNow = () => (isUpload(state.query) ? state.query : current.row);

/* Ask for the neighbours anew; while one question is under way, all further ones become one. */
async function refresh() {
  answers.again = true;
  if (answers.asking || queryNow() === undefined) return;
  answers.asking = true;
  try {
    while (answers.again) {
      answers.again = false;
      const asked = { query: queryNow(), weights: { ...state.weights }, methods: state.methods, top: state.top };
      showAnswers(await ask(here("neighbours"), asked), asked.weights);
      content();
    }
  } catch (error) {
    complain(error);
  } finally {
    answers.asking = false;
  }
}

function showAnswers(found, weights) {
  answers.query = found.query;
  answers.weights = weights;
  answers.pictures = new Map(found.pictures.map((picture) => [picture.row, picture]));
  answers.methods = found.methods;
  const [first, second] = found.methods.map((one) => new Set(one.rows));
  const common = [...first].filter((row) => second.has(row)).length;
  found.methods.forEach((one, number) => {
    const others = number ? first : second;
    showList(lists[number], one, others);
    lists[number].setAttribute("aria-label", `Neighbours by ${methodName(one.method)}`);
    $(`note-${number}`).textContent = `◆ ${one.rows.length - common} only here`;
  });
  $("asked").replaceChildren(...questionWords());
  $("took").textContent = `${found.ms} ms`;
  document.body.dataset.ms = found.ms;
  document.body.dataset.answers = String(Number(document.body.dataset.answers ?? 0) + 1);
  const best = found.methods[0].rows[0];
  if (best !== undefined) announce(`${$("asked").textContent}. First by ${methodName(found.methods[0].method)}: ${answers.pictures.get(best).name}`);
}

/* The question in a sentence. */
function questionWords() {
  const asked = Object.entries(answers.weights).filter(([, weight]) => weight);
  const named = (sign) => asked.filter(([, weight]) => Math.sign(weight) === sign).map(([name]) => name.replaceAll("_", " "));
  const [alike, regardless] = [named(1), named(-1)];
  const bold = (names) => names.flatMap((name, i) => [i ? (i === names.length - 1 ? " and " : ", ") : "", make("b", { textContent: name })]);
  const words = alike.length ? ["Alike in ", ...bold(alike)] : ["Alike in general"];
  return regardless.length ? [...words, ", regardless of ", ...bold(regardless)] : words;
}

/* Tiles that stay are moved, not made again, so that the eye can follow them. */
function showList(list, { rows, similarities }, others) {
  const before = new Map([...list.children].map((tile) => [Number(tile.dataset.row), tile]));
  const focused = list.contains(document.activeElement) ? Number(document.activeElement.dataset.row) : null;
  const moves = !still.matches && before.size > 0;
  const places = moves ? new Map([...before].map(([row, tile]) => [row, tile.getBoundingClientRect()])) : new Map();
  const tiles = rows.map((row, i) => {
    const tile = before.get(row) ?? makeTile(row);
    fillTile(tile, i + 1, answers.pictures.get(row), similarities[i], answers.query, !others.has(row));
    return tile;
  });
  list.replaceChildren(...tiles);
  for (const tile of tiles) tile.tabIndex = -1;
  const kept = tiles.find((tile) => Number(tile.dataset.row) === focused) ?? tiles[0];
  if (kept) kept.tabIndex = 0;
  if (focused !== null) kept?.focus({ preventScroll: true });
  if (!moves) return;
  for (const tile of tiles) {
    const from = places.get(Number(tile.dataset.row));
    const to = tile.getBoundingClientRect();
    const frames = from
      ? [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: "none" }]
      : [{ opacity: 0 }, { opacity: 1 }];
    if (!from || from.left !== to.left || from.top !== to.top) tile.animate(frames, { duration: 240, easing: "ease-out" });
  }
}

/* Why: what two pictures show by the texts of every condition. */
let whyOf = null;
let whyTimer = 0;

function explain(row) {
  if (whyOf === row) return;
  whyOf = row;
  clearTimeout(whyTimer);
  whyTimer = setTimeout(() => told(() => showWhy(row)), 90);
}

async function showWhy(row) {
  const query = queryNow();
  const conditions = await ask(here("why"), { query, row });
  if (whyOf !== row) return;
  const picture = answers.pictures.get(row) ?? (await factsOf(row));
  const figure = (words, which, name) =>
    make("figure", {}, make("div", { className: "frame" }, pictureOf(which, name)), make("figcaption", { textContent: words }));
  $("why-none").hidden = true;
  $("why-pair").hidden = false;
  $("why-pictures").replaceChildren(figure("the query", query, $("query-name").textContent), figure(picture.name, row, picture.name));
  $("why-ask").onclick = () => choose(row);
  $("why-select").onclick = () => toggle(row);
  $("why-values").replaceChildren(...conditions.map((one) => reason(one, picture)));
  document.body.dataset.why = row;
}

function reason({ condition, same, values }, picture) {
  const bar = (share, its) => {
    const fill = make("i");
    fill.style.width = `${Math.round(34 * share)}px`;
    return make("td", {}, make("span", { className: its ? "share its" : "share" }, fill, percent(share)));
  };
  const label = picture.labels[condition];
  const head = make("tr", {}, make("th", { textContent: label === undefined ? "" : `labelled ${label}` }), make("td", { textContent: "query" }), make("td", { textContent: "neighbour" }));
  const lines = values.map(([value, own, its]) => make("tr", {}, make("th", { scope: "row", textContent: value }), bar(own, false), bar(its, true)));
  const title = make("h3", {}, condition.replaceAll("_", " "), make("span", { textContent: `same: ${percent(same)}` }));
  return make("div", { className: "reason" }, title, make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)));
}

/* Moving among tiles. */
function columnsOf(list) {
  const tops = [...list.children].map((tile) => tile.offsetTop);
  const count = tops.findIndex((top) => top !== tops[0]);
  return count < 0 ? Math.max(1, tops.length) : count;
}

function moveTo(list, place) {
  const tile = list.children[Math.min(Math.max(place, 0), list.children.length - 1)];
  if (!tile) return;
  for (const other of list.children) other.tabIndex = -1;
  tile.tabIndex = 0;
  tile.focus();
}

function tileKeys(event) {
  const tile = event.target.closest(".tile");
  if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
  const list = tile.parentElement;
  const place = [...list.children].indexOf(tile);
  const wide = columnsOf(list);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide, Home: -place, End: list.children.length };
  const row = Number(tile.dataset.row);
  if (event.key in steps) moveTo(list, place + steps[event.key]);
  else if (event.key === "Enter") choose(row);
  else if (event.key === " ") toggle(row);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

for (const list of lists) {
  list.addEventListener("keydown", tileKeys);
  list.addEventListener("focusin", (event) => explain(Number(event.target.closest(".tile").dataset.row)));
  list.addEventListener("pointerover", (event) => {
    const tile = event.target.closest(".tile");
    if (tile && event.pointerType === "mouse") explain(Number(tile.dataset.row));
  });
  list.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const row = Number(tile.dataset.row);
    if (event.target.closest(".ask-why")) {
      explain(row);
      $("why").scrollIntoView({ behavior: still.matches ? "auto" : "smooth" });
    } else if (event.shiftKey || event.ctrlKey || event.metaKey) toggle(row);
    else choose(row);
  });
}
