/* Conditions: a slider each, their texts to look at and edit, new ones by name and values. */

const wordsOf = (weight) => {
  if (!weight) return "off";
  return weight > 0 ? weightText(weight) : `regardless ${percent(-weight)}`;
};
const NO_COLOUR = "none";
const spoken = (name) => name.replaceAll("_", " ");

/* The sliders of all conditions, made anew when conditions come or go. */
function showConditions() {
  const known = entityFacts().conditions;
  $("conditions").replaceChildren(...known.map(conditionRow));
  $("no-conditions").hidden = known.length > 0;
  $("ends").hidden = $("reset").hidden = known.length === 0;
  $("download").hidden = known.length === 0;
  $("keep").hidden = known.length === 0 || !about.keeps;
  const options = [[NO_COLOUR, "none"], ...known.map(({ name }) => [`values:${name}`, `${spoken(name)}, by its texts`])];
  const labels = entityFacts().labels.map((name) => [`label:${name}`, `${spoken(name)}, as labelled`]);
  $("colour").replaceChildren(...[...options, ...labels].map(([value, textContent]) => make("option", { value, textContent })));
  if (![...$("colour").options].some((option) => option.value === state.colour)) state.colour = options[1]?.[0] ?? NO_COLOUR;
  $("colour").value = state.colour;
}

function conditionRow({ name, values, texts, origin }, place) {
  const id = `weight-${place}`;
  const slider = make("input", { type: "range", id, min: -1, max: 1, step: WEIGHT_STEP });
  slider.dataset.condition = name;
  const output = make("span", { className: "weight", "aria-hidden": "true" });
  const button = make("button", { type: "button", className: "edit", textContent: "✎", title: `${texts} texts, ${origin}: ${values.slice(0, 30).join(", ")}` });
  button.setAttribute("aria-label", `texts of ${spoken(name)}`);
  button.addEventListener("click", () => told(() => editTexts(name)));
  const line = make("div", { className: "line" }, make("label", { htmlFor: id, textContent: spoken(name) }), output, button);
  const item = make("li", {}, line, slider);
  setSlider(item, state.weights[name] ?? 0);
  slider.addEventListener("input", () => weigh(name, Number(slider.value), item));
  slider.addEventListener("dblclick", () => weigh(name, 0, item));
  return item;
}

function setSlider(item, weight) {
  const [slider, output] = [item.querySelector("input"), item.querySelector(".weight")];
  const shown = Math.min(1, Math.max(-1, weight));
  if (Number(slider.value) !== shown) slider.value = shown;
  slider.style.setProperty("--at", `${50 + 50 * shown}%`);
  slider.classList.toggle("minus", weight < 0);
  item.classList.toggle("on", weight !== 0);
  output.textContent = wordsOf(weight);
  slider.setAttribute("aria-valuetext", weight > 0 ? `alike, weight ${weightText(weight)}` : wordsOf(weight));
}

function weigh(name, weight, item) {
  if (weight) state.weights[name] = Math.round(weight / WEIGHT_STEP) * WEIGHT_STEP;
  else delete state.weights[name];
  setSlider(item, weight);
  changed();
}

/* Whatever moved: the address follows, neighbours at once, the map when it rests. */
function changed() {
  keepAddress();
  refresh();
  refreshMap();
}

function allOff() {
  state.weights = {};
  for (const item of $("conditions").children) setSlider(item, 0);
  changed();
}

/* Take what the server says of a condition that was added or edited. */
function takeCondition(facts) {
  const known = entityFacts().conditions;
  const place = known.findIndex(({ name }) => name === facts.name);
  if (place < 0) known.push(facts);
  else known[place] = facts;
  showConditions();
}

const conditionPath = (name) => here(`conditions/${encodeURIComponent(name)}`);

async function addCondition(name, values) {
  const facts = await ask(conditionPath(name), { values });
  takeCondition(facts);
  if (values.length <= 60) state.typed[facts.name] = values;
  if (!(facts.name in state.weights)) state.weights[facts.name] = 1;
  state.colour = `values:${facts.name}`;
  showConditions();
  changed();
}

