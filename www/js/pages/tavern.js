// The hero and the battle.
import { useMemo } from "preact/hooks";
import { useAddress, useSpan } from "../address.js";
import { Away } from "../away.js";
import { useBlows } from "../blows.js";
import { Chart } from "../chart.js";
import { Chronicle } from "../chronicle_panel.js";
import { bytes, fixed, NOTHING, percent, plainly, plural, rate, span, whole } from "../format.js";
import { freshness } from "../freshness.js";
import { HeroCard } from "../hero_card.js";
import { html } from "../html.js";
import { enemyOf, moodOf } from "../mood.js";
import { Num } from "../number.js";
import { nextLevelOf, questPace, sayPace } from "../pace.js";
import { Bar, Panel, Picture } from "../panel.js";
import { serverNow, usePulse } from "../pulse.js";
import { usePyramid } from "../pyramid.js";
import { useBattle, useGame, useResource, useTraining } from "../resources.js";
import { useRows } from "../rows.js";
import { useChronicle } from "../chronicle.js";
import { SkillLines } from "../skill_lines.js";
import { WhySlow } from "../slow.js";
import { Tip } from "../tip.js";
import { FlagButton, ResumeButton, useControl } from "../wishes.js";

export function Page() {
  usePulse(); // a hero that nobody hears of is lost, without any file that says so
  const [training, battle, game, events] = [useTraining(), useBattle(), useGame(), useChronicle()];
  const mood = moodOf(training, battle, events);
  return html`<main id="room">
    <h1 class="unseen">The Tavern</h1>
    <${Away} />
    <div class="home">
      <${HeroCard} game=${game} training=${training} mood=${mood} />
      <${Battle} training=${training} battle=${battle} game=${game} mood=${mood} />
      <${Chronicle} />
      <${Curve} training=${training} events=${events} />
      <${SkillLines} game=${game} />
      <${Forge} training=${training} />
    </div>
  </main>`;
}

// Battle

const QUESTS = ["queue", "history/trainer.jsonl"];

function Battle({ training, battle, game, mood }) {
  const quests = useResource("/api/quests?limit=50", QUESTS).value;
  const quest = quests?.processing.find(({ name }) => name === training?.quest) ?? null;
  const rows = useRows();
  const blows = useBlows(training, rows);
  const progress = training?.quest ? training.quest_progress : null;
  return html`<${Panel} title="Battle" area="battle" document=${training} daemon="trainer">
    <div class="stage">
      <div class="caption">
        <span class="cut"><strong>${quest?.title ?? (training?.quest ? plainly(training.quest) : "No quest")}</strong>${quest?.skill && ` · ${quest.skill.toUpperCase()} level ${quest.level}`}</span>
        <span>${phaseOf(training, battle)}</span>
      </div>
      <div class="fighter"><${Picture} file="hero" name=${mood} /></div>
      <div class="fighter"><${Picture} file="enemies" name=${enemyOf(training?.quest ? (quest ?? {}) : null)} /></div>
      <div class="floats" aria-hidden="true">${blows.map(({ id, text, kind }) => html`<span key=${id} class="float ${kind}">${text}</span>`)}</div>
    </div>
    <${Bar} kind="hp" label="what is left of the quest" share=${progress === null ? null : 1 - progress}
      left=${`Enemy ${progress === null ? NOTHING : percent(1 - progress)} HP`} right=${html`round <${Num} value=${training?.quest_step} as=${whole} />${battle?.total_rounds ? ` of about ${whole(battle.total_rounds)}` : ""}${!freshness(training).isStale && html`<${Speed} value=${battle?.rounds_per_second} of="rounds a second" /> · ${etaOf(training)}`}`} />
    <${Bar} kind="frost thin" label="quests done of this queue" share=${queueShare(training, progress)}
      left="Queue" right=${html`<${Num} value=${training?.quests_waiting} as=${whole} unit="waiting" /><${QueuePace} training=${training} progress=${progress} ended=${quests?.completed ?? []} />`} />
    <${Bar} kind="xp thin" label="experience in this level" share=${game?.level === null || !game ? null : game.xp_in_level / game.steps_per_level}
      left=${`Level ${whole(game?.level)}`} right=${html`${whole(game?.xp_in_level)} of ${whole(game?.steps_per_level)} XP${game?.pace && html`<${Speed} value=${game.pace.steps_per_second} of="XP a second" /> · <${Tip} says=${sayPace(game.pace)}>${nextLevelOf(game)} left<//>`}`} />
    ${!training?.quest && !training?.quests_waiting && html`<p class="empty">No quest waits. <a href="/quests">Drop a .jsonl on the board</a>, copy one into <code>inbox/</code>, or let <a href="/scheduler">the scheduler</a> feed the queue.</p>`}
    <${Controls} training=${training} />
    <dl class="facts">
      <${Fact} name="Speed" value=${training?.tokens_per_second} unit="tokens/s" title="real tokens, without padding" />
      <${Fact} name="MFU" value=${training?.mfu} as=${percent} title="model FLOPs utilisation: 100 % is the device's peak" />
      <${Fact} name="Learning rate" value=${training?.learning_rate} as=${(one) => one?.toPrecision(3) ?? NOTHING} title="the optimizer's own" />
      <${Fact} name="Gradient norm" value=${training?.gradient_norm} as=${fixed} title="before clipping" />
      <${Fact} name="Trained tokens" value=${training?.mask_ratio} as=${percent} title="labelled tokens of all real tokens of the last step" />
    </dl>
    <${WhySlow} training=${training} rows=${rows} />
  <//>`;
}

