// One answer: its text as it comes, what it took, and who gave it.
import { fixed, isKnown, rate, whole } from "../format.js";
import { html } from "../html.js";
import { isAnswer, isOver, paceOf } from "./chat.js";
import { shortName } from "./picker.js";
import { partsOf } from "./thoughts.js";

const SIDES = ["Left", "Right"];

// `isHidden`: whose answer it is, is not told before the vote.
export function Reply({ reply, lane, isAlone, isHidden, keep }) {
  const name = isHidden ? SIDES[lane] : shortName(reply.model);
  return html`<article class="reply ${reply.state}" aria-label="Answer of ${isAlone ? name : `${SIDES[lane].toLowerCase()}${isHidden ? "" : `: ${name}`}`}">
    <header><strong>${isAlone || isHidden ? name : `${SIDES[lane]} · ${name}`}</strong>
      ${isAnswer(reply) && reply.text && html`<label class="small"><input type="checkbox" checked=${reply.isKept} onChange=${(event) => keep(event.target.checked)} />keep</label>`}
    </header>
    ${partsOf(reply.text).map((part) => (part.isThought ? html`<${Thought} text=${part.text} />` : html`<p class="said">${part.text}</p>`))}
    ${!reply.text && WORDS[reply.state] && html`<p class="muted">${WORDS[reply.state]}</p>`}
    ${reply.problem && html`<p class="bad" role="alert">${reply.problem}</p>`}
    ${reply.grade && html`<${Grade} grade=${reply.grade} />`}
    ${isAnswer(reply) || reply.text ? html`<footer class="small muted">${cost(reply)}${isOver(reply) && !isHidden && html`<span class="origin">seed ${reply.seed} · ${reply.digest ? html`<span title="SHA-256 of the weights: ${reply.digest}">sha256 ${reply.digest.slice(0, 12)}…</span>` : "digest not in this ledger"}</span>`}</footer>` : ""}
  </article>`;
}

const WORDS = { waiting: "Waits for its first token…", done: "It said nothing.", stopped: "It was stopped before it said anything." };

const Thought = ({ text }) => html`<details class="thought"><summary>It thought first (${whole(text.length)} characters)</summary><p class="said">${text}</p></details>`;

function cost(reply) {
  const pace = paceOf(reply);
  const tokens = reply.usage?.completion_tokens;
  return html`<span>${[
    isKnown(reply.firstMs) && `first token after ${fixed(reply.firstMs / 1000, 2)} s`,
    pace && `${tokens ? "" : "≈ "}${pace < 100 ? rate(pace) : whole(pace)} tokens/s`,
    tokens && `${whole(tokens)} tokens`,
    ENDS[reply.state === "stopped" ? "stopped" : reply.finish],
  ].filter(Boolean).join(" · ")}</span>`;
}

const ENDS = { length: "cut off at the limit", stopped: "stopped" };

// As an exam would grade it; where it went astray, line by line.
function Grade({ grade }) {
  if (grade.problem) return html`<p class="warm">${grade.problem}</p>`;
  const isRight = grade.score === 1;
  return html`<section class="grade" aria-label="Grade">
    <p><strong class=${isRight ? "good" : "bad"}>${isRight ? "✔ Right" : grade.score > 0 ? `◐ ${fixed(grade.score, 2)} of 1` : "✘ Wrong"}</strong> <span class="small muted">${grade.finished ? `graded by ${grade.extractor}` : "cut off, so it counts nothing"}</span></p>
    ${!isRight && html`<div class="wide"><table class="table trace"><thead><tr><th scope="col">Right answer</th><th scope="col">It said</th></tr></thead>
      <tbody>${grade.trace.map((line) => html`<tr class=${line.is_same ? "" : "astray"}><td>${line.gold ?? "–"}</td><td>${line.is_same ? "the same" : (line.answer ?? "–")}</td></tr>`)}</tbody></table></div>`}
  </section>`;
}
