// Damage, from recorded numbers alone: what the smoothed loss fell by, and the steps since the last status.
import { useEffect, useRef, useState } from "preact/hooks";
import { fixed, whole } from "./format.js";

const RECENT = 60; // rows whose noise tells a critical hit
const SIGMAS = 2;
const SHOWN = 1800; // ms

// A new minimum of the smoothed loss, below the last one by more than 2 sigma of its recent noise.
export function isCritical(rows, loss) {
  const recent = rows.slice(-RECENT).map((row) => row.loss_ema);
  if (recent.length < RECENT) return false;
  const falls = recent.slice(1).map((value, index) => value - recent[index]);
  const mean = falls.reduce((sum, value) => sum + value, 0) / falls.length;
  const sigma = Math.sqrt(falls.reduce((sum, value) => sum + (value - mean) ** 2, 0) / falls.length);
  return loss < Math.min(...recent.slice(0, -1)) - SIGMAS * sigma;
}

// One blow for each status that moved on: {id, text, kind}
export function useBlows(training, rows) {
  const [blows, put] = useState([]);
  const last = useRef(null);
  useEffect(() => {
    const before = last.current;
    if (!training) return undefined;
    last.current = training;
    if (!before || training.step === null || training.step <= before.step || training.loss_ema === null) return undefined;
    const fall = before.loss_ema - training.loss_ema;
    const word = `${fall >= 0 ? "−" : "+"}${fixed(Math.abs(fall), 4)} loss · +${whole(training.step - before.step)} XP`;
    const blow = { id: training.heartbeat_at, text: word, kind: isCritical(rows, training.loss_ema) ? "critical" : "" };
    put((shown) => [...shown.slice(-1), blow]);
    const timer = setTimeout(() => put((shown) => shown.filter((one) => one !== blow)), SHOWN);
    return () => clearTimeout(timer);
  }, [training?.heartbeat_at]);
  return blows;
}
