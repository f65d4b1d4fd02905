// The levels of a skill: the heat of what was examined, and what each is made of, as its own trainer tells it.
import { clock, NOTHING, percent, plural, whole } from "./format.js";
import { html } from "./html.js";
import { Num } from "./number.js";
import { useResource } from "./resources.js";

const TOLD_ONCE = []; // no file of the home changes it
export const useLadders = () => useResource("/api/ladders", TOLD_ONCE);

export function Ladder({ skill, shown, look }) {
  const { value: told } = useLadders();
  const known = told?.skills[skill.id];
  return html`<h3>Ladder</h3>
    <p class="legend"><span><i class="heat-none"></i>never examined</span><span><i class="heat-low"></i>below half</span><span><i class="heat-mid"></i>below ${percent(skill.threshold)}</span><span><i class="heat-high"></i>${percent(skill.threshold)} and more</span><span><i class="heat-gold"></i>mastered</span><span><i class="heat-regressed"></i>mastered, below it since</span></p>
    <div class="ladder">${skill.ladder.map((rung) => html`<button key=${rung.level} class="rung ${heatOf(skill, rung.latest?.accuracy)} ${kindOf(skill, rung)}" aria-pressed=${rung === shown} aria-label=${`level ${rung.level}, ${kindOf(skill, rung) || "ahead"}, ${rung.latest ? `latest exam ${percent(rung.latest.accuracy)}` : "never examined"}`} onClick=${() => look(`${rung.level}`)}>${rung.level}</button>`)}</div>
    ${shown && html`<${Rung} rung=${shown} skill=${skill} values=${known?.levels[shown.level]} />`}
    <${Levels} skill=${skill} known=${known} problem=${told?.problem} />`;
}

// No exam, no heat: what was never tested is grey, not bad.
export function heatOf({ threshold }, accuracy) {
  if (accuracy === null || accuracy === undefined) return "heat-none";
  return accuracy >= threshold ? "heat-high" : accuracy >= 0.5 ? "heat-mid" : "heat-low";
}

function kindOf(skill, { level }) {
  if (skill.regressed.includes(level)) return "regressed";
  if (level <= skill.mastered_level) return "mastered";
  return level === skill.training_level ? "training" : "";
}

function Rung({ rung, skill, values = {} }) {
  const { latest } = rung;
  const earned = skill.level_ups.find(({ level }) => level === rung.level);
  return html`<dl class="facts">
    <div><dt>Level ${rung.level}</dt><dd>${rung.title ?? NOTHING}</dd></div>
    <div><dt>Taught</dt><dd>${rung.taught ? plural(rung.taught, "item") : "not yet"}</dd></div>
    <div><dt>Exams</dt><dd>${whole(rung.exams)}</dd></div>
    <div><dt>Latest</dt><dd>${latest ? `${percent(latest.accuracy)} (${percent(latest.low)} to ${percent(latest.high)}, n ${latest.count})` : "?"}</dd></div>
    <div><dt>Mastered</dt><dd>${earned ? `${clock(earned.at)}, mean ${percent(earned.mean, 1)}` : "not yet"}</dd></div>
    ${latest && html`<div><dt>Paper</dt><dd><a href=${`/exams/${latest.exam}/papers.jsonl`}>every prompt, answer and grade</a></dd></div>`}
    ${Object.entries(values).map(([name, value]) => html`<div key=${name}><dt>${capital(name)}</dt><dd><${Value} of=${value} /></dd></div>`)}
  </dl>
  ${rung.accuracies.length > 1 && html`<${Strip} accuracies=${rung.accuracies} threshold=${skill.threshold} />`}`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const Value = ({ of }) => (typeof of === "number" ? html`<${Num} value=${of} />` : of);

// One bar for each of the newest exams of a level, the threshold across.
function Strip({ accuracies, threshold }) {
  const says = `the newest ${plural(accuracies.length, "exam")} of this level: ${accuracies.map((one) => percent(one)).join(", ")}`;
  return html`<figure class="strip"><svg viewBox=${`0 0 ${accuracies.length * 10} 100`} preserveAspectRatio="none" role="img" aria-label=${says}>
    ${accuracies.map((one, index) => html`<rect key=${index} class=${heatOf({ threshold }, one)} x=${index * 10 + 1} width="8" y=${100 - Math.max(2, 100 * one)} height=${Math.max(2, 100 * one)} />`)}
    <line x1="0" x2=${accuracies.length * 10} y1=${100 - 100 * threshold} y2=${100 - 100 * threshold} />
  </svg><figcaption class="small muted">The newest ${plural(accuracies.length, "exam")} of this level, the line at ${percent(threshold)}</figcaption></figure>`;
}

// Every level in a row: its exams as a strip of heat, and the values that its trainer states.
function Levels({ skill, known, problem }) {
  const names = Object.keys(known?.levels[1] ?? {});
  const where = known?.api_url ? html`What they are made of is known to its server alone: <code>${known.api_url}/levels</code>.` : (problem ?? "Its trainer does not tell what they are made of.");
  return html`<details class="why">
    <summary>All ${whole(skill.max_level)} levels, and what they are made of</summary>
    ${names.length === 0 && html`<p class="muted">${where}</p>`}
    <div class="wide levels" tabindex="0" role="group" aria-label="levels of ${skill.name}"><table class="table">
      <thead><tr><th scope="col" class="number">Level</th><th scope="col">Exams, the newest last</th><th scope="col">Name</th>${names.map((name) => html`<th key=${name} scope="col" class="number">${capital(name)}</th>`)}</tr></thead>
      <tbody>${skill.ladder.map((rung) => html`<tr key=${rung.level} class=${kindOf(skill, rung)}>
        <th scope="row" class="number">${rung.level}</th><td><${Heat} skill=${skill} accuracies=${rung.accuracies} /></td><td>${rung.title}</td>
        ${names.map((name) => html`<td key=${name} class="number"><${Value} of=${known.levels[rung.level][name]} /></td>`)}
      </tr>`)}</tbody>
    </table></div>
  </details>`;
}

const WIDEST = 24; // exams of a level, as the Tavern keeps them

function Heat({ skill, accuracies }) {
  const says = accuracies.length ? accuracies.map((one) => percent(one)).join(", ") : "never examined";
  return html`<svg class="heat" viewBox=${`0 0 ${WIDEST * 5} 12`} role="img" aria-label=${says}>
    ${accuracies.length === 0 && html`<rect class="heat-none" x="0" y="1" width=${WIDEST * 5 - 1} height="10" />`}
    ${accuracies.map((one, index) => html`<rect key=${index} class=${heatOf(skill, one)} x=${index * 5} y="1" width="4" height="10" />`)}
  </svg>`;
}
