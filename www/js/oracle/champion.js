// Who wears the crown, and whether the chosen checkpoint should: both on the same exam items.
import { useState } from "preact/hooks";
import { clock, fixed, percent, secondsSince, span } from "../format.js";
import { html } from "../html.js";
import { Panel } from "../panel.js";
import { serverNow } from "../pulse.js";
import { refresh, useResource } from "../resources.js";
import { toast } from "../toasts.js";
import { post } from "./oracles.js";
import { shortName } from "./picker.js";

const FILES = ["history/scheduler.jsonl", "champion.json"];

export function Champion({ candidate }) {
  const address = `/oracle/champion${candidate?.step === null || !candidate ? "" : `?model=${candidate.name}`}`;
  const { value: told, error } = useResource(address, FILES);
  const [reason, give] = useState("");
  const crown = async () => {
    try {
      await post("/oracle/champion", { model: candidate.name, reason: reason.trim() || null });
      toast("🏆", `${shortName(candidate.name)} is the champion`);
      give("");
      refresh(address);
    } catch (fault) {
      toast("🧱", fault.message, "fault");
    }
  };
  const isRival = candidate && candidate.step !== null && candidate.name !== told?.champion?.checkpoint;
  return html`<${Panel} title="Champion" name="champion">
    ${error && html`<p class="bad" role="alert">${error.message}</p>`}
    ${told && html`<${Crown} crown=${told.champion} />`}
    ${told && isRival && html`<${Rival} told=${told} candidate=${candidate} reason=${reason} give=${give} crown=${crown} />`}
  <//>`;
}

function Rival({ told, candidate, reason, give, crown }) {
  return html`<h3>${shortName(candidate.name)}${told.champion ? " beside it" : ""}</h3>
    ${told.comparison && html`<${Paired} of=${told.comparison} />`}
    ${told.doubt && html`<p class="warm">${told.doubt}. It is crowned by a reason of yours, which the chronicle tells.</p>`}
    <div class="buttons">
      <label>Reason <input type="text" size="24" maxlength="500" value=${reason} onInput=${(event) => give(event.target.value)} /></label>
      <button class="button" disabled=${told.doubt && !reason.trim()} onClick=${crown}><span aria-hidden="true">👑</span>Crown ${shortName(candidate.name)}</button>
    </div>`;
}

function Crown({ crown }) {
  if (!crown) return html`<p class="empty">Nobody wears the crown yet.</p>`;
  return html`<p>👑 <strong>${shortName(crown.checkpoint)}</strong>, for <time datetime=${crown.crowned_at} title=${clock(crown.crowned_at)}>${span(secondsSince(crown.crowned_at, serverNow()))}</time>${crown.evidence ? html`, before ${shortName(crown.evidence.rival)} (p ${fixed(crown.evidence.p_value)})` : ""}${crown.reason ? html`: “${crown.reason}”` : ""}.</p>`;
}

// Where both are right or wrong tells nothing; the test is of where they differ.
function Paired({ of }) {
  const accuracy = (index) => `${percent(of.accuracies[index])} (${percent(of.intervals[index][0])} to ${percent(of.intervals[index][1])})`;
  return html`<dl class="facts">
    <div><dt>${shortName(of.new)}</dt><dd>${accuracy(0)}</dd></div>
    <div><dt>${shortName(of.rival)}</dt><dd>${accuracy(1)}</dd></div>
    <div><dt>Only the new one right</dt><dd>${of.only_new}</dd></div>
    <div><dt>Only the champion right</dt><dd>${of.only_rival}</dd></div>
    <div><dt>Both, neither</dt><dd>${of.both}, ${of.neither}</dd></div>
    <div><dt>McNemar's test</dt><dd class=${of.is_better ? "good" : ""}>p ${of.p_value < 0.001 ? "below 0.001" : fixed(of.p_value)}</dd></div>
  </dl><p class="small muted">${of.items} items that both have answered: ${of.exams.join(", ")}.</p>`;
}
