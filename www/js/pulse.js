// Every two seconds one small request tells which files of the home changed. Nothing else is asked for in vain.
import { useEffect, useState } from "preact/hooks";

const BETWEEN = navigator.connection?.saveData ? 5 : 2; // seconds
const LONGEST_WAIT = 30; // seconds, while nothing answers
const PATIENCE = 5000; // ms for one answer
export const MISSES_TO_TELL = 2;

export const pulse = { at: null, heardAt: 0, hash: "", files: {}, alive: [], missed: 0, lostSince: null };
const listeners = new Set();
let timer = null;

// The server's clock, ms since 1970; between two pulses ours carries it on.
export function serverNow() {
  return pulse.at === null ? Date.now() : pulse.at + performance.now() - pulse.heardAt;
}

export function onPulse(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// Renders again with every pulse.
export function usePulse() {
  const [, count] = useState(0);
  useEffect(() => onPulse(() => count((n) => n + 1)), []);
  return pulse;
}

export async function beat() {
  clearTimeout(timer);
  try {
    const response = await fetch(`/api/pulse?known=${pulse.hash}`, { signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok) throw new Error(`${response.status}`);
    heard(await response.json());
  } catch {
    pulse.missed += 1;
    pulse.lostSince ??= serverNow();
  }
  for (const listener of [...listeners]) listener();
  clearTimeout(timer); // another beat may have begun meanwhile
  if (!document.hidden) timer = setTimeout(beat, 1000 * wait());
}

function heard(answer) {
  Object.assign(pulse, { at: Date.parse(answer.at), heardAt: performance.now(), hash: answer.hash });
  Object.assign(pulse, { alive: answer.alive, missed: 0, lostSince: null });
  if (answer.files) pulse.files = answer.files;
}

function wait() {
  return pulse.missed < MISSES_TO_TELL ? BETWEEN : Math.min(LONGEST_WAIT, 2 ** (pulse.missed - MISSES_TO_TELL));
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : beat()));
