/* The page: draws a sheet at a time, listens to keys and mouse. Texts of pictures only ever become text nodes. */

const $ = (id) => document.getElementById(id);
const table = JSON.parse($("table").textContent);
const all = groupings(table);
let storage = null;
try {
  storage = window.localStorage;
} catch {
  /* Some browsers keep nothing for local files: the page says so. */
}
const review = new Review(table, storage);
let details = null;
let grouping, sheets, sheet;
let cursor = 0; // place on the sheet
let anchor = 0; // where a range begins
let asked = []; // the pictures whose reason is being typed
const inView = new Set();
let dwell = null;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const count = (number) => number.toLocaleString("en");
const say = (words) => ($("status").textContent = words);
const cellAt = (place) => $("sheet").querySelectorAll(".cell")[place];
const current = () => sheet.numbers[cursor];

/* ---- drawing ---- */

function words(number) {
  const mark = review.marks.get(number);
  if (mark?.decision === "remove") return mark.reason ?? "removed";
  if (mark) return "accepted";
  if (grouping.said) return grouping.said.get(number);
  if (review.quarantined(number)) return table.reasons[number].at(-1)?.replace(/^attempt \d+: /, "") ?? "quarantined";
  const asked = grouping.id.slice(grouping.entity.length + 1);
  if (asked === "*") return "";
  return labelsOf(table, number)
    .filter(([name]) => name !== asked)
    .map(([, value]) => value)
    .join(", ");
}

function picture(number, end, alt) {
  if (Object.hasOwn(table.faults, number))
    return make("span", { className: "none" }, "cannot be shown: " + table.faults[number]);
  const image = make("img", { alt, decoding: "async", draggable: false, src: pathOf(table, number, end) });
  image.addEventListener("error", () => image.replaceWith(make("span", { className: "none" }, "no picture file")));
  return image;
}

function cell(number) {
  const pick = make("button", { type: "button", className: "pick", tabIndex: -1 });
  pick.append(
    picture(number, "", ""),
    make("span", { className: "sign", ariaHidden: "true" }),
    make("span", { className: "words" }),
  );
  const zoom = make("button", { type: "button", className: "zoom", tabIndex: -1, title: "enlarge (Enter)" }, "⤢");
  zoom.setAttribute("aria-label", "enlarge");
  const figure = make("div", { className: "cell" }, pick, zoom);
  figure.dataset.number = number;
  return figure;
}

function dress(figure) {
  const number = Number(figure.dataset.number);
  const mark = review.marks.get(number);
  const pick = figure.firstChild;
  figure.classList.toggle("remove", mark?.decision === "remove");
  figure.classList.toggle("accept", mark?.decision === "accept");
  pick.setAttribute("aria-pressed", String(Boolean(mark)));
  pick.querySelector(".sign").textContent = mark ? (mark.decision === "remove" ? "✗" : "✓") : "";
  pick.querySelector(".words").textContent = words(number);
  const labels = labelsOf(table, number).map(([name, value]) => `${name} ${value}`);
  const said = mark ? [mark.decision === "remove" ? `removed: ${mark.reason ?? "no reason"}` : "accepted"] : [];
  const held = review.quarantined(number) ? ["quarantined: " + table.reasons[number].join("; ")] : [];
  const why = grouping.said ? [grouping.said.get(number)] : [];
  pick.setAttribute("aria-label", [...said, ...why, ...labels, ...held, table.rows[number][0]].join(", "));
}

function redraw(numbers) {
  const changed = new Set(numbers);
  for (const figure of $("sheet").querySelectorAll(".cell"))
    if (changed.has(Number(figure.dataset.number))) dress(figure);
  progress();
  if ($("large").open) enlarge();
}

