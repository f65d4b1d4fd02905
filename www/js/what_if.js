// Another plan, tried without writing anything: what it would teach next, and what in the settings it would change.
import { useEffect, useState } from "preact/hooks";
import { Decisions, isSame } from "./decisions.js";
import { Differences } from "./differences.js";
import { plural } from "./format.js";
import { html } from "./html.js";
import { Panel } from "./panel.js";

const LARGEST_SHARE = 0.5; // as the settings have it: half of a batch is of the training level or more
const LAST_KEY = 250; // ms after which what was moved is asked about

export function WhatIf({ plan, change }) {
  const [ideas, put] = useState({});
  const changed = Object.fromEntries(Object.entries(ideas).filter(([key, value]) => value !== valueOf(plan, key)));
  const told = usePreview(changed, plan.version);
  const value = (key) => ideas[key] ?? valueOf(plan, key);
  const set = (key) => (given) => put({ ...ideas, [key]: given });
  const apply = async () => {
    await change({ changes: changed }, `${plural(Object.keys(changed).length, "setting")} changed`);
    put({});
  };
  const isIdle = Object.keys(changed).length === 0;
  return html`<${Panel} title="What if?">
    <p class="small muted">Move things: nothing is written until you apply it.</p>
    <label>Strategy <select value=${value("strategy")} onChange=${(event) => set("strategy")(event.target.value)}>${plan.strategies.map(({ name }) => html`<option key=${name}>${name}</option>`)}</select></label>
    <${Slider} name="Lines of a batch" value=${value("batch")} low=${100} high=${Math.max(10_000, plan.batch)} step=${100} set=${set("batch")} />
    <${Slider} name="Share of mastered levels" value=${value("mix.below")} low=${0} high=${LARGEST_SHARE} step=${0.05} set=${set("mix.below")} />
    <${Slider} name="Share of levels ahead" value=${value("mix.above")} low=${0} high=${LARGEST_SHARE} step=${0.05} set=${set("mix.above")} />
    ${plan.skills.map(({ id, weight }) => html`<${Slider} key=${id} name=${`Weight of ${id.toUpperCase()}`} value=${value(`${id}.weight`)} low=${0.1} high=${Math.max(10, weight)} step=${0.1} set=${set(`${id}.weight`)} />`)}
    ${isIdle && html`<p class="muted">As it is now: move something to see what it would teach.</p>`}
    ${!isIdle && html`<h3>What it would change</h3>
      <${Differences} of=${Object.entries(changed).map(([key, given]) => ({ key, before: valueOf(plan, key), after: given }))} />
      ${told?.error && html`<p class="bad" role="alert">${told.error}</p>`}
      ${told?.problem && html`<p class="bad">${told.problem}</p>`}
      ${told?.decisions && html`<p role="status">${differences(told.decisions, plan.decisions)}</p><${Decisions} of=${told.decisions} before=${plan.decisions ?? []} data-ideas />`}`}
    <div class="buttons">
      <button class="button" disabled=${isIdle || !told?.decisions} onClick=${apply}>Apply</button>
      <button class="button quiet" disabled=${isIdle} onClick=${() => put({})}>As it was</button>
    </div>
  <//>`;
}

// A setting of the curriculum by its key: strategy, mix.below, bin.weight
function valueOf(plan, key) {
  const [first, second] = key.split(".");
  if (second === undefined) return plan[first];
  return first === "mix" ? plan.mix[second] : plan.skills.find(({ id }) => id === first)?.[second];
}

// What the server would teach under `changes`; null while none are made. {error} if it refuses them.
function usePreview(changes, version) {
  const [told, put] = useState(null);
  const key = JSON.stringify(changes);
  useEffect(() => {
    if (key === "{}") return put(null);
    let isOver = false;
    const timer = setTimeout(async () => {
      const answer = await asked(key);
      if (!isOver) put(answer);
    }, LAST_KEY);
    return () => ((isOver = true), clearTimeout(timer));
  }, [key, version]);
  return told;
}

async function asked(changes) {
  try {
    const body = `{"changes":${changes}}`;
    return await (await fetch("/api/scheduler/preview", { method: "POST", headers: { "Content-Type": "application/json" }, body })).json();
  } catch {
    return { error: "the Tavern does not answer" };
  }
}

function differences(decisions, before) {
  const count = decisions.filter((one, index) => !isSame(one, before?.[index])).length;
  return count ? `${plural(count, "batch", "batches")} of the next ${decisions.length} would be another.` : `The next ${plural(decisions.length, "batch", "batches")} would be the same.`;
}

const Slider = ({ name, value, low, high, step, set }) => html`<label class="slider"><span>${name}</span>
  <input type="range" min=${low} max=${high} step=${step} value=${value} onInput=${(event) => set(Number(event.target.value))} /><output>${value}</output></label>`;
