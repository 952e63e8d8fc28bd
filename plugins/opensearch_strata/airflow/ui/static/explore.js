// Draws what the page holds as JSON. Charts are below each other, with one crosshair.
"use strict";

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const HUES = ["--c0", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8", "--c9"];
const DAY = 86_400;
const MONTH = 30 * DAY;  // as uPlot counts them: ticks that are so far apart are months or years apart
const YEAR = 365 * DAY;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const BANDS = [["max", "min", "22"], ["p99", "p50", "44"]];

// The clock of a time zone. A Date that is shifted into the zone would be wrong where the browser's own clock skips an
// hour, so a time stays what it is, and its wall time is that of UTC with the same numbers: both are in seconds.
function clockOf(zone) {
  const format = new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric",
    minute: "numeric", second: "numeric",
  });
  const wallOf = (time) => {
    const part = Object.fromEntries(format.formatToParts(time * 1000).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) / 1000;
  };
  const timeOf = (wall) => {
    const near = 2 * wall - wallOf(wall);
    return near + wall - wallOf(near);
  };
  return { wallOf, timeOf, textOf: (time) => new Date(wallOf(time) * 1000).toISOString() };
}

// Ticks at round wall times: full hours, midnights, first days of months or years.
function ticksOf({ wallOf, timeOf }) {
  return (chart, axis, low, high, step) => {
    const first = wallOf(low);
    const months = step < MONTH ? 0 : step < YEAR ? Math.round(step / MONTH) : 12 * Math.round(step / YEAR);
    const date = new Date(first * 1000);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    const begin = months < 12 ? month - (month % months) : -12 * (year % (months / 12));  // counted from January
    const wallAt = months
      ? (number) => Date.UTC(year, begin + number * months, 1) / 1000
      : (number) => Math.floor(first / step) * step + number * step;
    const ticks = [];
    for (let number = 0, time = low; time <= high; number += 1) {
      time = timeOf(wallAt(number));
      if (time >= low && time <= high && !(time <= ticks.at(-1))) ticks.push(time);
    }
    return ticks;
  };
}

// What is written below each tick, and below the first of a year and of a day.
function labelsOf({ textOf }) {
  return (chart, ticks, axis, space, step) => ticks.map((time, place) => {
    const text = textOf(time);
    const before = place ? textOf(ticks[place - 1]) : "";
    const [year, day, minute] = [text.slice(0, 4), text.slice(5, 10), text.slice(11, 16)];
    const isNewYear = before.slice(0, 4) !== year;
    if (step >= YEAR) return year;
    if (step >= MONTH) return MONTHS[Number(text.slice(5, 7)) - 1] + (isNewYear ? `\n${year}` : "");
    if (step >= DAY) return day + (isNewYear ? `\n${year}` : "");
    if (isNewYear) return `${minute}\n${year}-${day}`;
    return minute + (before.slice(5, 10) === day ? "" : `\n${day}`);
  });
}

function shadeRaw(spans) {
  return (chart) => {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.fillStyle = style("--shade");
    for (const [start, end] of spans) {
      const from = Math.max(chart.valToPos(start, "x", true), bbox.left);
      const to = Math.min(Math.max(chart.valToPos(end, "x", true), from + 2), bbox.left + bbox.width);
      if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
    }
    ctx.restore();
  };
}

function timeShown({ textOf }, time) {
  return textOf(time).slice(0, 16).replace("T", " ");
}

function optionsOf(one, data, width) {
  const names = Object.keys(one.lines);
  const clock = clockOf(data.zone);
  const hue = (number) => style(HUES[number % HUES.length]);
  const axis = { stroke: style("--fg"), grid: { stroke: style("--line") }, ticks: { stroke: style("--line") } };
  const series = names.map((name, number) => ({
    label: name,
    stroke: hue(number),
    width: name === "min" || name === "max" ? 0.5 : 1.5,
    show: name !== "count",
    scale: name === "count" ? "count" : "y",
    spanGaps: false,
  }));
  const bands = BANDS.filter(([high, low]) => names.includes(high) && names.includes(low)).map(([high, low, alpha]) => ({
    series: [names.indexOf(high) + 1, names.indexOf(low) + 1],
    fill: hue(names.indexOf(high)) + alpha,
  }));
  return {
    title: one.unit ? `${one.metric} [${one.unit}]` : one.metric,
    width,
    height: 260,
    cursor: { sync: { key: "strata" } },
    legend: { live: true },
    scales: { count: { range: (_, low, high) => [0, high || 1] } },
    axes: [{ ...axis, splits: ticksOf(clock), values: labelsOf(clock) }, { ...axis, size: 70 }],
    series: [{ label: "time", value: (chart, time) => (time === null ? "--" : timeShown(clock, time)) }, ...series],
    bands,
    hooks: { drawClear: [shadeRaw(data.raw)] },
  };
}

function takeAway(charts, name) {
  const canvases = charts.map((chart) => chart.ctx.canvas);
  const whole = document.createElement("canvas");
  whole.width = Math.max(...canvases.map((canvas) => canvas.width));
  whole.height = canvases.reduce((sum, canvas) => sum + canvas.height + 40, 0);
  const ctx = whole.getContext("2d");
  ctx.fillStyle = style("--bg");
  ctx.fillRect(0, 0, whole.width, whole.height);
  ctx.fillStyle = style("--fg");
  ctx.font = "24px system-ui, sans-serif";
  let top = 0;
  charts.forEach((chart, number) => {
    ctx.fillText(chart.title, 12, top + 28);
    ctx.drawImage(canvases[number], 0, top + 40);
    top += canvases[number].height + 40;
  });
  whole.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("charts");
  if (!place) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  let charts = [];
  const draw = () => {
    charts.forEach((chart) => chart.destroy());
    charts = data.charts.filter((one) => one.times.length).map((one) => {
      const options = optionsOf(one, data, place.clientWidth);
      const chart = new uPlot(options, [one.times, ...Object.values(one.lines)], place);
      chart.title = options.title;
      return chart;
    });
  };
  draw();
  place.dataset.drawn = charts.length;
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    charts.forEach((chart) => chart.setSize({ width, height: 260 }));
  }).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  document.getElementById("png")?.addEventListener("click", () => takeAway(charts, place.dataset.name));
});