$("new").addEventListener("click", openNew);
function openNew() {
  $("condition-fault").textContent = "";
  $("condition-form").reset();
  $("condition-dialog").showModal();
  $("condition-name").focus();
}

/* Do what a dialog is for; it stays open, and says why, where that is refused. */
function dialogWork(dialog, form, fault, work) {
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value !== "ok") return;
    event.preventDefault();
    fault.textContent = "";
    event.submitter.disabled = true;
    try {
      await work();
      dialog.close();
      content();
    } catch (error) {
      fault.textContent = error.message;
      if (error.texts) fault.append(listButton(error.texts));
    } finally {
      event.submitter.disabled = false;
    }
  });
}

/* The texts that would have to be encoded elsewhere, one a line. */
function listButton(texts) {
  const button = make("button", { type: "button", textContent: "Save the list of texts" });
  button.addEventListener("click", () => saveAs("texts.keys.txt", new Blob([texts.map((text) => `${text}\n`).join("")])));
  return make("p", {}, button);
}

dialogWork($("condition-dialog"), $("condition-form"), $("condition-fault"), async () => {
  const values = $("condition-values").value.split(/[,\n]/).map((value) => value.trim()).filter(Boolean);
  const name = $("condition-name").value.trim();
  if (!name) throw new Refusal({ what: "The condition has no name." });
  await addCondition(name, values);
});

/* Texts of a condition, a line each. */
let edited = "";

function textLine({ value, text }) {
  const field = (label, content) => make("td", {}, make("input", { value: content, "aria-label": label, spellcheck: false }));
  const remove = make("button", { type: "button", textContent: "×" });
  remove.setAttribute("aria-label", "remove this text");
  const line = make("tr", {}, field("value", value), field("text", text), make("td", {}, remove));
  remove.addEventListener("click", () => {
    (line.nextElementSibling ?? line.previousElementSibling)?.querySelector("input").focus();
    line.remove();
  });
  return line;
}

async function editTexts(name) {
  const texts = await ask(conditionPath(name));
  edited = name;
  $("texts-title").textContent = `Texts of ${spoken(name)}`;
  $("texts").replaceChildren(...texts.map(textLine));
  $("texts-fault").textContent = "";
  $("texts-dialog").showModal();
  $("texts-title").focus();
}

$("text-more").addEventListener("click", () => {
  const line = textLine({ value: "", text: "" });
  $("texts").append(line);
  line.querySelector("input").focus();
});
dialogWork($("texts-dialog"), $("texts-form"), $("texts-fault"), async () => {
  const lines = [...$("texts").children].map((line) => [...line.querySelectorAll("input")].map((input) => input.value.trim()));
  const texts = lines.filter(([value, text]) => value || text).map(([value, text]) => ({ value, text: text || `a photo of ${value}` }));
  takeCondition(await ask(conditionPath(edited), { texts }));
  delete state.typed[edited];
  changed();
});
$("texts-remove").addEventListener("click", () => told(async () => {
  await ask(conditionPath(edited), undefined, "DELETE");
  entityFacts().conditions = entityFacts().conditions.filter(({ name }) => name !== edited);
  delete state.weights[edited];
  delete state.typed[edited];
  $("texts-dialog").close();
  showConditions();
  changed();
}));

$("reset").addEventListener("click", allOff);
$("download").addEventListener("click", () => told(async () => save(await respond(here("texts")))));
$("keep").addEventListener("click", () => told(async () => {
  const { kept } = await ask(here("texts"), {});
  announce(`kept as ${kept}`);
  $("keep").textContent = "Kept";
  setTimeout(() => ($("keep").textContent = "Keep texts"), 1600);
}));
dialogWork($("decide-dialog"), $("decide-form"), $("decide-fault"), async () => {
  await save(await respond(here("selection/decisions"), { rows: chosenRows(), reason: $("reason").value }));
});
