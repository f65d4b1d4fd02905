// The curves of a whole life: min, max and last of every so many steps, fetched in the width that the screen can show.
import { useEffect, useState } from "preact/hooks";
import { onPulse, pulse } from "./pulse.js";

const INDEX = "metrics/pyramid/index.json";
const HEADER = 16; // bytes of a record before its series: first step and count, float64 each
const PARTS = ["min", "max", "last"];
const VALUE = 12; // bytes of a series: min, max, last, float32 each

// {first, count, series: {loss: {min, max, last}}} columns of the span from..to (null: everything), at most `most` records.
export function usePyramid(from, to, most) {
  const [curves, put] = useState(null);
  useEffect(() => {
    let key = null;
    let isOver = false;
    const look = async () => {
      if (key === pulse.files[INDEX] || !pulse.files[INDEX]) return;
      key = pulse.files[INDEX];
      try {
        const loaded = await load(from, to, most);
        if (!isOver) put(loaded);
      } catch {
        key = null; // the next pulse tries again
      }
    };
    look();
    const stop = onPulse(look);
    return () => ((isOver = true), stop());
  }, [from, to, most]);
  return curves;
}

async function load(from, to, most) {
  const index = await (await fetch(`/${INDEX}`, { cache: "no-cache" })).json();
  const [begin, end] = [Math.max(0, from ?? 0), Math.min(index.last_step, to ?? index.last_step)];
  const widths = [1, ...index.widths];
  const width = widths.find((one) => (end - begin) / one <= most) ?? widths[widths.length - 1];
  const level = width === 1 ? index.steps : index.levels[String(width)];
  const [first, last] = [Math.floor(begin / width), Math.min(level.records, Math.ceil(end / width) + 1) - 1];
  if (last < first) return { width, steps: [], series: {} };
  const size = width === 1 ? index.step_record_bytes : index.record_bytes;
  const range = `bytes=${first * size}-${(last + 1) * size - 1}`;
  const response = await fetch(`/metrics/pyramid/${level.file}`, { headers: { Range: range }, cache: "no-cache" });
  if (!response.ok) throw new Error(`${response.status}`);
  const view = new DataView(await response.arrayBuffer());
  return { width, ...(width === 1 ? decodedSteps(view, first, index.series, size) : decoded(view, index.series, size)) };
}

// A step: whether it has a row, and each value, float32 each.
export function decodedSteps(view, first, names, size) {
  const steps = [];
  const series = emptySeries(names);
  for (let at = 0; at + size <= view.byteLength; at += size) {
    if (view.getFloat32(at, true) !== 1) continue;
    steps.push(first + at / size + 1);
    names.forEach((name, n) => {
      const value = known(view.getFloat32(at + 4 + 4 * n, true));
      for (const part of PARTS) series[name][part].push(value);
    });
  }
  return { steps, series };
}

export function decoded(view, names, size) {
  const steps = [];
  const series = emptySeries(names);
  for (let at = 0; at + size <= view.byteLength; at += size) {
    const count = view.getFloat64(at + 8, true);
    if (!(count > 0)) continue; // nothing was measured in these steps
    steps.push(view.getFloat64(at, true));
    names.forEach((name, n) => {
      const begin = at + HEADER + n * VALUE;
      PARTS.forEach((part, k) => series[name][part].push(known(view.getFloat32(begin + 4 * k, true))));
    });
  }
  return { steps, series };
}

const emptySeries = (names) => Object.fromEntries(names.map((name) => [name, { min: [], max: [], last: [] }]));
const known = (value) => (Number.isFinite(value) ? value : null);