function progress() {
  const seen = review.seenOf(grouping.id, grouping.numbers);
  const parts = [`${count(seen)} of ${count(grouping.numbers.length)} seen`, `${count(review.count("remove"))} removed`];
  if (Object.keys(table.reasons).length) parts.push(`${count(review.count("accept"))} accepted`);
  $("progress").textContent = parts.join(", ");
  $("meter").max = grouping.numbers.length;
  $("meter").value = seen;
  $("unkept").hidden = review.kept;
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const number = Number(target.dataset.number);
      if (isIntersecting && target.isConnected) inView.add(number);
      else inView.delete(number);
    }
    clearTimeout(dwell);
    dwell = setTimeout(() => review.see(grouping.id, inView) && progress(), 300);
  },
  { threshold: 0.5 },
);

function openSheet(place, cursorAt = 0) {
  place = Math.max(0, Math.min(place, sheets.length - 1));
  sheet = sheets[place];
  watcher.disconnect();
  inView.clear();
  review.at = { grouping: grouping.id, sheet: place };
  review.keep();
  const sections = sheet.sections.map((section) => {
    const cells = section.numbers.map(cell);
    cells.forEach(dress);
    const heading = make("h2", {}, `${section.title} · ${count(section.numbers.length)}`);
    const grid = make("div", { className: "grid" }, ...cells);
    return make("section", {}, ...(sheet.sections.length > 1 ? [heading] : []), grid);
  });
  $("sheet").replaceChildren(...sections);
  $("sheet").querySelectorAll(".cell").forEach((figure) => watcher.observe(figure));
  $("title").textContent = `${grouping.title}: ${sheet.title} · ${count(sheet.numbers.length)}`;
  $("jump").value = String(place);
  $("previous").disabled = place === 0;
  $("next").disabled = place === sheets.length - 1;
  window.scrollTo(0, 0);
  cursor = Math.min(cursorAt, sheet.numbers.length - 1);
  anchor = cursor;
  move(cursor);
  progress();
}

function openGrouping(id, place = 0) {
  grouping = all.find((one) => one.id === id) ?? all[0];
  sheets = sheetsOf(grouping);
  $("grouping").value = grouping.id;
  const options = sheets.map((one, n) => make("option", { value: String(n) }, `${n + 1} of ${sheets.length}: ${one.title}`));
  $("jump").replaceChildren(...options);
  openSheet(place);
}

function move(place, extend = false) {
  const cells = $("sheet").querySelectorAll(".cell");
  cells[cursor]?.firstChild.setAttribute("tabindex", "-1");
  cursor = Math.max(0, Math.min(place, cells.length - 1));
  if (!extend) anchor = cursor;
  cells.forEach((figure, n) => figure.classList.toggle("chosen", chosenPlaces().includes(n) && anchor !== cursor));
  const pick = cells[cursor].firstChild;
  pick.setAttribute("tabindex", "0");
  if ($("large").open) enlarge();
  else pick.focus();
}

