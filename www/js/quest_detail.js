// One quest in full: what is in it, what was found in it, how it went, and what can be done about it.
import { useEffect, useRef, useState } from "preact/hooks";
import { useBoard, BOARD, BOARD_FILES } from "./board.js";
import { bytes, fixed, NOTHING, percent, plural, span, whole } from "./format.js";
import { html } from "./html.js";
import { Bytes, Lengths, Tokens } from "./lengths.js";
import { Num } from "./number.js";
import { predicted } from "./prediction.js";
import { refresh, useMarks, useResource, useTraining } from "./resources.js";
import { toast } from "./toasts.js";
import { ask, useOrder, useUnanswered } from "./wishes.js";

const EXAMPLES = 3; // lines that are named for each finding

export function QuestDetail({ name, close }) {
  const dialog = useRef(null);
  const { value: quest, error } = useResource(addressOf(name), BOARD_FILES);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} onClose=${close} aria-label="Quest"><div class="inside">
    ${error && html`<p class="bad">${error.message}</p>`}
    ${!error && !quest && html`<p>…</p>`}
    ${quest && html`<${Whole} quest=${quest} />`}
    <div class="buttons">
      ${quest && html`<${Deeds} quest=${quest} />`}
      <button class="button quiet" onClick=${() => dialog.current.close()}>Close</button>
    </div>
  </div></dialog>`;
}

const addressOf = (name) => `/api/quests/${encodeURIComponent(name)}`;

function Whole({ quest }) {
  return html`<h2>${quest.title ?? quest.name}</h2>
    <p class="small muted">${quest.name}</p>
    <dl class="facts">
      <${Fact} name="State" value=${quest.outcome ?? quest.state} /><${Fact} name="Priority" value=${quest.priority} />
      <${Fact} name="Lines" value=${quest.lines} as=${whole} /><${Fact} name="Size" value=${quest.bytes} as=${bytes} />
      <${Fact} name="Spec" value=${quest.schema_id} /><${Fact} name="Generator" value=${quest.generator ?? "unknown"} />
      ${quest.skill && html`<${Fact} name="Teaches" value=${`${quest.skill.toUpperCase()} level ${quest.level}`} />`}
    </dl>
    ${quest.state === "failed" && html`<${Fall} quest=${quest} />`}
    ${quest.state === "completed" && html`<${Spoils} quest=${quest} />`}
    ${!quest.outcome && html`<${Prospect} quest=${quest} />`}
    <${Verdicts} quest=${quest} />
    <${Contents} quest=${quest} />`;
}

const Fact = ({ name, value, as, title }) => html`<div title=${title}><dt>${name}</dt><dd>${typeof value === "number" ? html`<${Num} value=${value} as=${as} />` : (value ?? NOTHING)}</dd></div>`;

// Why it failed

function Fall({ quest }) {
  return html`<p class="bad">${quest.reason ?? "No reason was written."}</p>
    ${quest.how_to_mend && html`<p>${quest.how_to_mend}</p>`}
    ${quest.rows.map(({ line, text }) => html`<figure key=${line} class="row">
      <figcaption><code>quest.jsonl:${line}</code> ${quest.findings.find((one) => one.line === line)?.text}</figcaption>
      <pre tabindex="0" aria-label="line ${line}">${text === null ? "longer than 16 KiB: open the file to see it" : pretty(text)}</pre>
    </figure>`)}`;
}

// How it went

function Spoils({ quest }) {
  const marks = useMarks();
  const { first_step: first, steps, findings: _, ...result } = typeof quest.result === "object" && quest.result ? quest.result : {};
  const last = first === undefined ? null : first + steps;
  const born = last === null || !marks ? null : marks.checkpoints.filter(({ step }) => step > first && step <= last);
  const fall = quest.first_loss === null || quest.last_loss === null ? null : quest.first_loss - quest.last_loss;
  return html`<div class="spoils">
      <div><strong class="golden">+${whole(quest.steps)} XP</strong><span class="small muted">${plural(quest.steps ?? 0, "step")}</span></div>
      <div><strong class="golden">+${whole(quest.gold)} gold</strong><span class="small muted">100 for a completed quest</span></div>
      <div><strong class=${fall > 0 ? "good" : "warm"}>${fixed(quest.first_loss, 4)} → ${fixed(quest.last_loss, 4)}</strong>
        <span class="small muted">loss of its first and of its last step${fall === null ? "" : `: ${fall >= 0 ? "−" : "+"}${fixed(Math.abs(fall), 4)}`}</span></div>
    </div>
    <dl class="facts">
      <${Fact} name="Mean loss" value=${quest.mean_loss} as=${(loss) => fixed(loss, 4)} title="over its trained tokens" />
      <${Fact} name="Tokens" value=${quest.tokens} />
      <${Fact} name="Examples" value=${quest.examples} as=${whole} />
      ${result.counts && html`<${Fact} name="Held out" value=${whole(result.counts.held_out)} title="kept for validation, never trained" />
        <${Fact} name="Too long" value=${whole(result.counts.overlong)} title="longer than max_length" />`}
      <${Fact} name="Dropped steps" value=${whole(result.dropped_steps)} />
      <${Fact} name="Checkpoints born" value=${born === null ? "unknown" : born.length ? born.map(({ step }) => whole(step)).join(", ") : "none"} />
      ${last !== null && html`<div><dt>Its curve</dt><dd><a href=${`/watchtower?span=${first + 1}-${last}`}>steps ${whole(first + 1)} to ${whole(last)}</a></dd></div>`}
    </dl>
    ${quest.skill && html`<p>${exams(quest)}</p>`}
    ${quest.reason && html`<p class="warm">${quest.reason}</p>`}`;
}

function exams({ skill, exams: around }) {
  if (!around) return html`<span class="muted">No level of ${skill.toUpperCase()} was examined both before and after it.</span>`;
  const told = ({ accuracy, low, high, exam }) => html`<a href=${`/exams/${exam}/papers.jsonl`}>${percent(accuracy)}</a> (${percent(low)} to ${percent(high)})`;
  return html`${skill.toUpperCase()} level ${around.level}: ${told(around.before)} in the exam before, ${told(around.after)} in the one after. <span class="small muted">Other quests may lie between the two.</span>`;
}

// What is to be expected

function Prospect({ quest }) {
  const board = useBoard().value;
  const training = useTraining();
  const { seconds, why } = predicted(quest, board?.completed ?? [], training);
  return html`<p><strong>${seconds ? `About ${span(seconds.middle)} of training (${span(seconds.low)} to ${span(seconds.high)})` : "How long it takes is not known"}</strong> <span class="muted small">${why}</span></p>`;
}

// What was found

function Verdicts({ quest }) {
  const { validators = {}, warnings = [] } = typeof quest.meta === "object" && quest.meta ? quest.meta : {};
  const groups = Object.entries(Object.groupBy(quest.findings ?? [], ({ finding }) => finding));
  const counts = quest.error?.counts ?? {};
  if (!Object.keys(validators).length && !groups.length) return null;
  return html`<h3>What the gatekeepers say</h3>
    <ul class="chips">${Object.entries(validators).map(([who, verdict]) => html`<li key=${who} class="verdict ${verdict}"><strong>${who.split("@")[0]}</strong> ${verdict}</li>`)}</ul>
    ${(groups.length > 0 || warnings.length > 0) && html`<ul class="findings">
      ${groups.map(([rule, found]) => html`<li key=${rule} class="trouble"><strong>${rule}</strong> <span class="muted">${counts[rule] ? plural(counts[rule], "time") : plural(found.length, "line")}</span>
        <ul>${found.slice(0, EXAMPLES).map((one) => html`<li class="example">${one.line ? html`<code>${one.line}</code> ` : ""}${one.text}</li>`)}</ul>
        ${found[0].how_to_mend && html`<span class="small muted">${found[0].how_to_mend}</span>`}</li>`)}
      ${warnings.map((warning) => html`<li key=${warning} class="note-level">${warning}</li>`)}
    </ul>`}`;
}

// What is in it

function Contents({ quest }) {
  const sampled = quest.meta?.params?.sampled_tokens;
  const [census, put] = useState(null);
  const count = async () => {
    put({ isCounting: true });
    const response = await fetch(`${addressOf(quest.name)}/census`);
    const told = await response.json();
    put(response.ok ? told : { error: told.error });
  };
  return html`<h3>Lines</h3>
    ${sampled ? html`<${Lengths} of=${sampled} />` : html`<p class="muted small">How long its examples are was not measured.</p>`}
    ${census === null && html`<div><button class="button quiet slim" onClick=${count}>Count lines that repeat, lines that exams ask, and tokens</button></div>`}
    ${census?.isCounting && html`<p role="status">It reads the lines…</p>`}
    ${census?.error && html`<p class="bad" role="alert">${census.error}</p>`}
    ${census?.lines !== undefined && html`<${Census} of=${census} />`}
    ${quest.head?.length > 0 && html`<details><summary>First lines</summary><pre tabindex="0">${quest.head.map(pretty).join("\n")}</pre></details>`}
    ${quest.rendered && html`<details><summary>As it was trained</summary><pre tabindex="0">${quest.rendered}</pre></details>`}`;
}

function Census({ of }) {
  const { lines, is_whole: isWhole, repeats, in_exams: inExams, in_shared: shared, exam_prompts: prompts, lengths, tokens } = of;
  const share = (count) => `${plural(count, "line")} (${percent(lines ? count / lines : null, 1)})`;
  return html`<div role="status" class="stack">
    <p>${isWhole ? "All" : "The first"} ${plural(lines, "line")} were read.</p>
    <dl class="facts">
      <div><dt>Repeated</dt><dd class=${repeats.lines ? "warm" : "good"}>${share(repeats.lines)}</dd><dd class="small muted">${repeats.examples.map(({ line, of: first }) => `line ${line} as ${first}`).join(", ")}</dd></div>
      <div><dt>Asked in exams, too</dt><dd class=${inExams.lines ? "bad" : "good"}>${prompts ? share(inExams.lines) : "no exam was sat yet"}</dd><dd class="small muted">${inExams.examples.map(({ line, exam }) => `line ${line} in ${exam}`).join(", ") || (prompts ? `of ${plural(prompts, "question")} of the newest exams` : "")}</dd></div>
    </dl>
    ${shared > 0 && html`<p class="small muted">${plural(shared, "more line")} ${shared === 1 ? "is" : "are"} of levels with so few problems that exams ask what is taught.</p>`}
    <${Tokens} of=${tokens} />
    <${Bytes} of=${lengths} />
  </div>`;
}

export function pretty(line) {
  try {
    return JSON.stringify(JSON.parse(line), null, 2);
  } catch {
    return line;
  }
}

// What can be done

function Deeds({ quest }) {
  const [order, send] = useOrder(() => refresh(BOARD));
  const [typed, type] = useState("");
  const address = addressOf(quest.name);
  const isFailed = quest.state === "failed";
  const isRefused = quest.outcome === "refused";
  const unanswered = useUnanswered(quest.name);
  const isSent = order?.state === "sent" || unanswered !== null;
  if (isSent) return html`<span class="waits cooling" role="status">${unanswered?.action ?? "wish"} sent; the queue-watcher has not answered yet</span>`;
  if (order) return html`<span class="muted" role="status">${order.state}${order.error ? `: ${order.error}` : ""}</span>`;
  if (quest.state === "processing") return html`<span class="muted">It is being trained: skip it on the Tavern's page.</span>`;
  return html`
    ${isFailed && html`<${Mend} quest=${quest} />`}
    ${["completed", "failed"].includes(quest.state) && html`<button class="button" disabled=${isRefused} onClick=${() => send(`${address}/retry`, {})}>Fight again</button>`}
    ${isRefused && html`<span class="small muted">It was never admitted, so it cannot be fought as it is.</span>`}
    <span class="bury"><label class="small">Type <strong>${quest.title}</strong> to ${isFailed ? "bury it: its lines are deleted" : "delete it"} for ever <input value=${typed} onInput=${(event) => type(event.target.value)} /></label>
      <button class="button danger" disabled=${typed !== quest.title} onClick=${() => send(`${address}/remove`, { name: quest.name })}>${isFailed ? "Bury" : "Delete"}</button></span>`;
}

// The lines that are good, as a new drop; this one stays.
function Mend({ quest }) {
  const [made, put] = useState(null);
  const wholesale = quest.findings.find(({ line }) => line === null);
  const mend = async () => {
    put({ isMaking: true });
    const told = await ask(`${addressOf(quest.name)}/mend`);
    put(told);
    if (told) toast("🩹", `${told.file} lies in the inbox`);
  };
  if (made?.file) return html`<span role="status" class="good">${made.file} has the ${plural(made.kept, "good line")}; ${whole(made.left_out)} left out. This one stays until you bury it.</span>`;
  const reason = wholesale ? "The fault lies in no single line: leaving lines out does not mend it." : quest.rows.length === 0 ? "No line is named that could be left out." : null;
  return html`<button class="button" disabled=${Boolean(reason) || made?.isMaking} onClick=${mend}>Leave the bad lines out, and drop the rest</button>
    ${reason && html`<span class="small muted">${reason}</span>`}`;
}
