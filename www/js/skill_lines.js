// Where the hero stands in each skill, in a few lines; the guild tells all.
import { percent, whole } from "./format.js";
import { html } from "./html.js";
import { Bar, Panel, Picture } from "./panel.js";

const DRAWN = ["bin"];
export const iconOf = (skill) => (DRAWN.includes(skill.id) ? skill.id : "skill");

export function SkillLines({ game }) {
  return html`<${Panel} title="Skills" area="skills" tools=${html`<a href="/guild">to the guild</a>`}>
    ${game?.skills.length === 0 && html`<p class="empty">No skill is taught here: a YAML file in configs/skills adds one.</p>`}
    ${game?.skills.map((skill) => html`<div class="skill" key=${skill.id}>
      <div class="crest"><${Picture} file="icons" name=${iconOf(skill)} /></div>
      <div class="stack">
        <h3>${skill.name} <span class="muted small">${skill.id.toUpperCase()}</span></h3>
        <${Bar} kind="moss" label="mastered levels" share=${skill.mastered_level / skill.max_level}
          left=${`mastered ${whole(skill.mastered_level)} of ${whole(skill.max_level)}`} right=${`trains level ${whole(skill.training_level)}`} />
        <p class="small muted">${lastExams(skill)}</p>
      </div>
    </div>`)}
  <//>`;
}

function lastExams(skill) {
  if (!skill.window.length) return `No exam at level ${skill.training_level} yet: three with a mean of ${percent(skill.threshold)} master it.`;
  return `Exams at this level: ${skill.window.map(({ accuracy }) => percent(accuracy)).join(", ")}; a mean of ${percent(skill.threshold)} over three masters it.`;
}
