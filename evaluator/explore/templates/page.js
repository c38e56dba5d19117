/* The page as a whole: how it begins, what keys do, and what the address says. */

let about = null;

function showEntities() {
  const names = Object.keys(about.entities);
  $("entity").replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  $("entity-label").hidden = names.length < 2;
  $("entity").value = state.entity;
}

function showMethods() {
  for (const number of [0, 1]) {
    const select = $(`method-${number}`);
    select.replaceChildren(...entityFacts().methods.map((spec) => make("option", { value: spec, textContent: methodName(spec) })));
    select.value = state.methods[number];
  }
}

function showAbout() {
  const { pictures: count, notes, shown, embeds } = entityFacts();
  for (const id of ["drop-label", "drop-hint"]) $(id).hidden = !embeds;
  const words = [`${count.toLocaleString("en")} ${shown ? "pictures" : "vectors without pictures"}`, about.encoder];
  $("about").textContent = words.join(" · ");
  $("notes").hidden = !notes.length;
  $("notes").querySelector("summary").textContent = notes.length === 1 ? "1 note on the data" : `${notes.length} notes on the data`;
  $("notes").querySelector("ul").replaceChildren(...notes.map((textContent) => make("li", { textContent })));
}

/* Take over what the address says; what it does not say stays as it begins. */
async function restore() {
  const said = readAddress();
  const names = Object.keys(about.entities);
  const before = state.entity;
  state.entity = names.includes(said.entity) ? said.entity : names[0];
  if (before !== state.entity) {
    known.clear();
    pictures.clear();
    selection.clear();
    Object.assign(current, { row: undefined, facts: null });
    lists.forEach((list) => list.replaceChildren());
  }
  const facts = entityFacts();
  for (const [name, values] of Object.entries(said.typed)) {
    state.typed[name] = values;
    if (!facts.conditions.some((one) => one.name === name)) await told(async () => takeCondition(await ask(conditionPath(name), { values })));
  }
  const there = new Set(facts.conditions.map(({ name }) => name));
  const unknown = Object.keys(said.weights).filter((name) => !there.has(name));
  state.weights = Object.fromEntries(Object.entries(said.weights).filter(([name]) => there.has(name)));
  if (!said.given && facts.conditions.length) state.weights = { [facts.conditions[0].name]: 1 };
  state.methods = [0, 1].map((number) => (facts.methods.includes(said.methods[number]) ? said.methods[number] : facts.methods[Math.min(number, facts.methods.length - 1)]));
  state.top = [...$("top").options].some((option) => Number(option.value) === said.top) ? said.top : 24;
  state.colour = said.colour || state.colour;
  $("top").value = state.top;
  $("layout").hidden = false;
  showEntities();
  showMethods();
  showAbout();
  showConditions();
  showSelection();
  await restoreQuery(said.query);
  refreshMap(0);
  if (unknown.length) complain(new Refusal({ what: `The address asks for conditions that are not here: ${unknown.join(", ")}.`, hint: "add them, or begin with the file of their texts" }));
}

$("entity").addEventListener("change", (event) => {
  history.pushState(null, "", `#e=${encodeURIComponent(event.target.value)}`);
  state.typed = {};
  told(async () => {
    await restore();
    const [first] = entityFacts().conditions;
    if (first) {
      state.weights = { [first.name]: 1 };
      showConditions();
      changed();
    }
  });
});
for (const number of [0, 1])
  $(`method-${number}`).addEventListener("change", (event) => {
    state.methods[number] = event.target.value;
    keepAddress();
    refresh();
    if (!number) refreshMap(0);
  });
$("top").addEventListener("change", (event) => {
  state.top = Number(event.target.value);
  keepAddress();
  refresh();
});
addEventListener("popstate", () => told(restore));
$("back").addEventListener("click", () => history.back());

async function share() {
  keepAddress();
  const button = $("share");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
    announce("the address of this view is copied");
  } catch {
    button.textContent = "It is in the address bar";
  }
  setTimeout(() => (button.textContent = "Copy this view"), 1800);
}
$("share").addEventListener("click", share);

function help() {
  $("help").showModal();
}
$("ask-help").addEventListener("click", help);

/* The slider of the condition whose row has the focus, or of the first one that is on. */
function editFocused() {
  const item = document.activeElement.closest("#conditions li") ?? document.querySelector("#conditions .on") ?? $("conditions").firstElementChild;
  const name = item?.querySelector("input").dataset.condition;
  if (name) told(() => editTexts(name));
}

const focusList = (number) => moveTo(lists[number], Math.max(0, [...lists[number].children].findIndex((tile) => tile.tabIndex === 0)));
const KEYS = {
  "/": () => find.focus(),
  "?": help,
  0: allOff,
  n: openNew,
  e: editFocused,
  a: () => focusList(0),
  b: () => focusList(1),
  r: another,
  s: () => select(answers.methods.flatMap((one) => one.rows)),
  x: clearSelection,
  c: share,
  m: () => canvas.focus(),
  f: fitMap,
  l: () => setLasso(!lassoing),
  v: () => select(pointsInView()),
};

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || !about || document.querySelector("dialog[open]")) return;
  if (target.matches("input:not([type=range]), select, textarea")) return;
  const slider = /^[1-9]$/.test(event.key) ? $("conditions").children[Number(event.key) - 1]?.querySelector("input") : null;
  const action = slider ? () => slider.focus() : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

told(async () => {
  about = await ask("about");
  await restore();
  keepAddress();
});
