/* The page: choices above, queries below. Texts only ever become text nodes. */

const $ = (id) => document.getElementById(id);
const queries = new Queries(JSON.parse($("data").textContent));
const { data } = queries;
const PAGE = 24;
const ORDERS = [
  ["worst", "worst first"],
  ["best", "best first"],
  ["gain", "largest gain"],
  ["loss", "largest loss"],
  ["key", "by key"],
];
const state = { entity: "", set: 0, label: null, order: "worst", first: "", second: "", methods: null, shown: PAGE };
let kept = null; // the address that this page wrote itself

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1));
const count = (number) => number.toLocaleString("en");
const title = (name) => data.methods.find((method) => method.name === name)?.title ?? name;
const set = () => queries.sets(state.entity)[state.set];
const present = () => queries.methods(set()).map((method) => method.name);

/* ---- choices ---- */

function fill(select, options, chosen) {
  select.replaceChildren(
    ...options.map(([value, text]) => make("option", { value, textContent: text, selected: value === chosen })),
  );
}

function fillLabels() {
  const groups = Object.entries(data.entities[state.entity].labels).map(([attribute, column]) => {
    const options = column.values.map((value) => {
      const chosen = state.label?.[0] === attribute && state.label[1] === value;
      return make("option", { value: JSON.stringify([attribute, value]), textContent: value, selected: chosen });
    });
    return make("optgroup", { label: attribute }, ...options);
  });
  $("label").replaceChildren(make("option", { value: "", textContent: "any" }), ...groups);
  if (state.label === null) $("label").value = "";
}

function fillMethods() {
  const names = present().join("\n");
  if ($("methods").dataset.names === names) return; // keeps the focus
  $("methods").dataset.names = names;
  const chips = queries.methods(set()).map((method) => {
    const checked = state.methods === null || state.methods.includes(method.name);
    const text = method.title + (method.role === "rival" ? "" : ` (${method.role})`);
    const box = make("input", { type: "checkbox", value: method.name, checked });
    return make("label", { className: "chip", title: method.note }, box, make("span", { textContent: text }));
  });
  $("methods").replaceChildren($("methods").firstElementChild, ...chips);
}

function offer() {
  const names = present().map((name) => [name, title(name)]);
  if (!present().includes(state.first)) state.first = present().includes(data.reference) ? data.reference : names[0][0];
  if (!present().includes(state.second)) state.second = present().find((name) => name !== state.first) ?? state.first;
  fill($("entity"), queries.entities().map((name) => [name, data.titles[name] ?? name]), state.entity);
  const sets = queries.sets(state.entity).map((one, place) => [String(place), one.conditions.join(" + ")]);
  fill($("conditions"), sets, String(state.set));
  fill($("order"), ORDERS.slice(0, names.length > 1 ? 5 : 2).concat(names.length > 1 ? [] : [ORDERS[4]]), state.order);
  fill($("first"), names, state.first);
  fill($("second"), names, state.second);
  $("against").hidden = state.order !== "gain" && state.order !== "loss";
  $("first").parentElement.hidden = state.order === "key";
  fillLabels();
  fillMethods();
}

/* ---- queries ---- */

const unpictured = data.sheets === 0;
document.body.classList.toggle("unpictured", unpictured);

function picture(image, words) {
  const place = queries.picture(state.entity, image);
  if (place === null) {
    const key = data.entities[state.entity].keys[image];
    const none = make("span", { className: "none", textContent: unpictured ? key : "no picture" });
    none.setAttribute("role", "img");
    none.setAttribute("aria-label", words);
    return none;
  }
  const node = make("span", { className: "pic" });
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", words);
  node.style.backgroundImage = `url("${place.file}")`;
  node.style.backgroundSize = place.size;
  node.style.backgroundPosition = place.position;
  return node;
}

const said = (image) => queries.labels(state.entity, image).map(([name, value]) => `${name}: ${value}`).join(", ");
const asked = (image) => set().conditions.map((name) => queries.label(state.entity, name, image)).join(", ");

function strip(place, method) {
  const { conditions, queries: images } = set();
  const { scores, neighbours, similarities } = set().methods[method];
  const items = neighbours[place].map((image, rank) => {
    const yes = queries.relevant(state.entity, conditions, images[place], image);
    const key = data.entities[state.entity].keys[image];
    const words = `${yes ? "match" : "no match"}: ${said(image)}`;
    const sign = make("span", { className: "sign", textContent: yes ? "✓" : "✗" });
    sign.setAttribute("aria-hidden", "true");
    return make(
      "li",
      { className: yes ? "yes" : "no", title: `${key} · similarity ${similarities[place][rank].toFixed(3)} · ${said(image)}` },
      make("div", { className: "frame" }, picture(image, words), sign),
      make("span", { className: "words", textContent: asked(image) }),
    );
  });
  const hits = neighbours[place].filter((image) => queries.relevant(state.entity, conditions, images[place], image)).length;
  const score = make("span", { className: "ap" }, `${data.measure} `, make("b", { textContent: percent(scores[place]) }));
  score.append(` · ${hits} of ${neighbours[place].length} match`);
  return make("div", {}, make("h4", {}, `${title(method)} `, score), make("ol", { className: "strip" }, ...items));
}

