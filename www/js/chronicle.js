// What happened, from the daemons' own event files: read once, then only what is new.
import { useEffect, useState } from "preact/hooks";
import { onPulse, pulse } from "./pulse.js";

const KEPT = 200;
const FAULTS = /^(quest\.(refused|failed|lost)|step\.dropped|loss\.spike|seal\.late|incident\.opened|config\.refused|resource\.short|skill\.regressed|exam\.not_evaluated)$/;
const FEASTS = /^(hero\.level|skill\.level|champion\.crowned|quest\.completed|checkpoint\.saved)$/;

const chronicle = { events: [], cursor: null, key: null, isLoading: false, fresh: [] };
const listeners = new Set();
const heralds = new Set();

export const toneOf = (event) => (FAULTS.test(event.kind) ? "fault" : FEASTS.test(event.kind) ? "feast" : "plain");

// Newest first.
export function useChronicle() {
  const [, count] = useState(0);
  useEffect(() => {
    const changed = () => count((n) => n + 1);
    listeners.add(changed);
    look();
    return () => listeners.delete(changed);
  }, []);
  return chronicle.events;
}

// Calls `herald` with each event that happens while the page is open, oldest first, once.
export function onEvent(herald) {
  heralds.add(herald);
  return () => heralds.delete(herald);
}

async function look() {
  const key = Object.entries(pulse.files).filter(([file]) => file.startsWith("events/")).flat().join(" ");
  if (chronicle.isLoading || key === chronicle.key || !key) return;
  chronicle.isLoading = true;
  try {
    const after = chronicle.cursor === null ? "" : `&after=${encodeURIComponent(chronicle.cursor)}`;
    const response = await fetch(`/api/events?limit=${KEPT}${after}`);
    if (!response.ok) throw new Error(`${response.status}`);
    take(await response.json());
    chronicle.key = key;
  } catch {
    // the next pulse tries again
  }
  chronicle.isLoading = false;
}

function take({ events, cursor }) {
  const known = new Set(chronicle.events.map((event) => event.id));
  const fresh = events.filter((event) => !known.has(event.id));
  const isFirst = chronicle.cursor === null;
  chronicle.cursor = cursor;
  chronicle.events = [...fresh.reverse(), ...chronicle.events].slice(0, KEPT);
  for (const listener of [...listeners]) listener();
  if (!isFirst) for (const event of fresh.reverse()) for (const herald of [...heralds]) herald(event);
}

onPulse(() => listeners.size + heralds.size && look());
