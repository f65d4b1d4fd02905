// The long view: curves of the whole life, health, daemons, events.
import { useMemo } from "preact/hooks";
import { useAddress, useSpan } from "../address.js";
import { Chart } from "../chart.js";
import { Chronicle } from "../chronicle_panel.js";
import { plural, span } from "../format.js";
import { freshness, useSecond } from "../freshness.js";
import { html } from "../html.js";
import { Lineage } from "../lineage.js";
import { Panel, Picture } from "../panel.js";
import { usePulse } from "../pulse.js";
import { usePyramid } from "../pyramid.js";
import { useMarks, useResource } from "../resources.js";

const MARKS = 60; // the newest checkpoints and blows that are drawn
const BUCKETS = 900; // records that are drawn at most
const CURVES = {
  loss: { name: "Loss", ink: "ember", digits: 4 },
  validation_loss: { name: "Validation loss", ink: "frost", digits: 4 },
  learning_rate: { name: "Learning rate", ink: "gold", digits: 6 },
  gradient_norm: { name: "Gradient norm", ink: "moss", digits: 3 },
  tokens_per_second: { name: "Tokens per second", ink: "xp", digits: 0 },
};

export function Page() {
  const watchtower = useResource("/status/watchtower.json").value;
  return html`<main id="room">
    <h1 class="unseen">Watchtower</h1>
    <${Curves} watchtower=${watchtower} />
    <div class="pair">
      <div class="stack"><${Health} watchtower=${watchtower} /><${Daemons} /></div>
      <${Chronicle} area="" />
    </div>
    <${Lineage} />
  </main>`;
}

// Curves

function Curves({ watchtower }) {
  const [stated, setCurve] = useAddress("curve", "loss");
  const curve = CURVES[stated] ? stated : "loss";
  const [range, setRange] = useSpan("span");
  const [scale, setScale] = useAddress("scale", "linear");
  const log = scale === "log";
  const curves = usePyramid(range?.from ?? null, range?.to ?? null, BUCKETS);
  const found = useMarks();
  const marks = useMemo(() => marksOf(found), [found]);
  const { name, ink, digits } = CURVES[curve];
  const lines = useMemo(() => [
    { label: "highest", ink, width: 0.6, digits, band: [1, 2] },
    { label: "lowest", ink, width: 0.6, digits },
    { label: "last", ink: "ink", width: 1.4, digits },
  ], [curve]);
  const data = useMemo(() => {
    const of = curves?.series[curve];
    return of ? [curves.steps, of.max, of.min, of.last] : null;
  }, [curves, curve]);
  return html`<${Panel} title="The whole journey" document=${watchtower} daemon="watchtower">
    <div class="buttons">
      <div class="chips" role="group" aria-label="Curve">${Object.entries(CURVES).map(([key, one]) => html`<button key=${key} class="chip" aria-pressed=${key === curve} onClick=${() => setCurve(key)}>${one.name}</button>`)}</div>
      <label class="small"><input type="checkbox" checked=${log} onChange=${() => setScale(log ? "linear" : "log")} />logarithmic</label>
      <button class="button quiet slim" disabled=${!range} onClick=${() => setRange(null)}>Whole life</button>
    </div>
    ${data && data[0].length > 1
      ? html`<${Chart} key=${`${curve} ${range?.from} ${range?.to}`} label="${name} by step" series=${lines} data=${data} height=${340} log=${log} marks=${marks} onZoom=${zoom(curves, setRange)} onReset=${range && (() => setRange(null))} />`
      : html`<p class="empty">${curves ? "Nothing of this was measured yet." : "The watchtower has drawn no curve yet."}</p>`}
    ${data?.[0].length > 1 && html`<p class="legend"><span>${plural(data[0].length, "bucket")} of ${plural(curves.width, "step")}</span>
      <span>the band spans the lowest and the highest value of each bucket: no step lies outside it</span><span>drag, pinch, or + and −, to look closer</span></p>`}
  <//>`;
}

const SIGNS = { "loss.spike": "▲", "step.dropped": "✕" };

function marksOf(stated) {
  const saved = (stated?.checkpoints ?? []).slice(-MARKS).map(({ step }) => ({ step, sign: "⚑", ink: "moss" }));
  const blows = (stated?.problems ?? []).slice(-MARKS).map(({ step, kind }) => ({ step, sign: SIGNS[kind] ?? "✕", ink: "blood" }));
  return [...saved, ...blows];
}

// A drag asks for the narrower buckets of its span.
const zoom = (curves, setRange) => (min, max) => {
  const [first, last] = [curves?.steps[0], curves?.steps[curves.steps.length - 1]];
  if (first === undefined || min === null || (min <= first && max >= last)) return;
  setRange({ from: min, to: max });
};

// Health

const LEVELS = { trouble: "trouble", note: "note-level" };

function Health({ watchtower }) {
  const findings = watchtower?.findings ?? [];
  const wanting = findings.filter(({ severity }) => LEVELS[severity]);
  return html`<${Panel} title="Health" document=${watchtower} daemon="watchtower">
    ${watchtower && wanting.length === 0 && html`<p class="good">All is well: ${plural(findings.length, "check")} found nothing.</p>`}
    <ul class="findings">${wanting.map(({ severity, what, why, mend }) => html`<li class=${LEVELS[severity]}><strong>${what}</strong>${why && html`<br />${why}`}${mend && html`<br /><span class="muted">${mend}</span>`}</li>`)}</ul>
    <p class="small muted">${watchtower ? html`As <code>realm doctor</code> sees it.` : html`The watchtower has not looked yet: <code>realm doctor</code> tells it in a terminal.`}</p>
  <//>`;
}

const DAEMONS = {
  trainer: "training_status",
  "queue-watcher": "queue-watcher",
  scheduler: "scheduler",
  watchtower: "watchtower",
  tavern: "tavern",
};

const Daemons = () => html`<${Panel} title="Daemons">
  <div class="daemons">${Object.entries(DAEMONS).map(([name, file]) => html`<${Daemon} key=${name} name=${name} file=${file} />`)}</div>
<//>`;

function Daemon({ name, file }) {
  const { value: document } = useResource(`/status/${file}.json`);
  usePulse();
  useSecond();
  const { age, isAlive, isStale } = freshness(document);
  const word = isAlive ? (isStale ? `silent for ${span(age)}` : `${document.state} · ${document.phase}`) : age === null ? "never started" : `not running, last heard ${span(age)} ago`;
  return html`<div class="daemon ${isAlive ? "" : "dead"}"><${Picture} file="icons" name=${name} /><strong>${name}</strong><span class="small ${isStale ? "warm" : "muted"}">${word}</span></div>`;
}
