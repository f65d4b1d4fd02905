// The oracle's chamber: its crystal shows what the oracle does, and the panel says it.
import { bytes, fixed, isKnown, plural, secondsSince, span } from "../format.js";
import { html } from "../html.js";
import { Bar, Panel, Picture } from "../panel.js";
import { serverNow } from "../pulse.js";
import { shortName } from "./picker.js";
import { useHosts } from "./oracles.js";

// silent: it does not answer; asleep: nothing is in its memory; reads, speaks, listens.
export function moodOf({ value: look, error }, isSpeaking) {
  if (error || !look?.is_reachable) return "silent";
  if (look.loading) return "reads";
  if (isSpeaking || look.models.some(({ answering }) => answering)) return "speaks";
  return look.models.length || look.backend !== "embedded" ? "listens" : "asleep";
}

const SAYINGS = {
  silent: "The crystal is dark: the Oracle does not answer",
  asleep: "The crystal sleeps: no model is in memory",
  reads: "The crystal fills: a model is read from the disk",
  listens: "The crystal is clear: the Oracle listens",
  speaks: "The crystal shines: the Oracle speaks",
};

export function Chamber({ host, chooseHost, told, isSpeaking, unload }) {
  const hosts = useHosts().value;
  const look = told.value;
  const mood = moodOf(told, isSpeaking);
  const isAsked = look || told.error;
  return html`<${Panel} title="The Oracle" name="chamber" tools=${html`<${HostChoice} hosts=${hosts?.hosts ?? []} host=${host} choose=${chooseHost} />`}>
    <div class="chamber ${mood}"><${Picture} file="orb" name=${mood} label=${isAsked ? SAYINGS[mood] : "The crystal"} /></div>
    ${isAsked && html`<p class="mood muted">${SAYINGS[mood]}.</p>`}
    ${told.error && html`<p class="bad" role="alert">${told.error.message}</p>`}
    ${look && !look.is_reachable && html`<p class="bad" role="alert">${look.problem}</p>`}
    ${hosts?.problem && html`<p class="warm">${hosts.problem}</p>`}
    ${look?.loading && html`<${Load} loading=${look.loading} />`}
    ${look?.is_reachable && html`<${Memory} look=${look} unload=${unload} />`}
  <//>`;
}

function HostChoice({ hosts, host, choose }) {
  const known = hosts.some(({ id }) => id === host) ? hosts : [{ id: host, name: host === "here" ? "This machine" : host, is_reachable: true }, ...hosts];
  return html`<select aria-label="host" value=${host} onChange=${(event) => choose(event.target.value)}>
    ${known.map((one) => html`<option value=${one.id}>${one.name}${one.is_reachable ? "" : " (silent)"}</option>`)}
  </select>`;
}

function Load({ loading }) {
  const seconds = Math.max(0, secondsSince(loading.began_at, serverNow()));
  return html`<${Bar} kind="frost" label="weights that are read" share=${loading.total ? loading.read / loading.total : null}
    left=${html`<strong>Reads ${shortName(loading.name)}</strong>`} right=${`${bytes(loading.read)} of ${bytes(loading.total)}, ${fixed(seconds, 1)} s`} />`;
}

function Memory({ look, unload }) {
  if (look.backend !== "embedded") return html`<p class="small muted">Another server answers here: <code>${look.upstream}</code>. What it keeps in memory is for it to say.</p>`;
  const held = look.models.reduce((sum, model) => sum + model.bytes + model.cache_bytes, 0);
  return html`<${Bar} kind="xp" label="memory for models" share=${isKnown(look.budget_bytes) ? held / look.budget_bytes : null} left=${plural(look.models.length, "model") + " in memory"} right=${`${bytes(held)} of ${bytes(look.budget_bytes)}`} />
    <ul class="held">${look.models.map((model) => html`<li key=${model.name}><strong>${shortName(model.name)}</strong><span class="small muted"><span title="${bytes(model.bytes)} of weights, ${bytes(model.cache_bytes)} for keys and values">${bytes(model.bytes + model.cache_bytes)}</span>, for ${span(secondsSince(model.loaded_at, serverNow()))}${model.answering ? `, answers ${model.answering}` : ""}</span>
      <button class="button quiet slim" aria-label="unload ${model.name}" disabled=${model.answering > 0} onClick=${() => unload(model.name)}>Unload</button></li>`)}</ul>`;
}
