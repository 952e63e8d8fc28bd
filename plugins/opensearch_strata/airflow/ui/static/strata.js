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

// Whether a text is on the clipboard now. Over plain HTTP a page has no clipboard, but may copy what is selected.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

// Airflow shows pages in a sandboxed frame, which may not leave itself. A link of the page around it may.
async function leave(link) {
  const soon = new Promise((done) => setTimeout(done, 500));  // a browser may ask first, and nobody may answer
  if (link.dataset.copy) await Promise.race([copied(link.dataset.copy), soon]);
  const outside = parent.document.createElement("a");
  outside.href = link.href;
  parent.document.body.append(outside);
  outside.click();
  outside.remove();
}

async function copyShown(button) {
  const place = button.closest(".copy");
  const done = await copied(place.querySelector("pre").textContent);
  place.querySelector("[role=status]").textContent = done ? "Copied." : "Select and copy it by hand.";
}

function clicked(event) {
  const link = event.target.closest("a[target=_top]");
  const button = event.target.closest(".copy button");
  if (button) copyShown(button);
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  leave(link);
}

// One stop of the tab key for each year; arrow keys go from day to day.
function roam(table) {
  const cellOf = (row, column) => table.tBodies[0].rows[row]?.cells[column]?.querySelector("a") ?? null;
  const days = [...table.querySelectorAll("a")];
  for (const day of days) day.tabIndex = -1;
  if (days.length) {
    const newest = days.reduce((one, other) => (one.href > other.href ? one : other));
    newest.tabIndex = 0;
    addEventListener("load", () => {  // the style sheet is there: where a year does not fit, show the newest days
      const { offsetLeft, offsetWidth } = newest.closest("td");
      table.parentNode.scrollLeft = offsetLeft + offsetWidth - table.parentNode.clientWidth;
    });
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
  document.addEventListener("click", clicked);
  document.querySelectorAll("table.calendar").forEach(roam);
});
