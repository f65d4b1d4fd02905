// The oracles that can be asked, what each has in memory, and how a model comes there.
import { useEffect } from "preact/hooks";
import { onPulse } from "../pulse.js";
import { refresh, useResource } from "../resources.js";

const UNTOLD = []; // no file of this home tells what another machine does
const BETWEEN = 500; // ms between looks while a model is loaded
const LEDGER = ["status/checkpoint_ledger.json", "history/scheduler.jsonl", "champion.json"];

const statusOf = (host) => `/oracle/status?host=${encodeURIComponent(host)}`;
const modelsOf = (host) => `/oracle/models?host=${encodeURIComponent(host)}`;

export const useHosts = () => useResource("/oracle/hosts", UNTOLD);

// {value, error}: looked at anew with each pulse.
export function useOracle(host) {
  const told = useResource(statusOf(host), UNTOLD);
  useEffect(() => onPulse(() => refresh(statusOf(host))), [host]);
  return told;
}

// {value, error}: anew when a checkpoint, an exam or another shelf is there.
export function useModels(host, look) {
  const told = useResource(modelsOf(host), LEDGER);
  useEffect(() => void refresh(modelsOf(host)), [host, look?.is_reachable, look?.models.length]);
  return told;
}

export async function post(url, content) {
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// Resolves when the model is in memory there, or will not come: who asks it then is told why. Throws when nobody answers
// there, and when `signal` says stop.
export async function loaded(host, model, signal) {
  const order = () => post("/oracle/load", { model, host }).then(() => true, () => true); // a read key may not load, but ask
  for (let isOrdered = false; ; ) {
    const look = await lookAt(host, signal);
    refresh(statusOf(host));
    if (!look.is_reachable) throw new Error(look.problem);
    if (look.backend !== "embedded" || look.models.some(({ name }) => name === model)) return;
    if (look.loading) await pause(signal);
    else if (isOrdered) return;
    else isOrdered = await order();
  }
}

async function lookAt(host, signal) {
  const response = await fetch(statusOf(host), { signal });
  const told = await response.json();
  if (!response.ok) throw new Error(told.error);
  return told;
}

function pause(signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, BETWEEN);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

// Whether all of them are in memory together, with what they answer; unknown sizes are taken to fit.
export function fitTogether(look, models) {
  if (!look?.budget_bytes) return true;
  return models.reduce((sum, { bytes, memory }) => sum + (memory ?? bytes ?? 0), 0) <= look.budget_bytes;
}