const Fact = ({ name, value, as, unit, title }) => html`<div title=${title}><dt>${name}</dt><dd>${value === null || value === undefined ? NOTHING : typeof value === "string" ? value : html`<${Num} value=${value} as=${as} unit=${unit} />`}</dd></div>`;

const Speed = ({ value, of }) => value && html` · <${Num} value=${value} as=${rate} unit=${of} />`;

// Quests by the hour, and when all that wait are fought if they are like those; nothing while nobody fights.
function QueuePace({ training, progress, ended }) {
  if (training?.state !== "working" || freshness(training).isStale) return null;
  const pace = questPace(ended, training.writer.started_at, serverNow());
  if (!pace) return null;
  const left = training.quests_waiting + (progress === null ? 0 : 1 - progress);
  const says = `${plural(pace.count, "quest")} ended within ${span(pace.seconds)}, since the trainer was started. The next ones may be longer.`;
  return html` · <${Tip} says=${says}>${rate(pace.perHour)} an hour · ${left > 0 ? `about ${span((left * 3600) / pace.perHour)} left` : "none left"}<//>`;
}

// The share of the queue that is behind us when each waiting quest counts as one.
const queueShare = (training, progress) => (progress === null || training.quests_waiting === null ? null : progress / (1 + training.quests_waiting));

const etaOf = (training) => (training?.eta_seconds === null || !training ? "no estimate" : `about ${span(training.eta_seconds)} left`);

const PHASES = { step: "", load: "loading the hero", compile: "compiling", seal: "writing a seal", waiting: "" };

function phaseOf(training, battle) {
  if (!training || freshness(training).isStale) return "no word";
  if (training.state === "paused") return `paused: ${training.pause_reasons.join("; ")}`;
  return [PHASES[training.phase] || training.state, battle?.battle_state].filter(Boolean).join(" · ");
}

function Controls({ training }) {
  const control = useControl();
  const isHeld = control?.flags.some(({ name }) => name === "pause" || name === "stop");
  const state = training?.state;
  return html`<div class="buttons">
    ${isHeld ? html`<${ResumeButton} />` : html`<${FlagButton} name="pause" icon=${"⏸\uFE0E"} label="Pause" sent="Pause sent…" state=${state} reached=${(now) => now === "paused"} />`}
    <${FlagButton} name="skip" icon=${"⏭\uFE0E"} label="Skip quest" sent="Skip sent…" kind="quiet" state=${state} reached=${() => false} disabled=${!training?.quest} />
    <${FlagButton} name="seal" icon="🔏" label="Seal now" sent="Seal sent…" kind="quiet" state=${state} reached=${() => false} />
    ${isHeld && html`<span class="muted">${state === "paused" || state === "stopped" ? `The trainer has ${state}` : "Sent: the trainer obeys after this step"}</span>`}
    ${!training?.quest && html`<span class="muted small">Nothing to skip: no quest is fought.</span>`}
  </div>`;
}

// Curve

const LINES = [
  { label: "loss", ink: "ember", width: 1 },
  { label: "smoothed", ink: "gold", width: 2.5 },
  { label: "validation", ink: "frost", points: true },
];

// The newest steps as they come, or those of the span that the address states.
function Curve({ training, events }) {
  const rows = useRows();
  const [range, setRange] = useSpan("span");
  const near = useMemo(() => rows.filter(({ step }) => !range || (step >= range.from && step <= range.to)), [rows, range?.from, range?.to]);
  if (!range) return html`<${Drawn} title=${rows.length > 1 ? `Loss, the last ${plural(rows.length, "step")}` : "Loss"} rows=${near} training=${training} events=${events} />`;
  const more = { title: `Loss, steps ${whole(range.from)} to ${whole(range.to)}`, range, events, training, all: () => setRange(null) };
  return range.from >= rows[0]?.step ? html`<${Drawn} rows=${near} ...${more} />` : html`<${Far} ...${more} />`;
}

// Steps that lie further back than the rows that are held here.
function Far({ range, ...more }) {
  const curves = usePyramid(range.from, range.to, FAR_BUCKETS);
  const rows = useMemo(() => rowsOf(curves), [curves]);
  return html`<${Drawn} rows=${rows} width=${curves?.width} ...${more} />`;
}