function card(place, methods) {
  const image = set().queries[place];
  const group = set().groups[set().group[place]];
  const rest = queries.labels(state.entity, image).filter(([name]) => !set().conditions.includes(name));
  const caption = make("figcaption", {}, make("b", { textContent: asked(image) }));
  if (rest.length) caption.append(make("span", { className: "labels", textContent: rest.map(([, value]) => value).join(", ") }));
  if (group !== null) caption.append(make("span", { className: "labels", textContent: group }));
  caption.append(make("code", { textContent: data.entities[state.entity].keys[image] }));
  const figure = make("figure", { className: "query" }, picture(image, `query: ${said(image)}`), caption);
  return make("article", { className: "hit" }, figure, make("div", { className: "found" }, ...methods.map((m) => strip(place, m))));
}

function draw() {
  const methods = present().filter((name) => state.methods === null || state.methods.includes(name));
  const places = queries.filtered(state.entity, set(), state.label);
  const order = queries.ordered(state.entity, set(), places, state.order, state.first, state.second);
  const size = set().queries.length;
  $("sample").textContent =
    size === set().of
      ? `All ${count(size)} queries of ${set().conditions.join(" + ")}, under the split of seed ${data.seed}, with the ${data.count} images that each method ranks first.`
      : `${count(size)} of the ${count(set().of)} queries of ${set().conditions.join(" + ")}, spread evenly from the worst to the best ${data.measure} of ${title(data.reference ?? present()[0])}, under the split of seed ${data.seed}. The scores of all are in ${data.per_query}.`;
  $("status").replaceChildren(`${count(order.length)} ${order.length === 1 ? "query" : "queries"} · mean ${data.measure} of these: `);
  methods.forEach((name, number) => {
    const mean = make("b", { textContent: percent(queries.mean(set(), order, name)) });
    $("status").append(number ? ", " : "", `${title(name)} `, mean);
  });
  const cards = order.slice(0, state.shown).map((place) => card(place, methods));
  $("list").replaceChildren(...(cards.length ? cards : [make("p", { className: "empty", textContent: "No query has this label." })]));
  const left = order.length - state.shown;
  $("more").hidden = left <= 0;
  $("more").textContent = `Show ${Math.min(left, PAGE)} more of ${count(left)}`;
}

/* ---- state in the address, so that a view can be passed on ---- */

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const entities = queries.entities();
  state.entity = entities.includes(given.get("entity")) ? given.get("entity") : entities[0];
  const wanted = JSON.stringify(given.getAll("condition"));
  state.set = Math.max(0, queries.sets(state.entity).findIndex((one) => JSON.stringify(one.conditions) === wanted));
  if (ORDERS.some(([name]) => name === given.get("order"))) state.order = given.get("order");
  state.first = given.get("first") ?? state.first;
  state.second = given.get("second") ?? state.second;
  const [attribute, value] = given.getAll("label");
  const known = data.entities[state.entity].labels;
  state.label = Object.hasOwn(known, attribute ?? "") && known[attribute].values.includes(value) ? [attribute, value] : null;
}

function keep() {
  const said = new URLSearchParams({ entity: state.entity });
  for (const name of set().conditions) said.append("condition", name);
  for (const part of state.label ?? []) said.append("label", part);
  said.set("order", state.order);
  said.set("first", state.first);
  said.set("second", state.second);
  kept = `#${said}`;
  location.replace(kept);
}

function show() {
  offer();
  draw();
}

$("bar").addEventListener("change", (event) => {
  const { id, value } = event.target;
  state.shown = PAGE;
  if (id === "entity") Object.assign(state, { entity: value, set: 0, label: null });
  else if (id === "conditions") state.set = Number(value);
  else if (id === "label") state.label = value ? JSON.parse(value) : null;
  else if (["order", "first", "second"].includes(id)) state[id] = value;
  else state.methods = [...$("methods").querySelectorAll("input:checked")].map((box) => box.value);
  keep();
  show();
});
$("bar").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => {
  state.shown += PAGE;
  draw();
});
window.addEventListener("hashchange", () => {
  if (location.hash === kept) return;
  read();
  show();
});

if (queries.entities().length) {
  read();
  show();
} else {
  $("bar").hidden = true;
  $("sample").textContent = "No query was scored.";
}
