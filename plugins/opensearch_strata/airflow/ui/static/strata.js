// Loaded before the page is drawn, so that it never flashes in the wrong colours.
// Airflow keeps its theme in the storage of its origin, which is ours too: "light", "dark" or "system".
"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
function applyTheme() {
  let theme = null;
  try { theme = localStorage.getItem("theme"); } catch { /* storage is blocked: the system decides */ }
  if (theme !== "light" && theme !== "dark") theme = dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
}
applyTheme();
addEventListener("storage", applyTheme);
dark.addEventListener("change", applyTheme);

// Airflow shows pages in a sandboxed frame, which may not leave itself. A link of the page around it may.
function leave(event) {
  const link = event.target.closest("a[target=_top]");
  if (!link) return;
  if (link.dataset.copy && navigator.clipboard) navigator.clipboard.writeText(link.dataset.copy).catch(() => {});
  if (parent === self) return;
  event.preventDefault();
  const outside = parent.document.createElement("a");
  outside.href = link.href;
  parent.document.body.append(outside);
  outside.click();
  outside.remove();
}

// One stop of the tab key for each year; arrow keys go from day to day.
function roam(table) {
  const cellOf = (row, column) => table.tBodies[0].rows[row]?.cells[column]?.querySelector("a") ?? null;
  const days = [...table.querySelectorAll("a")];
  for (const day of days) day.tabIndex = -1;
  if (days.length) {
    const newest = days.reduce((one, other) => (one.href > other.href ? one : other));
    newest.tabIndex = 0;
    table.parentNode.scrollLeft = newest.offsetLeft;  // on a phone, the newest days are what is looked for
  }
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const here = event.target.closest("td");
    if (!step || !here) return;
    const next = cellOf(here.parentNode.sectionRowIndex + step[0], here.cellIndex + step[1]);
    event.preventDefault();
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

addEventListener("DOMContentLoaded", () => {
  document.addEventListener("click", leave);
  document.querySelectorAll("table.calendar").forEach(roam);
});
