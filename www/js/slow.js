// "Why is it slow?", answered by the trainer's own timers: the parts of its last step, and what lies between its steps.
import { fixed, percent, plural, span, whole } from "./format.js";
import { html } from "./html.js";
import { Num } from "./number.js";
import { Bar } from "./panel.js";

const RECENT = 200; // steps
const PARTS = { data: "waiting for data", forward_backward: "forward and backward", optimizer: "optimizer" };

// {wall, inside, padding, steps} of the newest rows, seconds and a share; null before there are two of them.
function paceOf(rows) {
  const recent = rows.slice(-RECENT);
  if (recent.length < 2) return null;
  const measured = recent.slice(1); // the first one's beginning is not known
  const sum = (key) => measured.reduce((total, row) => total + (row[key] ?? 0), 0);
  const wall = (Date.parse(recent[recent.length - 1].at) - Date.parse(recent[0].at)) / 1000;
  return { steps: measured.length, wall, inside: Math.min(wall, sum("seconds")), padding: sum("padded_tokens") ? 1 - sum("tokens") / sum("padded_tokens") : null };
}

export function WhySlow({ training, rows }) {
  const split = training?.step_seconds;
  const pace = paceOf(rows.filter(({ at }) => Date.parse(at) >= Date.parse(training?.writer.started_at))); // since it was started
  const known = Object.entries(split ?? {}).filter(([, seconds]) => seconds !== null);
  const all = known.reduce((total, [, seconds]) => total + seconds, 0);
  const worst = known.toSorted(([, one], [, other]) => other - one)[0];
  return html`<details class="why">
    <summary>Why is it slow?</summary>
    <div class="stack">
      ${worst ? html`<p>Most of the last step's ${fixed(all, 3)} s was <strong>${PARTS[worst[0]]}</strong>.</p>` : html`<p class="muted">No step was measured yet.</p>`}
      ${known.map(([part, seconds]) => html`<${Bar} key=${part} kind="thin" label=${PARTS[part]} share=${all ? seconds / all : null} left=${PARTS[part]} right=${html`<${Num} value=${seconds} as=${(one) => fixed(one, 4)} unit="s" /> · ${percent(all ? seconds / all : null, 1)}`} />`)}
      ${pace && pace.wall > 0 && html`<${Bar} kind="thin frost" label="time outside of steps" share=${1 - pace.inside / pace.wall} left="between steps" right=${`${span(pace.wall - pace.inside)} of ${span(pace.wall)} · ${percent(1 - pace.inside / pace.wall, 1)}`} />
        <p class="small muted">Of the last ${plural(pace.steps, "step")}: seals, validation, loading, pauses, and other programs lie between steps. Of their tokens, ${percent(pace.padding, 1)} were padding.</p>`}
      ${training?.last_seal && html`<p class="small muted">The last seal took ${fixed(training.last_seal.seconds, 2)} s, at step ${whole(training.last_seal.step)}.</p>`}
    </div>
  </details>`;
}
