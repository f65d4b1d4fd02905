// The hero: portrait in a mood, level, experience, and what it is worth, each number with its source.
import { useState } from "preact/hooks";
import { fixed, isKnown, NOTHING, percent, whole } from "./format.js";
import { html } from "./html.js";
import { sayMood } from "./mood.js";
import { Num } from "./number.js";
import { nextLevelOf, sayPace } from "./pace.js";
import { Bar, Panel, Picture } from "./panel.js";
import { usePyramid } from "./pyramid.js";
import { Tip } from "./tip.js";

const BUCKETS = 60; // of a sparkline

export function HeroCard({ game, training, mood }) {
  const name = game?.hero?.name ?? "the hero";
  const curves = usePyramid(null, null, BUCKETS);
  return html`<${Panel} title=${game?.hero?.name ?? "Hero"} area="hero" document=${training} daemon="trainer">
    <div class="portrait">
      <${Picture} file="hero" name=${mood} label=${sayMood(mood, name)} />
      <span class="medal">Level ${whole(game?.level)}</span>
    </div>
    <p class="mood muted">${sayMood(mood, name)}.</p>
    <${Bar} kind="xp" label="experience in this level" share=${game && game.xp !== null ? game.xp_in_level / game.steps_per_level : null}
      left=${html`<strong><${Num} value=${game?.xp} as=${whole} unit="XP" /></strong>`} right=${html`<${NextLevel} game=${game} />`} />
    <dl class="stats">
      <${Stat} name="ATK" term="1 / loss" value=${game?.attack} as=${rounded} below=${html`loss <${Num} value=${game?.loss_ema} as=${fixed} />`} line=${curves?.series.loss_ema?.last.map(inverse)} formula="1 / smoothed training loss, from status/training_status.json" />
      <${Stat} name="DEF" term="1 / val loss" value=${game?.defence} as=${rounded} below=${html`val <${Num} value=${game?.validation_loss} as=${fixed} /> at step <${Num} value=${game?.validation_step} as=${whole} />`} line=${curves?.series.validation_loss?.last.map(inverse)} formula="1 / validation loss of the last evaluation, from status/training_status.json" />
      <${Stat} name="ACC" term="exams" value=${game?.accuracy} as=${percent} below="latest exams, mean over skills" formula="mean over the skills of the latest exam at the training level, from history/scheduler.jsonl" />
      <${Stat} name="Gold" term="100 a quest" value=${game?.gold} below=${game?.gold === null || !game ? NOTHING : `${whole(game.gold / 100)} quests completed`} formula=${`100 for each completed quest, from history/trainer.jsonl: ${whole(game?.gold)}`} />
    </dl>
  <//>`;
}

const rounded = (value) => (isKnown(value) ? (value < 100 ? value.toFixed(2) : whole(value)) : NOTHING);

function NextLevel({ game }) {
  if (!game || game.xp === null) return "not measured";
  const missing = `${whole(game.steps_per_level - game.xp_in_level)} to level ${whole(game.level + 1)}`;
  if (!game.pace) return missing;
  return html`${missing} ≈ <${Tip} says=${sayPace(game.pace)}>${nextLevelOf(game)}<//>`;
}

const inverse = (loss) => (loss > 0 ? 1 / loss : null);

// A press shows where the number comes from.
function Stat({ name, term, value, as, below, line, formula }) {
  const [isOpen, open] = useState(false);
  return html`<div class="stat" title=${formula}>
    <dt><button class="source" aria-expanded=${isOpen} onClick=${() => open(!isOpen)}><strong>${name}</strong><span class="unseen"> where it comes from</span></button><span>${term}</span></dt>
    <dd class="value"><${Num} value=${value} as=${as} /></dd>
    <dd class="muted small">${below}</dd>
    ${line?.some((one) => one !== null) && html`<dd><${Sparkline} values=${line} label=${`${name} over the whole life`} /></dd>`}
    ${isOpen && html`<dd class="small">${formula}</dd>`}
  </div>`;
}

function Sparkline({ values, label }) {
  const known = values.map((value, index) => [index, value]).filter(([, value]) => value !== null);
  const [low, high] = [Math.min(...known.map(([, value]) => value)), Math.max(...known.map(([, value]) => value))];
  const points = known.map(([index, value]) => `${index},${high === low ? 8 : 15 - (14 * (value - low)) / (high - low)}`);
  return html`<svg class="sparkline" viewBox=${`0 0 ${Math.max(1, values.length - 1)} 16`} preserveAspectRatio="none" role="img" aria-label=${label}><polyline points=${points.join(" ")} /></svg>`;
}
