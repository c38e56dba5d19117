/* Groupings, and the sheets that each falls into. */

const A_SHEET = 100;

const text = (table, number) => table.strings[number];
const entityOf = (table, number) => table.entities[table.rows[number][1]];
const labelsOf = (table, number) =>
  entityOf(table, number).attributes.map((name, place) => [name, text(table, table.rows[number][2 + place])]);

/* The orders that were made elsewhere, with what is said of each picture in each of them. */
const ranked = (table) =>
  table.rankings.map(({ id, entity, title, numbers, words }) => ({
    id,
    entity,
    title,
    numbers,
    groups: [["worst first", numbers]],
    said: new Map(numbers.map((number, place) => [number, words[place]])),
  }));

/* Everything that can be gone through: [{id, title, entity, numbers, groups: [[title, numbers]]}]. */
function groupings(table) {
  if (table.rankings) return ranked(table);
  const found = [];
  const add = (id, entity, title, numbers, nameOf) => {
    const groups = new Map();
    for (const number of numbers) {
      const name = nameOf(number);
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(number);
    }
    const byName = ([a], [b]) => a.localeCompare(b, "en", { numeric: true });
    if (numbers.length) found.push({ id, entity, title, numbers, groups: [...groups].sort(byName) });
  };
  const all = table.rows.map((_, number) => number);
  const held = all.filter((number) => Object.hasOwn(table.reasons, number));
  table.entities.forEach((entity, place) => {
    const own = all.filter((number) => table.rows[number][1] === place && !Object.hasOwn(table.reasons, number));
    entity.attributes.forEach((name, column) =>
      add(`${entity.name}/${name}`, entity.name, name, own, (n) => text(table, table.rows[n][2 + column])),
    );
    const combined = (n) => labelsOf(table, n).map(([, value]) => value).join(", ");
    add(`${entity.name}/*`, entity.name, "every combination", own, combined);
  });
  add("quarantine", "quarantine", "what was quarantined", held, (number) => table.failed[number]);
  return found;
}

/* Sheets of at most A_SHEET pictures: large groups are split evenly, small ones share a sheet. */
function sheetsOf(grouping) {
  const sheets = [];
  let open = null;
  for (const [title, numbers] of grouping.groups) {
    const parts = Math.ceil(numbers.length / A_SHEET);
    const each = Math.ceil(numbers.length / parts);
    for (let part = 0; part < parts; part++) {
      const slice = numbers.slice(part * each, (part + 1) * each);
      const of = parts > 1 ? `, part ${part + 1} of ${parts}` : "";
      const section = { title: `${title}${of}`, numbers: slice };
      if (open && parts === 1 && open.size + slice.length <= A_SHEET) {
        open.sections.push(section);
        open.size += slice.length;
      } else {
        open = { sections: [section], size: slice.length };
        sheets.push(open);
      }
    }
  }
  return sheets.map(({ sections }) => ({
    title: sections.length > 1 ? `${sections[0].title} to ${sections.at(-1).title}` : sections[0].title,
    sections,
    numbers: sections.flatMap((section) => section.numbers),
  }));
}

const pathOf = (table, number, end) =>
  `${table.pictures}/${Math.floor(number / 1000)}/${number % 1000}${end}.jpg`;
