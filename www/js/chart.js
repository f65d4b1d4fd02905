// A chart of uPlot: drag or pinch zooms, a double click or tap resets; arrows move the cursor, + - 0 zoom; values are
// read aloud.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useChoices } from "./choices.js";
import { fixed, whole } from "./format.js";
import { html } from "./html.js";
import { listenToFingers } from "./touch.js";

const LISTED = 24; // rows of the hidden table

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// `series`: [{label, ink, width, dash, fill, digits, points, band: [index, index]}], `data`: uPlot's columns, x first.
export function Chart({ label, series, data, height = 260, log = false, marks = [], stripes = [], onZoom, onReset }) {
  const [root, plot, drawn] = [useRef(null), useRef(null), useRef({})];
  const [told, tell] = useState("");
  const { theme } = useChoices();
  Object.assign(drawn.current, { marks, stripes, onZoom, onReset });

  useLayoutEffect(() => { // before the first key can come
    const box = root.current;
    if (!box) return undefined; // a zoom has put another chart in its place already
    const size = () => ({ width: Math.max(240, box.clientWidth), height });
    plot.current = new uPlot(optionsOf({ series, log, drawn, ...size() }), data, box);
    drawn.current.isHeld = listenToFingers(plot.current, {
      zoomed: ({ min, max }) => (plot.current.setScale("x", { min, max }), drawn.current.onZoom?.(min, max)),
      reset: () => (zoom(plot.current, Infinity), drawn.current.onReset?.()),
    });
    const resized = new ResizeObserver(() => plot.current.setSize(size()));
    resized.observe(box);
    return () => (resized.disconnect(), plot.current.destroy());
  }, [theme, log, height, series.map((one) => one.label).join()]);

  useEffect(() => plot.current?.setData(data, !isZoomed(plot.current)), [data]);
  useEffect(() => plot.current?.redraw(false), [marks, stripes]);

  const move = (event) => {
    if (!plot.current) return;
    const closer = { "+": 0.5, "-": 2, 0: Infinity }[event.key];
    if (closer > 1 && onReset && !isZoomed(plot.current)) onReset(); // what is loaded is a part, and all of it is shown
    else if (closer) zoom(plot.current, closer);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !data[0].length) return;
    event.preventDefault();
    const index = Math.min(data[0].length - 1, Math.max(0, (plot.current.cursor.idx ?? data[0].length - 1) + by));
    plot.current.setCursor({ left: plot.current.valToPos(data[0][index], "x"), top: 10 });
    tell(sentence(series, data, index));
  };
  return html`<div class="chart" ref=${root} tabindex="0" role="group" aria-label="${label}; arrow keys read its values, plus and minus zoom, zero shows all" onKeyDown=${move} onDblClick=${onReset}>
    <span class="unseen" aria-live="polite">${told}</span>
    <${Listing} label=${label} series=${series} data=${data} />
  </div>`;
}

function optionsOf({ series, log, drawn, width, height }) {
  const axis = { stroke: ink("muted"), grid: { stroke: `${ink("edge")}66`, width: 1 }, ticks: { stroke: ink("edge") }, font: "13px Alegreya Sans, sans-serif" };
  return {
    width,
    height,
    scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
    axes: [{ ...axis, values: (_, values) => values.map((value) => whole(value)) }, { ...axis, size: 58 }],
    series: [{ label: "step", value: (_, value) => whole(value) }, ...series.map(lineOf)],
    bands: series.flatMap(({ band, ink: name }) => (band ? [{ series: band, fill: `${ink(name)}40` }] : [])),
    cursor: { drag: { x: true, y: false } },
    hooks: {
      drawClear: [(plot) => drawStripes(plot, drawn.current.stripes)],
      draw: [(plot) => drawMarks(plot, drawn.current.marks)],
      setScale: [(plot, key) => key === "x" && !drawn.current.isHeld?.() && drawn.current.onZoom?.(plot.scales.x.min, plot.scales.x.max)],
    },
  };
}

const lineOf = ({ label, ink: name, width = 2, dash, digits = 4, points = false, paths }) => ({
  label,
  stroke: ink(name),
  width,
  dash,
  paths: points ? () => null : paths,
  spanGaps: points,
  points: { show: points, size: 7, fill: ink(name) },
  value: (_, value) => fixed(value, digits),
});

function isZoomed(plot) {
  const [steps, { min, max }] = [plot.data[0], plot.scales.x];
  return steps.length > 1 && min !== null && min !== undefined && (min > steps[0] || max < steps[steps.length - 1]);
}

// To so many times the steps that are shown, round the cursor.
function zoom(plot, times) {
  const [steps, { min, max }] = [plot.data[0], plot.scales.x];
  if (steps.length < 2) return;
  const middle = steps[plot.cursor.idx] ?? (min + max) / 2;
  const half = Math.max(1, ((max - min) * times) / 2);
  plot.setScale("x", { min: Math.max(steps[0], middle - half), max: Math.min(steps[steps.length - 1], middle + half) });
}

// Alternating ground: {from, to} in steps
function drawStripes(plot, stripes) {
  const { left, top, width, height } = plot.bbox;
  plot.ctx.save();
  plot.ctx.beginPath();
  plot.ctx.rect(left, top, width, height);
  plot.ctx.clip();
  plot.ctx.fillStyle = `${ink("gold")}14`;
  for (const { from, to } of stripes) {
    const [begin, end] = [plot.valToPos(from, "x", true), plot.valToPos(to, "x", true)];
    plot.ctx.fillRect(begin, top, end - begin, height);
  }
  plot.ctx.restore();
}

// {step, sign, ink}
function drawMarks(plot, marks) {
  const { left, top, width, height } = plot.bbox;
  plot.ctx.save();
  plot.ctx.font = `${15 * devicePixelRatio}px sans-serif`;
  plot.ctx.textAlign = "center";
  for (const { step, sign, ink: name } of marks) {
    const x = plot.valToPos(step, "x", true);
    if (x < left || x > left + width) continue;
    plot.ctx.strokeStyle = plot.ctx.fillStyle = ink(name);
    plot.ctx.globalAlpha = 0.5;
    plot.ctx.setLineDash([3, 5]);
    plot.ctx.beginPath();
    plot.ctx.moveTo(x, top + 16 * devicePixelRatio);
    plot.ctx.lineTo(x, top + height);
    plot.ctx.stroke();
    plot.ctx.globalAlpha = 1;
    plot.ctx.fillText(sign, x, top + 13 * devicePixelRatio);
  }
  plot.ctx.restore();
}

const sentence = (series, data, index) =>
  `step ${whole(data[0][index])}: ${series.map(({ label, digits = 4 }, n) => `${label} ${fixed(data[n + 1][index], digits)}`).join(", ")}`;

function Listing({ label, series, data }) {
  const every = Math.max(1, Math.floor(data[0].length / LISTED));
  const indexes = data[0].map((_, index) => index).filter((index) => index % every === 0);
  return html`<table class="unseen"><caption>${label}, every ${whole(every)} rows</caption>
    <thead><tr><th scope="col">step</th>${series.map((one) => html`<th scope="col">${one.label}</th>`)}</tr></thead>
    <tbody>${indexes.map((index) => html`<tr><td>${data[0][index]}</td>${series.map(({ digits = 4 }, n) => html`<td>${fixed(data[n + 1][index], digits)}</td>`)}</tr>`)}</tbody>
  </table>`;
}
