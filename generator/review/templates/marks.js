"use strict";

/* What was decided and seen: kept in localStorage under the manifest's fingerprint, undone step by step, saved to a file.
   A mark is null, {decision: "remove", reason} or {decision: "accept"}; pictures go by their number on the page. */
class Review {
  constructor(table, storage) {
    this.table = table;
    this.storage = storage;
    this.place = "clay-eval review " + (table.page ?? table.manifest);
    this.numbers = new Map(table.rows.map((row, number) => [row[0], number]));
    this.clear();
  }

  clear() {
    this.marks = new Map();
    this.steps = [];
    this.seen = new Map();
    this.reviewer = "";
    this.at = { grouping: null, sheet: 0 };
  }

  quarantined(number) {
    return Object.hasOwn(this.table.reasons, number);
  }

  /* A mark that makes sense for this picture, or null: only quarantined ones are accepted, only the others removed. */
  fitting(number, mark) {
    if (!mark) return null;
    return (mark.decision === "accept") === this.quarantined(number) ? mark : null;
  }

  /* Give each picture its mark, as one step that can be undone; returns the numbers that changed. */
  set(pairs) {
    const step = [];
    for (const [number, wanted] of pairs) {
      const before = this.marks.get(number) ?? null;
      const mark = this.fitting(number, wanted);
      if (JSON.stringify(before) === JSON.stringify(mark)) continue;
      step.push([number, before]);
      this.put(number, mark);
    }
    if (step.length) {
      this.steps.push(step);
      if (this.steps.length > 500) this.steps.shift();
      this.keep();
    }
    return step.map(([number]) => number);
  }

  put(number, mark) {
    if (mark) this.marks.set(number, mark);
    else this.marks.delete(number);
  }

  undo() {
    const step = this.steps.pop() ?? [];
    for (const [number, before] of step) this.put(number, before);
    if (step.length) this.keep();
    return step.map(([number]) => number);
  }

  count(decision) {
    let total = 0;
    for (const mark of this.marks.values()) total += mark.decision === decision;
    return total;
  }

  /* Note that pictures were looked at in a grouping; whether any was new. */
  see(grouping, numbers) {
    if (!this.seen.has(grouping)) this.seen.set(grouping, new Set());
    const set = this.seen.get(grouping);
    const before = set.size;
    for (const number of numbers) set.add(number);
    if (set.size > before) this.keep();
    return set.size > before;
  }

  seenOf(grouping, numbers) {
    const set = this.seen.get(grouping);
    return set ? numbers.reduce((total, number) => total + set.has(number), 0) : 0;
  }

  /* The decisions file (schemas/decisions.schema.json), keys in the order of the page. */
  file(now) {
    const ordered = [...this.marks].sort((a, b) => a[0] - b[0]);
    return {
      schema: "clay-eval/decisions/1",
      manifest: this.table.manifest,
      ...(this.reviewer.trim() ? { reviewer: this.reviewer.trim() } : {}),
      date: now.toISOString().slice(0, 19) + "Z",
      decisions: Object.fromEntries(ordered.map(([number, mark]) => [this.table.rows[number][0], mark])),
    };
  }

  /* [number, mark] pairs of a decisions file; throws an Error that a person can read. */
  read(text) {
    let record;
    try {
      record = JSON.parse(text);
    } catch {
      throw new Error("this file is not JSON");
    }
    if (record?.schema !== "clay-eval/decisions/1" || typeof record.decisions !== "object" || !record.decisions)
      throw new Error("this file holds no decisions of clay-eval");
    if (record.manifest !== this.table.manifest) throw new Error("these decisions were made for other pictures");
    return Object.entries(record.decisions).map(([key, mark]) => {
      const number = this.numbers.get(key);
      if (number === undefined) throw new Error(`no picture here is called ${key}`);
      const clean = this.clean(mark);
      if (!clean || !this.fitting(number, clean)) throw new Error(`this cannot be decided of ${key}`);
      return [number, clean];
    });
  }

  clean(mark) {
    if (mark?.decision === "accept") return { decision: "accept" };
    if (mark?.decision !== "remove") return null;
    if (mark.reason === undefined) return { decision: "remove" };
    const reason = Review.reason(mark.reason);
    return reason ? { decision: "remove", reason } : null;
  }

  /* A reason as the command takes it: one line, no invisible characters, not the word that means the opposite. */
  static reason(text) {
    if (typeof text !== "string") return null;
    const line = text
      .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ")
      .trim();
    const short = [...line].slice(0, 200).join("").trim();
    return short && short.toLowerCase() !== "accepted" ? short : null;
  }

  /* Keep everything for the next time; `kept` says whether the browser let us. */
  keep() {
    const state = {
      marks: [...this.marks],
      steps: this.steps,
      seen: [...this.seen].map(([grouping, set]) => [grouping, pack(set, this.table.rows.length)]),
      reviewer: this.reviewer,
      at: this.at,
    };
    try {
      this.storage.setItem(this.place, JSON.stringify(state));
      this.kept = true;
    } catch {
      this.kept = false;
    }
  }

  /* Take up what was kept; anything odd in it is left out. */
  restore() {
    let state = null;
    try {
      state = JSON.parse(this.storage.getItem(this.place));
      this.kept = true;
    } catch {
      this.kept = false;
    }
    this.clear();
    if (!state) return;
    const valid = (pairs) =>
      pairs.filter(([number]) => Number.isInteger(number) && number >= 0 && number < this.table.rows.length);
    const each = ([number, mark]) => [number, this.fitting(number, this.clean(mark))];
    try {
      const marks = new Map(valid(state.marks).map(each).filter(([, mark]) => mark));
      const steps = state.steps.map((step) => valid(step).map(each));
      const seen = new Map(state.seen.map(([grouping, text]) => [grouping, unpack(text, this.table.rows.length)]));
      Object.assign(this, { marks, steps, seen, reviewer: String(state.reviewer ?? "") });
      this.at = { grouping: String(state.at?.grouping), sheet: Number.parseInt(state.at?.sheet, 10) || 0 };
    } catch {
      this.clear();
    }
  }
}

/* A set of numbers below `length` as one bit each, in base64. */
function pack(set, length) {
  const bytes = new Uint8Array(Math.ceil(length / 8));
  for (const number of set) bytes[number >> 3] |= 1 << (number & 7);
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}

function unpack(text, length) {
  const set = new Set();
  const bytes = atob(text);
  for (let number = 0; number < length; number++)
    if ((bytes.charCodeAt(number >> 3) >> (number & 7)) & 1) set.add(number);
  return set;
}
