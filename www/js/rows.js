// The newest rows of the trainer's metrics, one per step, read from the end of its file and then only what is added.
import { useEffect, useState } from "preact/hooks";
import { onPulse, pulse } from "./pulse.js";

const URL = "/metrics/trainer.jsonl";
const FILE = "metrics/trainer.jsonl";
const FIRST_BYTES = 400_000;
const KEPT = 1500;

const tail = { rows: [], next: null, inode: "", torn: "", key: null, isLoading: false };
const listeners = new Set();
const text = new TextDecoder();

export function useRows() {
  const [, count] = useState(0);
  useEffect(() => {
    const changed = () => count((n) => n + 1);
    listeners.add(changed);
    look();
    return () => listeners.delete(changed);
  }, []);
  return tail.rows;
}

async function look() {
  const key = pulse.files[FILE];
  if (!key || key === tail.key || tail.isLoading) return;
  tail.isLoading = true;
  if (inodeOf(key) !== tail.inode) Object.assign(tail, { next: null, inode: inodeOf(key), torn: "" }); // rotated
  try {
    const range = tail.next === null ? `bytes=-${FIRST_BYTES}` : `bytes=${tail.next}-`;
    const response = await fetch(URL, { headers: { Range: range }, cache: "no-store" });
    if (response.ok) take(response, text.decode(await response.arrayBuffer()));
    tail.key = key;
  } catch {
    // the next pulse tries again
  }
  tail.isLoading = false;
  for (const listener of [...listeners]) listener();
}

const inodeOf = (etag) => etag.split("-")[0];

function take(response, added) {
  const [, first, last] = /bytes (\d+)-(\d+)/.exec(response.headers.get("Content-Range") ?? "") ?? [];
  const begins = tail.next === null && Number(first ?? 0) > 0;
  tail.next = last === undefined ? new TextEncoder().encode(added).length : Number(last) + 1;
  const lines = (tail.torn + added).split("\n");
  tail.torn = lines.pop();
  if (begins) lines.shift(); // cut in its middle
  const bySteps = new Map(tail.rows.map((row) => [row.step, row]));
  for (const line of lines) put(bySteps, line);
  tail.rows = [...bySteps.values()].sort((one, other) => one.step - other.step).slice(-KEPT);
}

// After a resume the writer says how far the steps go that survived.
export function put(bySteps, line) {
  let row;
  try {
    row = JSON.parse(line);
  } catch {
    return; // garbage at a power cut
  }
  if (row.rewind_to_step === undefined) bySteps.set(row.step, row);
  else for (const step of [...bySteps.keys()]) if (step > row.rewind_to_step) bySteps.delete(step);
}

onPulse(() => listeners.size && look());
