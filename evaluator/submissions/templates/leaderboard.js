"use strict";
const status = document.getElementById("status");

function value(row, column, kind) {
  const text = row.cells[column].dataset.v;
  if (kind === "text") return text.toLocaleLowerCase("en");
  return text === "" ? null : Number(text);
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
}

function sort(table, head) {
  const kind = head.dataset.kind;
  const before = head.getAttribute("aria-sort");
  const order = before ? (before === "ascending" ? "descending" : "ascending") : kind === "number" ? "descending" : "ascending";
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, at: Number(row.dataset.at), value: value(row, head.cellIndex, kind) }));
  rows.sort((a, b) => compare(a.value, b.value, order === "ascending" ? 1 : -1) || a.at - b.at);
  body.append(...rows.map((one) => one.row));
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  status.textContent = `Sorted by ${head.textContent.trim()}, ${order}.`;
}

for (const table of document.querySelectorAll("table.board")) {
  [...table.tBodies[0].rows].forEach((row, at) => { row.dataset.at = at; });
  for (const head of table.tHead.rows[0].cells) {
    head.querySelector("button").addEventListener("click", () => sort(table, head));
  }
}
