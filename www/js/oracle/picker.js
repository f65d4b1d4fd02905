// Which model answers: a search over the ledger, with what is known of each checkpoint.
import { useState } from "preact/hooks";
import { bytes, clock, fixed, isKnown, percent, secondsSince, span, whole } from "../format.js";
import { html } from "../html.js";
import { Panel } from "../panel.js";
import { serverNow } from "../pulse.js";
import { matches } from "./search.js";

const MOST = 100; // rows that are drawn
const TAGS = { latest: "🕯 latest", champion: "👑 champion", base: "🥚 base" };

// `chosen`: names by lane; `choose(lane, name)`.
export function Picker({ models, look, chosen, choose, isDuel, load }) {
  const [query, search] = useState("");
  const [lane, turn] = useState(0);
  const found = models.filter((model) => matches(model, query));
  const side = isDuel ? lane : 0;
  return html`<${Panel} title="Models" name="models">
    ${isDuel && html`<div class="chips" role="group" aria-label="Choose for">
      ${["Left", "Right"].map((name, index) => html`<button class="chip" aria-pressed=${side === index} onClick=${() => turn(index)}>${name}: ${shortName(chosen[index])}</button>`)}
    </div>`}
    <input type="search" data-search aria-label="Search the models" placeholder="step, date, skill, tag, loss<1.2" value=${query} onInput=${(event) => search(event.target.value)} />
    ${found.length === 0 && html`<p class="empty">${models.length ? "No model is like that." : "There is no model yet: the trainer saves the first checkpoint."}</p>`}
    <ul class="models">${found.slice(0, MOST).map((model) => html`<${Row} key=${model.name} model=${model} held=${held(look, model)} loading=${look?.loading} failure=${look?.failures[model.name]} isSilent=${!look?.is_reachable} isChosen=${chosen[side] === model.name} choose=${() => choose(side, model.name)} load=${load} />`)}</ul>
    ${found.length > MOST && html`<p class="small muted">${whole(found.length - MOST)} more: search for them.</p>`}
  <//>`;
}

const held = (look, { name }) => look?.models.some((one) => one.name === name) ?? false;

// checkpoint-190000-20251127-1430 is step 190,000; others have names of their own.
export function shortName(name) {
  const [, step] = /^checkpoint-(\d+)/.exec(name ?? "") ?? [];
  return step ? `step ${whole(Number(step))}` : (name ?? "nobody");
}

function Row({ model, held: isHeld, loading, failure, isSilent, isChosen, choose, load }) {
  const isComing = loading?.name === model.name;
  return html`<li class="model ${isChosen ? "chosen" : ""}">
    <button class="pick" aria-pressed=${isChosen} disabled=${model.is_there === false} onClick=${choose}>
      <span class="title"><strong>${shortName(model.name)}</strong>${model.tags.map((tag) => html`<span class="tag ${tag}">${TAGS[tag] ?? tag}</span>`)}</span>
      <span class="small muted">${aged(model)}${worth(model)}</span>
      <span class="small">${model.exams.map((exam) => html`<span class="tag">${exam.skill.toUpperCase()} L${exam.level} ${percent(exam.correct / exam.count)} <span class="muted">of ${exam.count}</span></span>`)}</span>
    </button>
    <span class="place small">${model.is_there === false ? html`<span class="warm">not on this host</span>` : isHeld ? html`<span class="good">● in memory</span>` : isComing ? "is read…" : html`<button class="button quiet slim" aria-label="load ${model.name}" disabled=${isSilent} onClick=${() => load(model.name)}>Load</button>`}
      <span class="muted">${isKnown(model.bytes) ? bytes(model.bytes) : ""}${!isHeld && isKnown(model.load_seconds) ? ` ≈ ${model.load_seconds < 1 ? "1 s" : span(model.load_seconds)}` : ""}</span></span>
    ${failure && html`<p class="small bad">${failure}</p>`}
  </li>`;
}

const aged = ({ at }) => at && html`<time datetime=${at} title=${clock(at)}>${span(secondsSince(at, serverNow()))} old</time>`;

const worth = ({ train_loss: loss, val_loss: val, skill, level }) =>
  [isKnown(loss) && ` · loss ${fixed(loss)}`, isKnown(val) && ` · val ${fixed(val)}`, skill && ` · ${skill.toUpperCase()} L${level}`].filter(Boolean).join("");
