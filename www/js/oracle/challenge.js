// An item of a skill, asked and graded at once. It is never one of an exam.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { useGame } from "../resources.js";
import { isAnswer } from "./chat.js";
import { post } from "./oracles.js";

export function ChallengeForm({ pose, isBusy }) {
  const game = useGame();
  const [chosen, choose] = useState({ skill: null, level: null });
  const skill = game?.skills.find(({ id }) => id === chosen.skill) ?? game?.skills[0];
  if (!skill) return null;
  const level = chosen.level ?? skill.training_level;
  return html`<div class="buttons challenge" role="group" aria-label="Challenge">
    <select aria-label="skill" value=${skill.id} onChange=${(event) => choose({ skill: event.target.value, level: null })}>${game.skills.map(({ id, name }) => html`<option value=${id}>${name}</option>`)}</select>
    <label>level <input type="number" min="1" max=${skill.max_level} value=${level} onChange=${(event) => choose({ skill: skill.id, level: Number(event.target.value) })} /></label>
    <button class="button quiet" disabled=${isBusy} onClick=${() => pose(skill.id, level)}><span aria-hidden="true">⚔</span>Challenge</button>
  </div>`;
}

export const newChallenge = (skill, level) => post("/oracle/challenge", { skill, level });

// Grades each whole answer; `changed` draws it.
export async function gradeAll(exchange, changed) {
  await Promise.all(exchange.replies.filter(isAnswer).map(async (reply) => {
    try {
      reply.grade = await post("/oracle/grade", { challenge: exchange.challenge.challenge, answer: reply.text, finished: reply.finish === "stop" });
    } catch (error) {
      reply.grade = { problem: `It could not be graded: ${error.message}` };
    }
    changed();
  }));
}
