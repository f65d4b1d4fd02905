// The first visit: four steps, each at a real control. It goes on where it was left, and never comes again.
import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";

const KEY = "realm.tour"; // the step, or "done"
const DONE = "done";
const LOOK = 500; // ms between looks for a control that is not drawn yet

const STEPS = [
  { room: "/", at: ".area-hero .bar", title: "This is your hero", text: "Every optimizer step is one XP, a thousand are a level. The number is the trainer's own: when nothing is trained, nothing moves." },
  { room: "/quests", at: ".drop", title: "Quests are files", text: "Drop a .jsonl file here, or copy it into inbox/. It waits on the board, is fought, and brings 100 gold when a seal has it." },
  { room: "/", at: ".area-battle .buttons", title: "You hold the reins", text: "Pause, skip and seal are files in control/. The buttons tell when the trainer has seen them; a pause holds until you resume." },
  { room: "/guild", at: ".ladder", title: "Skills have levels", text: "Exams decide: a mean of 80 % over three exams masters a level. Press a rung to see its exams. The bell and the ? in the sign tell the rest." },
];

export function Tour() {
  const [stated, put] = useState(() => localStorage.getItem(KEY) ?? "0");
  const index = Number(stated);
  const step = stated === DONE ? null : STEPS[index];
  const isHere = step?.room === location.pathname;
  const go = (next) => {
    const state = next < STEPS.length ? `${next}` : DONE;
    localStorage.setItem(KEY, state);
    put(state);
  };
  usePointer(isHere ? step.at : null);
  if (!step) return null;
  const follows = STEPS[index + 1];
  const leaves = follows && follows.room !== location.pathname;
  return html`<aside class="tour" aria-label="Tour">
    <p class="small muted">A look round: ${index + 1} of ${STEPS.length}</p>
    <h2>${step.title}</h2>
    <p>${step.text}</p>
    <div class="buttons">
      ${!isHere && html`<a class="button" href=${step.room}>Show me</a>`}
      ${isHere && leaves && html`<a class="button" href=${follows.room} onClick=${() => go(index + 1)}>Next</a>`}
      ${isHere && !leaves && html`<button class="button" onClick=${() => go(index + 1)}>${follows ? "Next" : "Done"}</button>`}
      ${index > 0 && html`<button class="button quiet" onClick=${() => go(index - 1)}>Back</button>`}
      <button class="button quiet" onClick=${() => go(STEPS.length)}>Skip the tour</button>
    </div>
  </aside>`;
}

// Marks the control while the step is shown, as soon as it is drawn.
function usePointer(selector) {
  useEffect(() => {
    let found = null;
    const look = () => {
      found = document.querySelector(selector);
      if (!found) return;
      clearInterval(timer);
      found.classList.add("pointed");
      found.scrollIntoView({ block: "center" });
    };
    const timer = selector && setInterval(look, LOOK);
    return () => (clearInterval(timer), found?.classList.remove("pointed"));
  }, [selector]);
}
