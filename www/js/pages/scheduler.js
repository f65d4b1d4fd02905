// The curriculum: what is taught next, and why. Looking changes nothing; a change is written with a version number.
import { useState } from "preact/hooks";
import { Decisions } from "../decisions.js";
import { Differences } from "../differences.js";
import { clock, secondsSince, span, whole } from "../format.js";
import { html } from "../html.js";
import { Panel } from "../panel.js";
import { serverNow } from "../pulse.js";
import { refresh, useResource } from "../resources.js";
import { toast } from "../toasts.js";
import { WhatIf } from "../what_if.js";
import { ask } from "../wishes.js";

const ADDRESS = "/api/scheduler?count=10";
const FILES = ["config.json", "history/scheduler.jsonl"];

export function Page() {
  const { value: plan, error } = useResource(ADDRESS, FILES);
  const document = useResource("/status/scheduler.json").value;
  const change = async (content, told) => {
    const changed = await ask("/api/scheduler", { version: plan.version, ...content });
    refresh(ADDRESS);
    if (changed) toast("⚙️", told);
  };
  return html`<main id="room">
    <h1 class="unseen">Scheduler</h1>
    ${error && html`<p class="findings trouble" role="alert">${error.message}</p>`}
    ${plan && html`<div class="pair">
      <div class="stack">
        <${Presets} plan=${plan} change=${change} document=${document} />
        <${Skills} plan=${plan} change=${change} />
      </div>
      <div class="stack">
        <${Next} plan=${plan} document=${document} />
        <${WhatIf} plan=${plan} change=${change} />
        <${Tasks} document=${document} />
      </div>
    </div>`}
  </main>`;
}

function Presets({ plan, change, document }) {
  const [tried, tryOut] = useState(null);
  const preset = plan.presets.find(({ name }) => name === tried);
  const apply = async () => {
    await change({ preset: tried }, `Preset ${tried} is in force`);
    tryOut(null);
  };
  const flip = () => change({ changes: { enabled: !plan.enabled } }, `The curriculum is ${plan.enabled ? "off" : "on"}`);
  return html`<${Panel} title="Curriculum" document=${document} daemon="scheduler">
    <label><input type="checkbox" checked=${plan.enabled} onChange=${flip} /><strong>The scheduler feeds the queue</strong></label>
    <p class="small muted">While fewer than ${whole(plan.min_queue_depth)} quests wait, it drops the next batch into <code>inbox/low</code>; whatever a person drops is trained first.</p>
    <h3>Presets</h3>
    <div class="presets">${plan.presets.map((preset) => html`<button key=${preset.name} class="preset" aria-pressed=${plan.preset === preset.name} disabled=${Boolean(preset.problem)} onClick=${() => tryOut(plan.preset === preset.name ? null : preset.name)}>
      <strong>${preset.name}</strong><span class="small muted">${preset.problem ?? preset.title}</span>
    </button>`)}</div>
    ${preset && html`<div class="stack tried" role="group" aria-label="Preset ${tried}">
      <p><strong>${tried}</strong> would change:</p>
      <${Differences} of=${preset.differences} />
      <div class="buttons"><button class="button" onClick=${apply}>Apply ${tried}</button><button class="button quiet" onClick=${() => tryOut(null)}>Leave it</button></div>
    </div>`}
    <h3>Strategy</h3>
    ${plan.strategies.map(({ name, text }) => html`<label key=${name}><input type="radio" name="strategy" checked=${plan.strategy === name} onChange=${() => change({ changes: { strategy: name } }, `Strategy ${name}`)} /><span><strong>${name}</strong> <span class="muted small">${text}</span></span></label>`)}
    <${LastChange} plan=${plan} change=${change} />
  <//>`;
}

// As far as a file says: whoever edits config.json by hand leaves no word of it.
function LastChange({ plan, change }) {
  const last = plan.last_change;
  if (!last) return html`<p class="small muted">The shipped curriculum: config.json states none.</p>`;
  const ago = html`<time datetime=${last.at} title=${clock(last.at)}>${span(secondsSince(last.at, serverNow()))} ago</time>`;
  const undo = () => change({ undo: true }, "The last change is undone");
  return html`<h3>Last change</h3>
    ${last.by
      ? html`<p>With <strong>${AUTHORS[last.by]}</strong>, ${ago}.</p><${Differences} of=${last.differences} />
        ${last.differences.length === 0 && html`<p class="small muted">It changed nothing that holds now.</p>`}
        <div class="buttons"><button class="button quiet" onClick=${undo}>Undo it</button></div>`
      : html`<p>Not with the Tavern, nor with <code>realm curriculum</code>: config.json was last written ${ago}, and no file says by whom.</p>
        <div class="buttons"><button class="button quiet" disabled>Undo it</button><span class="small muted">What stood there before is kept nowhere.</span></div>`}`;
}

const AUTHORS = { tavern: "the Tavern", "realm curriculum": "realm curriculum, in a terminal" };

function Skills({ plan, change }) {
  const set = (skill, key, value) => change({ changes: { [`${skill}.${key}`]: value } }, `${skill}: ${key} is ${value}`);
  return html`<${Panel} title="Skills">
    <div class="wide"><table class="table">
      <thead><tr><th scope="col">Skill</th><th scope="col">Taught</th><th scope="col">Priority</th><th scope="col">Weight</th></tr></thead>
      <tbody>${plan.skills.map((skill) => html`<tr key=${skill.id}>
        <th scope="row">${skill.id.toUpperCase()}</th>
        <td><input type="checkbox" aria-label="${skill.id} is taught" checked=${skill.enabled} onChange=${(event) => set(skill.id, "enabled", event.target.checked)} /></td>
        <td><${NumberField} label="priority of ${skill.id}" value=${skill.priority} step="1" set=${(value) => set(skill.id, "priority", value)} /></td>
        <td><${NumberField} label="weight of ${skill.id}" value=${skill.weight} step="0.1" set=${(value) => set(skill.id, "weight", value)} /></td>
      </tr>`)}</tbody>
    </table></div>
  <//>`;
}

function NumberField({ label, value, step, set }) {
  const [typed, type] = useState(null);
  const keep = () => (typed !== null && Number(typed) !== value && set(Number(typed)), type(null));
  return html`<input type="number" aria-label=${label} min="0" step=${step} size="5" value=${typed ?? value} onInput=${(event) => type(event.target.value)} onBlur=${keep} onKeyDown=${(event) => event.key === "Enter" && keep()} />`;
}

function Next({ plan, document }) {
  return html`<${Panel} title="The next batches" document=${document} daemon="scheduler">
    ${!plan.enabled && html`<p class="warm">The curriculum is off: nothing of this is dispatched.</p>`}
    ${plan.problem && html`<p class="bad">${plan.problem}</p>`}
    ${plan.decisions && html`<${Decisions} of=${plan.decisions} data-decisions />`}
    <p class="small muted">A preview: the numbers go on from the batches dispatched so far. Nothing moves by looking.</p>
  <//>`;
}

function Tasks({ document }) {
  return html`<${Panel} title="Exams and tasks" document=${document} daemon="scheduler">
    <dl class="facts">${Object.entries(document?.tasks ?? {}).map(([state, count]) => html`<div key=${state}><dt>${state}</dt><dd>${whole(count)}</dd></div>`)}</dl>
    <p>${document?.running ? html`Running: <strong>${document.running}</strong>` : html`<span class="muted">No task runs.</span>`}</p>
    <p class="small muted">${whole(document?.exams)} exams graded, ${whole(document?.batches)} batches dispatched, ever.</p>
  <//>`;
}