function chosenPlaces() {
  const [first, last] = [Math.min(anchor, cursor), Math.max(anchor, cursor)];
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

/* The cell in the row above or below that is nearest. */
function vertical(direction) {
  const cells = [...$("sheet").querySelectorAll(".cell")].map((figure) => figure.getBoundingClientRect());
  const here = cells[cursor];
  const tops = cells.map((box) => box.top).filter((top) => (top - here.top) * direction > 1);
  if (!tops.length) return cursor;
  const row = direction > 0 ? Math.min(...tops) : Math.max(...tops);
  const distance = (n) => (Math.abs(cells[n].top - row) < 1 ? Math.abs(cells[n].left - here.left) : Infinity);
  return cells.reduce((best, _, n) => (distance(n) < distance(best) ? n : best), cells.findIndex((box) => Math.abs(box.top - row) < 1));
}

/* ---- deciding ---- */

const chosen = () => chosenPlaces().map((place) => sheet.numbers[place]);
const removal = (reason) => (reason ? { decision: "remove", reason } : { decision: "remove" });

function decide(numbers, markOf, done) {
  const changed = review.set(numbers.map((number) => [number, markOf(number)]));
  redraw(changed);
  say(changed.length ? `${count(changed.length)} ${done}` : "nothing to change");
}

/* x: take out; what is all marked is unmarked. Quarantined pictures lose their acceptance. */
function toggle(numbers) {
  const removed = numbers.every((n) => review.quarantined(n) || review.marks.get(n)?.decision === "remove");
  if (removed) decide(numbers, () => null, "no longer marked");
  else decide(numbers, (n) => review.marks.get(n) ?? removal(), "marked to be removed");
}

/* A click: the other of the two states that a picture can have. */
function click(numbers) {
  if (review.marks.has(numbers.at(-1))) decide(numbers, () => null, "no longer marked");
  else decide(numbers, (n) => (review.quarantined(n) ? { decision: "accept" } : review.marks.get(n) ?? removal()), "marked");
}

function because(digit) {
  const reasonOf = (n) => {
    const name = entityOf(table, n).attributes[digit - 1];
    return digit === 0 ? "the picture is faulty" : name && `${name} is wrong`;
  };
  decide(chosen(), (n) => (reasonOf(n) ? removal(reasonOf(n)) : review.marks.get(n)), `marked: ${reasonOf(current()) ?? "no such attribute"}`);
}

function keepThem() {
  decide(chosen(), (n) => (review.quarantined(n) ? { decision: "accept" } : null), review.quarantined(current()) ? "accepted after all" : "kept");
}

function undo() {
  const changed = review.undo();
  const first = sheet.numbers.indexOf(changed[0]);
  redraw(changed);
  if (first >= 0) move(first);
  say(changed.length ? `undone for ${count(changed.length)}` : "nothing to undo");
}

function ask() {
  asked = chosen();
  $("reason").value = review.marks.get(current())?.reason ?? "";
  $("why").showModal();
}

function answer() {
  const reason = Review.reason($("reason").value);
  if (reason) decide(asked, () => removal(reason), `marked: ${reason}`);
}

/* A browser tells that a dialog was closed (the event "close") some time later, and quick fingers have typed on by then:
   what follows from closing happens here, at once. */
function shut(dialog) {
  dialog.close();
  move(cursor, true);
}

/* ---- files ---- */

function save() {
  const blob = new Blob([JSON.stringify(review.file(new Date()), null, 2) + "\n"], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(blob), download: "decisions.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(`${count(review.marks.size)} decisions saved as decisions.json`);
}

async function load(file) {
  try {
    const changed = review.set(review.read(await file.text()));
    redraw(changed);
    say(`${count(changed.length)} decisions taken over from ${file.name}`);
  } catch (error) {
    say(`not loaded: ${error.message}`);
  }
}

/* ---- enlarged ---- */

function enlarge() {
  const number = current();
  details ??= JSON.parse($("details").textContent);
  const [prompt, negative, diversity, seed, attempt, scores, rejected, shard] = details[number];
  const [width, height, large] = table.sizes[number];
  const mark = review.marks.get(number);
  const facts = [...labelsOf(table, number)];
  const row = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const list = (lines) => make("ul", {}, ...lines.map((line) => make("li", {}, line)));
  const varied = entityOf(table, number).diversity.map((name, place) => [name, text(table, diversity[place])]);
  const more = [["prompt", prompt], ["negative prompt", text(table, negative)], ...varied];
  more.push(["seed", seed], ["attempt", attempt], ["size", `${width} x ${height}`], ["shard", text(table, shard)]);
  const judged = Object.entries(scores).map(([name, value]) => `${name}: ${value}`);
  $("large-title").textContent = table.rows[number][0];
  $("large-mark").textContent = mark ? `${mark.decision === "remove" ? "✗ removed" : "✓ accepted"}${mark.reason ? ": " + mark.reason : ""}` : "";
  $("large-mark").className = mark?.decision ?? "";
  $("large-picture").replaceChildren(picture(number, large ? "-large" : "", labelsOf(table, number).map((pair) => pair.join(" ")).join(", ")));
  $("labels").replaceChildren(...facts.flatMap(([name, value], n) => row(`${n + 1} ${name}`, value)));
  const why = all.flatMap((one) => one.said?.get(number) ?? []);
  $("facts").replaceChildren(
    ...(why.length ? row("suspected", list([...new Set(why)])) : []),
    ...(judged.length ? row("scores", list(judged)) : []),
    ...(rejected.length ? row(review.quarantined(number) ? "quarantined" : "earlier attempts", list(rejected)) : []),
    ...more.filter(([, value]) => value).flatMap(([name, value]) => row(name, value)),
  );
  if (!$("large").open) $("large").showModal();
}

/* ---- keys and mouse ---- */

const KEYS = {
  ArrowLeft: (e) => move(cursor - 1, e.shiftKey), h: () => move(cursor - 1),
  ArrowRight: (e) => move(cursor + 1, e.shiftKey), l: () => move(cursor + 1),
  ArrowUp: (e) => move(vertical(-1), e.shiftKey), i: () => move(vertical(-1)),
  ArrowDown: (e) => move(vertical(1), e.shiftKey), j: () => move(vertical(1)),
  Home: (e) => move(0, e.shiftKey), End: (e) => move(sheet.numbers.length - 1, e.shiftKey),
  x: () => toggle(chosen()), " ": () => toggle(chosen()), k: keepThem, r: ask, u: undo, s: save,
  n: () => openSheet(review.at.sheet + 1), PageDown: () => openSheet(review.at.sheet + 1),
  p: () => openSheet(review.at.sheet - 1), PageUp: () => openSheet(review.at.sheet - 1),
  Enter: () => ($("large").open ? shut($("large")) : enlarge()),
  "?": () => $("help").showModal(), "+": () => resize(16), "-": () => resize(-16),
};

function resize(by) {
  const now = Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue("--cell"), 10);
  document.documentElement.style.setProperty("--cell", `${Math.max(80, Math.min(now + by, 256))}px`);
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open || $("why").open) return;
  if (target.matches("input, select, textarea")) return;
  if (target.matches(".bar button, .bar label, #large button") && (event.key === "Enter" || event.key === " ")) return;
  const action = /^\d$/.test(event.key) ? () => because(Number(event.key)) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

/* Space acts when it goes down; a browser that clicks the focused cell when it comes up would undo that. */
$("sheet").addEventListener("keyup", (event) => event.key === " " && event.preventDefault());

$("sheet").addEventListener("click", (event) => {
  const figure = event.target.closest(".cell");
  if (!figure) return;
  const place = [...$("sheet").querySelectorAll(".cell")].indexOf(figure);
  const zoom = event.target.closest(".zoom");
  move(place, event.shiftKey && !zoom);
  if (zoom) enlarge();
  else click(chosen());
});

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("cancel", () => shut(dialog));
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    shut(dialog);
    if (event.submitter?.value === "ok") answer();
  });
}
for (const [id, action] of Object.entries({ previous: KEYS.p, next: KEYS.n, save, ask: KEYS["?"], undo }))
  $(id).addEventListener("click", action);
$("file").addEventListener("change", (event) => {
  if (event.target.files[0]) load(event.target.files[0]);
  event.target.value = "";
});
$("grouping").addEventListener("change", (event) => openGrouping(event.target.value));
$("jump").addEventListener("change", (event) => openSheet(Number(event.target.value)));
$("reviewer").addEventListener("change", (event) => {
  review.reviewer = event.target.value.slice(0, 200);
  review.keep();
});
window.addEventListener("storage", (event) => {
  if (event.key !== review.place) return;
  const at = review.at;
  review.restore();
  review.at = at;
  redraw(sheet.numbers);
});

for (const entity of [...new Set(all.map((one) => one.entity))]) {
  const options = all.filter((one) => one.entity === entity).map((one) => make("option", { value: one.id }, one.title));
  $("grouping").append(make("optgroup", { label: entity }, ...options));
}
$("about").textContent = table.about ?? "";
$("about").hidden = !table.about;
review.restore();
$("reviewer").value = review.reviewer;
openGrouping(review.at.grouping, review.at.sheet);
