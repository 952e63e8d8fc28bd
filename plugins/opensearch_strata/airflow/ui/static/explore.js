// Draws what the page holds as JSON. Charts are below each other, with one crosshair.
"use strict";

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const HUES = ["--c0", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8", "--c9"];
const DAY = 86_400;
// Seconds between ticks -> what is written below each, and below the first of a year and of a day.
const TICKS = [
  [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
];
const BANDS = [["max", "min", "22"], ["p99", "p50", "44"]];

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

function optionsOf(one, data, width) {
  const names = Object.keys(one.lines);
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
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), data.zone),
    cursor: { sync: { key: "strata" } },
    legend: { live: true },
    scales: { count: { range: (_, low, high) => [0, high || 1] } },
    axes: [{ ...axis, values: TICKS }, { ...axis, size: 70 }],
    series: [{ label: "time", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...series],
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
