// Whose drops are turned away, and by whom: two questions answered in words, and the counts behind them.
import { percent, plural, span, secondsSince, whole } from "./format.js";
import { html } from "./html.js";
import { Panel } from "./panel.js";
import { serverNow } from "./pulse.js";
import { useResource } from "./resources.js";

const FILE = "status/data_lineage.json";
const ENOUGH = 10; // drops below which nobody is judged by a share, as the queue-watcher has it
const NAMED = 3; // findings of a row

export function Lineage() {
  const lineage = useResource("/api/lineage", [FILE], FILE).value;
  if (!lineage) return null;
  const { generators, validators } = lineage;
  return html`<${Panel} title="Where quests come from, and who turns them away" name="Lineage">
    ${lineage.total_validations === 0 && html`<p class="empty">No drop was looked at yet. The first one in the inbox begins the count.</p>`}
    ${lineage.total_validations > 0 && html`<div class="pair even">
      <${Side} question="Which generator produces most rejections?" answer=${mostRejected(generators)} name="Generator" rows=${generators} />
      <${Side} question="Which validator is most aggressive?" answer=${mostAggressive(validators)} name="Validator" rows=${validators} />
    </div>`}
    <p class="small muted">A generator's share counts all of its drops, a validator's those that reached it. From <code>status/data_lineage.json</code>, counted over the whole history.</p>
  <//>`;
}

const entriesOf = (rows) => Object.entries(rows).map(([name, row]) => ({ name, ...row }));

// The one with most drops turned away: {name, text}; name null if nobody's were.
export function mostRejected(generators) {
  const rows = entriesOf(generators);
  const [worst, next] = rows.toSorted((one, other) => other.failed - one.failed || other.fail_rate - one.fail_rate);
  if (!worst?.failed) return { name: null, text: `None: all ${plural(rows.reduce((sum, { total }) => sum + total, 0), "drop")} were admitted.` };
  const tied = next?.failed === worst.failed ? ` ${next.name} has as many, of ${whole(next.total)}.` : "";
  return { name: worst.name, text: `${whole(worst.failed)} of its ${plural(worst.total, "drop")} were turned away (${percent(worst.fail_rate)})${mostlyFor(worst)}.${tied}` };
}

// The one that refuses the greatest share, of those that saw enough drops to be judged.
export function mostAggressive(validators) {
  const rows = entriesOf(validators).toSorted((one, other) => other.fail_rate - one.fail_rate || other.failed - one.failed);
  const worst = rows.find(({ total }) => total >= ENOUGH) ?? rows[0];
  if (!worst || rows.every(({ failed }) => failed === 0)) return { name: null, text: "None: no validator has turned a drop away." };
  if (!worst.failed) return { name: null, text: `None of those that saw ${ENOUGH} drops or more has turned one away.` };
  const few = worst.total < ENOUGH ? ` That is too few to judge: ${ENOUGH} are enough.` : "";
  return { name: worst.name, text: `turned away ${whole(worst.failed)} of the ${plural(worst.total, "drop")} that it saw (${percent(worst.fail_rate)})${mostlyFor(worst)}.${few}` };
}

const mostlyFor = ({ top_errors: [first] }) => (first ? `, most often for ${first.finding} (${whole(first.count)})` : "");

const Side = ({ question, answer, name, rows }) => html`<section class="stack" aria-label=${question}>
  <h3>${question}</h3>
  <p>${answer.name && html`<strong class="golden">${answer.name}</strong>: `}${answer.text}</p>
  <div class="wide" tabindex="0" role="group" aria-label="${name}s"><table class="table">
    <thead><tr><th scope="col">${name}</th><th scope="col" class="number">Drops</th><th scope="col" class="number">Refused</th><th scope="col" class="number">Share</th><th scope="col">For</th><th scope="col" class="number">Last</th></tr></thead>
    <tbody>${entriesOf(rows).toSorted((one, other) => other.failed - one.failed).map((row) => html`<tr key=${row.name}>
      <th scope="row">${row.name}</th><td class="number">${whole(row.total)}</td><td class="number ${row.failed ? "bad" : ""}">${whole(row.failed)}</td><td class="number">${percent(row.fail_rate, 1)}</td>
      <td class="small muted">${row.top_errors.slice(0, NAMED).map(({ finding, count }) => `${finding} ${whole(count)}`).join(", ")}</td>
      <td class="number small muted">${row.last_seen ? span(secondsSince(row.last_seen, serverNow())) : ""}</td>
    </tr>`)}</tbody>
  </table></div>
</section>`;
