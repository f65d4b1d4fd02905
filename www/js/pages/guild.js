// Skills: what is mastered, what is tried, and the evidence; and the hero's deeds.
import { useAddress } from "../address.js";
import { clock, compact, fixed, percent, plural, secondsSince, span, whole } from "../format.js";
import { html } from "../html.js";
import { Ladder } from "../ladder.js";
import { Num } from "../number.js";
import { Bar, Panel, Picture } from "../panel.js";
import { serverNow } from "../pulse.js";
import { useBattle, useGame, useResource } from "../resources.js";
import { iconOf } from "../skill_lines.js";

export function Page() {
  const game = useGame();
  const scheduler = useResource("/status/scheduler.json").value;
  return html`<main id="room">
    <h1 class="unseen">Guild</h1>
    ${game?.skills.map((skill) => html`<${Skill} key=${skill.id} skill=${skill} scheduler=${scheduler} />`)}
    ${game?.skills.length === 0 && html`<p class="empty">No skill is taught here: a YAML file in configs/skills adds one.</p>`}
    <${Deeds} deeds=${game?.achievements ?? []} />
  </main>`;
}

function Skill({ skill, scheduler }) {
  const [level, look] = useAddress(`level-${skill.id}`);
  const shown = skill.ladder.find((rung) => rung.level === (level === null ? skill.training_level : Number(level)));
  return html`<${Panel} title=${skill.name} document=${scheduler} daemon="scheduler">
    <div class="skill">
      <div class="crest"><${Picture} file="icons" name=${iconOf(skill)} /></div>
      <div class="stack">
        <p>${skill.description}</p>
        <${Bar} kind="moss" label="mastered levels" share=${skill.mastered_level / skill.max_level}
          left=${html`<strong>Mastered level ${whole(skill.mastered_level)}</strong>`} right=${`trains level ${whole(skill.training_level)} of ${whole(skill.max_level)}`} />
      </div>
    </div>
    <h3>Trials at level ${skill.training_level}</h3>
    <div class="trials">${[...Array(skill.window_size ?? 3).keys()].map((index) => html`<${Trial} exam=${skill.window[index]} skill=${skill} />`)}</div>
    <p class="small muted">${verdictOf(skill)}</p>
    <${NextExam} />
    <${Ladder} skill=${skill} shown=${shown} look=${look} />
  <//>`;
}

function Trial({ exam, skill }) {
  if (!exam) return html`<div class="trial"><span class="muted">?</span><span class="small muted">not sat yet</span></div>`;
  return html`<div class="trial">
    <strong class=${exam.accuracy >= skill.threshold ? "good" : "warm"}>${percent(exam.accuracy)}</strong>
    <span class="small muted">${whole(exam.correct)} of ${exam.count}, 95 %: ${percent(exam.low)} to ${percent(exam.high)}</span>
    <span class="small muted" title=${clock(exam.at)}>${span(secondsSince(exam.at, serverNow()))} ago</span>
  </div>`;
}

function verdictOf({ window, window_size: size = 3, threshold, training_level: level }) {
  const mean = window.length ? window.reduce((sum, { accuracy }) => sum + accuracy, 0) / window.length : null;
  const sat = mean === null ? "No exam yet" : `${plural(window.length, "exam")}, mean ${percent(mean, 1)}`;
  const passed = window.filter(({ accuracy }) => accuracy >= threshold).length;
  return `${window.length ? `${whole(passed)} of ${size} trials passed. ` : ""}${sat}. A mean of ${percent(threshold)} over the last ${size} masters level ${level}.`;
}

// As `realm curriculum` has it: each checkpoint is examined, and one is ordered when none came for a while.
function NextExam() {
  const plan = useResource("/api/scheduler?count=10", ["config.json", "history/scheduler.jsonl"]).value;
  const checkpoint = useBattle()?.hero_checkpoint;
  if (!plan) return null;
  if (!plan.enabled) return html`<p class="small warm">No exam is due: the curriculum is off.</p>`;
  const due = plan.exam_minutes && bornOf(checkpoint) ? bornOf(checkpoint) + plan.exam_minutes * 60_000 : null;
  const late = due === null ? "" : due > serverNow() ? `, which is ordered in ${span((due - serverNow()) / 1000)} if none comes before` : ", which is due";
  return html`<p class="small muted">The next exam: with the next checkpoint${late}.</p>`;
}

// checkpoint-10500-20261123-0147 was born then, ms; null for what is no such name.
function bornOf(name) {
  const [, date, hour] = /^checkpoint-\d+-(\d{8})-(\d{4})$/.exec(name ?? "") ?? [];
  return date ? Date.parse(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${hour.slice(0, 2)}:${hour.slice(2)}:00Z`) : null;
}

function Deeds({ deeds }) {
  const earned = deeds.filter(({ earned_at: at }) => at);
  const sorted = [...earned.sort((one, other) => other.earned_at.localeCompare(one.earned_at)), ...deeds.filter(({ earned_at: at }) => !at)];
  return html`<${Panel} title="Deeds" tools=${html`<span class="muted">${earned.length} of ${deeds.length}</span>`}>
    <div class="deeds">${sorted.map((deed) => html`<${Deed} key=${deed.id} deed=${deed} />`)}</div>
  <//>`;
}

const Deed = ({ deed }) => html`<article class="deed ${deed.earned_at ? "earned" : ""}" title=${deed.evidence ?? ""}>
  <span class="badge" aria-hidden="true">${deed.icon}</span>
  <strong>${deed.title}</strong>
  <span class="small muted">${deed.text} ${deed.earned_at ? clock(deed.earned_at) : html`<${Amount} of=${deed.have} /> of <${Amount} of=${deed.need} />`}</span>
</article>`;

const Amount = ({ of }) => html`<${Num} value=${of} as=${Number.isInteger(of) ? compact : (value) => fixed(value, 2)} />`;
