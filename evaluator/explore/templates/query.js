/* The query: a click, a name, or a picture of one's own. */

const current = { row: undefined, facts: null };
const known = new Map();

async function factsOf(row) {
  if (!known.has(row)) {
    const [facts] = await ask(here(`find?row=${row}`));
    if (known.size > 5000) known.clear();
    known.set(row, facts);
  }
  return known.get(row);
}

function showQuery() {
  const { facts } = current;
  const query = queryNow();
  $("query-picture").replaceChildren(pictureOf(query, facts.name, "large"));
  $("query-name").textContent = facts.name;
  const labels = Object.entries(facts.labels).map(([name, value]) => make("div", {}, make("dt", { textContent: spoken(name) }), make("dd", { textContent: value })));
  $("query-labels").replaceChildren(...labels);
  document.body.dataset.query = facts.key ?? facts.name;
}

/* Make the picture of a row the query; a step that Back undoes. */
function choose(row, step = true) {
  return told(async () => {
    const facts = await factsOf(row);
    Object.assign(current, { row, facts });
    state.query = facts.key;
    asked(step);
  });
}

function asked(step) {
  whyOf = null;
  keepAddress(step);
  showQuery();
  refresh().then(draw);
}

/* The query of the address: a key, or a picture that was dropped in while this server ran. */
async function restoreQuery(query) {
  if (isUpload(query)) {
    const there = await fetch(picturePath(query, "small")).then((answer) => answer.ok, () => false);
    if (there) return takeUpload(query, "the picture you dropped in", false);
  }
  const [facts] = query && !isUpload(query) ? await ask(here(`find?key=${encodeURIComponent(query)}`)) : [];
  if (query && !isUpload(query) && !facts) complain(new Refusal({ what: `There is no picture with the key ${query} here; another is shown.` }));
  if (facts) known.set(facts.row, facts);
  return choose(facts ? facts.row : Math.floor(entityFacts().pictures / 2), false);
}

function takeUpload(name, words, step) {
  state.query = name;
  Object.assign(current, { row: undefined, facts: { name: words, labels: {} } });
  asked(step);
}

async function upload(file) {
  if (!file) return;
  await told(async () => {
    announce("the picture is being embedded");
    const { query } = await ask(here("upload"), file);
    takeUpload(query, file.name || "the picture you pasted", true);
  });
}

$("drop").addEventListener("change", (event) => {
  upload(event.target.files[0]);
  event.target.value = "";
});
const bringsFiles = (event) => entityFacts().embeds && [...(event.dataTransfer?.types ?? [])].includes("Files");
document.addEventListener("dragover", (event) => {
  if (!bringsFiles(event)) return;
  event.preventDefault();
  $("over").hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("over").hidden = true;
});
document.addEventListener("drop", (event) => {
  if (!bringsFiles(event)) return;
  event.preventDefault();
  $("over").hidden = true;
  upload(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  if (event.target.matches?.("input, textarea")) return;
  upload([...(event.clipboardData?.files ?? [])][0]);
});

/* Any picture but the one that is shown. */
function another() {
  const count = entityFacts().pictures;
  choose((current.row + 1 + Math.floor(Math.random() * (count - 1))) % count || 0);
}
$("another").addEventListener("click", another);

/* Finding by name: a combobox. */
const find = $("find");
let findTimer = 0;
let active = -1;

function closeFound() {
  $("found").hidden = true;
  find.setAttribute("aria-expanded", "false");
  find.removeAttribute("aria-activedescendant");
  active = -1;
}

async function lookUp() {
  const text = find.value;
  const list = await ask(here(`find?text=${encodeURIComponent(text)}`));
  if (text !== find.value || document.activeElement !== find) return;
  const items = list.map((facts, i) => {
    known.set(facts.row, facts);
    const item = make("li", { role: "option", id: `found-${i}` }, pictureOf(facts.row, ""), make("span", { textContent: facts.name }));
    item.setAttribute("aria-selected", "false");
    item.addEventListener("pointerdown", (event) => event.preventDefault());
    item.addEventListener("click", () => pick(facts.row));
    item.dataset.row = facts.row;
    return item;
  });
  $("found").replaceChildren(...(items.length ? items : [make("li", { role: "option", textContent: "No picture of that name" })]));
  $("found").hidden = false;
  find.setAttribute("aria-expanded", "true");
  active = -1;
  announce(items.length ? `${items.length} found` : "no picture of that name");
}

function pick(row) {
  closeFound();
  find.value = "";
  choose(row);
}

function highlight(step) {
  const items = [...$("found").querySelectorAll("[data-row]")];
  if (!items.length) return;
  active = (active + step + items.length) % items.length;
  items.forEach((item, i) => item.setAttribute("aria-selected", String(i === active)));
  items[active].scrollIntoView({ block: "nearest" });
  find.setAttribute("aria-activedescendant", items[active].id);
}

find.addEventListener("input", () => {
  clearTimeout(findTimer);
  findTimer = setTimeout(() => told(lookUp), 120);
});
find.addEventListener("focus", () => told(lookUp));
find.addEventListener("blur", closeFound);
find.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") highlight(1);
  else if (event.key === "ArrowUp") highlight(active < 0 ? 0 : -1);
  else if (event.key === "Enter") {
    const item = $("found").querySelectorAll("[data-row]")[Math.max(0, active)];
    if (item) pick(Number(item.dataset.row));
  } else if (event.key === "Escape") {
    if ($("found").hidden) find.blur();
    else closeFound();
  } else return;
  event.preventDefault();
});
