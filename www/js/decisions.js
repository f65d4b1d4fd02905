// The next batches as a table; those that differ from `before` are marked.
import { percent, whole } from "./format.js";
import { html } from "./html.js";

// "levels 1–2: 25 %, 3: 40 %, 4–6: 35 %": neighbours with equal shares together, as `realm curriculum preview` has it.
export function inWords(parts) {
  const all = parts.reduce((sum, { count }) => sum + count, 0);
  const groups = [];
  for (const part of parts.toSorted((one, other) => one.level - other.level)) {
    const below = groups.at(-1)?.at(-1);
    if (below && below.level === part.level - 1 && Math.abs(below.count - part.count) <= 1) groups.at(-1).push(part);
    else groups.push([part]);
  }
  const told = groups.map((group) => `${levelsOf(group)}: ${percent(group.reduce((sum, { count }) => sum + count, 0) / all)}`);
  return `${parts.length === 1 ? "level" : "levels"} ${told.join(", ")}`;
}

const levelsOf = (group) => (group.length === 1 ? `${group[0].level}` : `${group[0].level}–${group.at(-1).level}`);

const itemsOf = ({ parts }) => parts.map(({ level, count }) => `${level}:${count}`).join();
export const isSame = (one, other) => other !== undefined && one.skill === other.skill && itemsOf(one) === itemsOf(other);

export function Decisions({ of, before, ...more }) {
  return html`<div class="wide" tabindex="0" role="group" aria-label="batches"><table class="table" ...${more}>
    <thead><tr><th scope="col" class="number">#</th><th scope="col">Skill</th><th scope="col">Of which levels</th><th scope="col" class="number">Lines</th><th scope="col">Why</th></tr></thead>
    <tbody>${runsOf(of, before).map(({ first, last, one, differs }) => html`<tr key=${first} class=${differs ? "differs" : ""}><td class="number">${first === last ? whole(first) : `${whole(first)}–${whole(last)}`}${differs && html`<span class="unseen">, another than now</span>`}</td><td>${one.skill.toUpperCase()}</td><td>${inWords(one.parts)}</td><td class="number">${whole(one.parts.reduce((sum, { count }) => sum + count, 0))}</td><td class="muted">${one.reason}</td></tr>`)}</tbody>
  </table></div>`;
}

// Batches that follow each other and are alike, as one row: {first, last, one, differs}
export function runsOf(decisions, before) {
  const runs = [];
  decisions.forEach((one, index) => {
    const differs = Boolean(before) && !isSame(one, before[index]);
    const run = runs.at(-1);
    if (run && run.differs === differs && run.one.reason === one.reason && isSame(one, run.one)) run.last = one.number;
    else runs.push({ first: one.number, last: one.number, one, differs });
  });
  return runs;
}