const FAR_BUCKETS = 900;

const rowsOf = (curves) =>
  (curves?.steps ?? []).map((step, index) => ({ step, ...Object.fromEntries(CURVES.map((name) => [name, curves.series[name]?.last[index] ?? null])) }));

const CURVES = ["loss", "loss_ema", "validation_loss"];

function Drawn({ title, rows, width = 1, training, events, all }) {
  const [scale, setScale] = useAddress("scale", "linear");
  const log = scale === "log";
  const data = useMemo(() => [rows.map((row) => row.step), ...CURVES.map((key) => rows.map((row) => row[key] ?? null))], [rows]);
  const stripes = useMemo(() => stripesOf(rows), [rows]);
  const marks = useMemo(() => marksOf(events, rows), [events, rows]);
  const tools = html`<label class="small"><input type="checkbox" checked=${log} onChange=${() => setScale(log ? "linear" : "log")} />logarithmic</label>
    ${all && html`<button class="button quiet slim" onClick=${all}>Newest steps</button>`}`;
  return html`<${Panel} title=${title} name="Loss" area="curve" document=${training} daemon="trainer" tools=${tools}>
    ${rows.length > 1
      ? html`<${Chart} key=${all ? title : ""} label="loss by step" series=${LINES} data=${data} stripes=${stripes} marks=${marks} log=${log} onReset=${all} />`
      : html`<p class="empty">${all ? "None of these steps was measured." : "The curve begins with the second step."}</p>`}
    ${rows.length > 1 && html`<p class="legend"><span>${width === 1 ? "each step is drawn" : `the last of every ${whole(width)} steps is drawn`}</span><span>⚑ checkpoint</span><span>✕ dropped step</span><span>▲ spike</span><span>drag, pinch, or + and −, to look closer</span><span>the ground changes with the quest</span></p>`}
  <//>`;
}

function stripesOf(rows) {
  const stripes = [];
  rows.forEach((row, index) => {
    if (row.claim === undefined || row.claim % 2 === 0) return;
    if (rows[index - 1]?.claim === row.claim) stripes[stripes.length - 1].to = row.step + 0.5;
    else stripes.push({ from: row.step - 0.5, to: row.step + 0.5 });
  });
  return stripes;
}

const SIGNS = {
  "checkpoint.saved": { sign: "⚑", ink: "moss" },
  "step.dropped": { sign: "✕", ink: "blood" },
  "loss.spike": { sign: "▲", ink: "blood" },
};

const marksOf = (events, rows) => [
  ...events.filter(({ kind, step }) => SIGNS[kind] && step !== null && step >= rows[0]?.step && step <= rows[rows.length - 1].step).map(({ kind, step }) => ({ step, ...SIGNS[kind] })),
  ...rows.filter(({ loss }) => loss === null).map(({ step }) => ({ step, sign: "✕", ink: "blood" })), // it was not finite
];

// Forge

const tenths = (share) => percent(share, 1);

function Forge({ training }) {
  const split = training?.step_seconds;
  const all = split ? Object.values(split).reduce((sum, value) => sum + (value ?? 0), 0) : null;
  const seal = training?.last_seal;
  return html`<${Panel} title="Forge" area="forge" document=${training} daemon="trainer">
    <dl class="facts">
      <${Fact} name="Step" value=${all} as=${fixed} unit="s" title="the last one, by the trainer's own timers" />
      <${Fact} name="of it waiting for data" value=${all ? split.data / all : null} as=${tenths} />
      <${Fact} name="forward and backward" value=${all ? split.forward_backward / all : null} as=${tenths} />
      <${Fact} name="optimizer" value=${all ? split.optimizer / all : null} as=${tenths} />
      <${Fact} name="Memory" value=${training?.memory_bytes} as=${bytes} title="resident, of the trainer" />
      <${Fact} name="On the accelerator" value=${training?.accelerator_memory_bytes === null ? "none in use" : training?.accelerator_memory_bytes} as=${bytes} />
      <${Fact} name="Last seal" value=${seal ? `step ${whole(seal.step)}` : NOTHING} title=${seal ? `${bytes(seal.bytes)} in ${fixed(seal.seconds, 2)} s` : ""} />
      <${Fact} name="Not sealed yet" value=${training?.unsealed_minutes === null || !training ? NOTHING : span(60 * training.unsealed_minutes)} title="only the journal and the queue hold it: a crash trains it again" />
      <${Fact} name="Tokens, ever" value=${training?.totals?.tokens} />
      <${Fact} name="Quests, ever" value=${training?.totals?.quests} as=${whole} />
    </dl>
    ${training?.problems.length > 0 && html`<ul class="findings">${training.problems.map((problem) => html`<li class="trouble">${problem}</li>`)}</ul>`}
  <//>`;
}
