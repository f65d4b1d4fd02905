// The quest board: what waits, what is fought, what ended, and where new quests are dropped.
import { useRef, useState } from "preact/hooks";
import { useAddress } from "../address.js";
import { BOARD, useBoard } from "../board.js";
import { bytes, fixed, percent, plural, secondsSince, span, whole } from "../format.js";
import { useSecond } from "../freshness.js";
import { html } from "../html.js";
import { Bar, Panel } from "../panel.js";
import { serverNow } from "../pulse.js";
import { QuestDetail } from "../quest_detail.js";
import { refresh, useResource, useTraining } from "../resources.js";
import { lookAt, send } from "../uploads.js";
import { useOrder, useUnanswered } from "../wishes.js";
import { toast } from "../toasts.js";

const LANES = ["high", "normal", "low"];
const SHOWN = 8; // notes of a column at first

export function Page() {
  const { value: quests, error } = useBoard();
  const watcher = useResource("/status/queue-watcher.json").value;
  const [shown, show] = useAddress("quest");
  const [search, setSearch] = useAddress("search", "");
  const matches = (quest) => `${quest.title} ${quest.name}`.toLowerCase().includes(search.toLowerCase());
  const of = (state) => (quests?.[state] ?? []).filter(matches);
  const field = html`<label><span class="unseen">Search</span><input data-search type="search" placeholder="search by name" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>`;
  return html`<main id="room">
    <h1 class="unseen">Quests</h1>
    <${Drop} inbox=${quests?.inbox ?? []} />
    ${[error?.message, ...(quests?.problems ?? [])].filter(Boolean).map((problem) => html`<p class="findings trouble" role="alert">${problem}</p>`)}
    <${Panel} title="Quest board" document=${watcher} daemon="queue-watcher" tools=${field}>
      <div class="board">
        <${Column} name="Waiting" count=${quests && LANES.reduce((sum, lane) => sum + quests.counts[lane], 0)}>
          ${LANES.map((lane) => html`<${Lane} key=${lane} lane=${lane} quests=${of("waiting").filter(({ priority }) => priority === lane)} show=${show} />`)}
        <//>
        <${Column} name="In battle" count=${quests?.counts.processing} quests=${of("processing")} show=${show} empty="Nobody fights." />
        <${Column} name="Completed" count=${quests?.counts.completed} quests=${of("completed")} show=${show} empty="None yet: the first one brings 100 gold." />
        <${Column} name="Failed" count=${quests?.counts.failed} quests=${of("failed")} show=${show} empty="None. What is refused lies here with its reason." />
      </div>
    <//>
    ${shown && html`<${QuestDetail} key=${shown} name=${shown} close=${() => show(null)} />`}
  </main>`;
}

// Drops

function Drop({ inbox }) {
  const [isOver, over] = useState(false);
  const [priority, setPriority] = useState("normal");
  const [sending, put] = useState([]);
  const picker = useRef(null);
  const change = (file, changes) => put((all) => all.map((one) => (one.file === file ? { ...one, ...changes } : one)));
  const add = async (files) => {
    for (const file of files) {
      put((all) => [...all.filter((one) => one.file.name !== file.name), { file, share: 0, told: "looked at" }]);
      const fault = await lookAt(file);
      if (fault) change(file, { fault });
      else await upload(file);
    }
  };
  const upload = async (file) => {
    try {
      const name = await send(file, priority, (way) => change(file, wayOf(file, way)));
      change(file, { share: 1, told: `lies in ${name}` });
      toast("📥", `${file.name} lies in the inbox`);
    } catch (error) {
      change(file, { fault: error.message });
    }
  };
  const dropped = (event) => {
    event.preventDefault();
    over(false);
    add([...event.dataTransfer.files]);
  };
  const dragged = (event) => (event.preventDefault(), over(event.dataTransfer.types.includes("Files")));
  return html`<${Panel} title="Drop a quest">
    <div class="drop ${isOver ? "over" : ""}" onDragOver=${dragged} onDragLeave=${() => over(false)} onDrop=${dropped}>
      <p>Drop <strong>.jsonl</strong>, <strong>.jsonl.gz</strong> or <strong>.jsonl.zst</strong> here, or copy it into <code>inbox/</code>. One JSON object a line: <code>messages</code>, <code>prompt</code> + <code>completion</code>, or <code>text</code>.</p>
      <div class="buttons">
        <button class="button" onClick=${() => picker.current.click()}>Choose files</button>
        <input ref=${picker} class="unseen" type="file" multiple accept=".jsonl,.gz,.zst" tabindex="-1" aria-label="quest files" onChange=${(event) => add([...event.target.files])} />
        <label>Priority <select value=${priority} onChange=${(event) => setPriority(event.target.value)}>${LANES.map((lane) => html`<option>${lane}</option>`)}</select></label>
      </div>
    </div>
    ${sending.map(({ file, share, told, fault }) => html`<div key=${file.name}>
      ${fault ? html`<p class="bad" role="alert">${fault}</p>` : html`<${Bar} share=${share} label="sent of ${file.name}" left=${file.name} right=${`${bytes(file.size)} · ${told}`} />`}
    </div>`)}
    ${inbox.length > 0 && html`<p class="small muted">In the inbox, being taken: ${inbox.join(", ")}</p>`}
  <//>`;
}

// {share, told} of {sent, from, waits}
function wayOf(file, { sent, from, waits }) {
  if (waits) return { told: "waits: the Tavern does not answer; it goes on where it is" };
  const goesOn = from ? `, goes on from ${percent(from / file.size)}` : "";
  return { share: sent / file.size, told: `${percent(sent / file.size)} sent${goesOn}` };
}

// Board

const Column = ({ name, count, quests, show, empty, children }) => html`<section class="column" aria-label=${name}>
  <h2>${name}<span class="muted">${whole(count)}</span></h2>
  ${children ?? html`<div class="lane"><${Notes} quests=${quests} show=${show} empty=${empty} /></div>`}
</section>`;

function Notes({ quests, show, empty }) {
  const [most, setMost] = useState(SHOWN);
  return html`${quests.length === 0 && html`<p class="muted small">${empty}</p>`}
    ${quests.slice(0, most).map((quest) => html`<${Note} key=${quest.name} quest=${quest} show=${show} />`)}
    ${quests.length > most && html`<button class="button quiet slim" onClick=${() => setMost(most + SHOWN)}>Show more</button>`}`;
}

function Lane({ lane, quests, show }) {
  const [isOver, over] = useState(false);
  const [, send] = useOrder(() => refresh(BOARD));
  const dropped = (event) => {
    event.preventDefault();
    over(false);
    const name = event.dataTransfer.getData("text/quest");
    if (name) send(`/api/quests/${encodeURIComponent(name)}/move`, { priority: lane });
  };
  const dragged = (event) => event.dataTransfer.types.includes("text/quest") && (event.preventDefault(), over(true));
  return html`<div class="lane ${isOver ? "over" : ""}" onDragOver=${dragged} onDragLeave=${() => over(false)} onDrop=${dropped}>
    <h3>${lane}</h3>
    <${Notes} quests=${quests} show=${show} empty="none" />
  </div>`;
}

function Note({ quest, show }) {
  const [order, send] = useOrder(() => refresh(BOARD));
  const training = useTraining();
  useSecond();
  const unanswered = useUnanswered(quest.name); // also after a reload
  const isSent = order?.state === "sent" || unanswered !== null;
  const isWaiting = LANES.includes(quest.state);
  const isFought = training?.quest === quest.name;
  const move = (event) => send(`/api/quests/${encodeURIComponent(quest.name)}/move`, { priority: event.target.value });
  return html`<article class="note ${isSent ? "sent cooling" : ""}" draggable=${isWaiting} onDragStart=${(event) => event.dataTransfer.setData("text/quest", quest.name)}>
    <span class="title">${quest.title ?? quest.name}</span>
    <span class="small muted">${[quest.lines && plural(quest.lines, "line"), bytes(quest.bytes), quest.skill && `${quest.skill.toUpperCase()} level ${quest.level}`, quest.epochs > 1 && `${quest.epochs} epochs`].filter(Boolean).join(" · ")}</span>
    ${isFought && html`<${Bar} kind="hp thin" share=${1 - (training.quest_progress ?? 0)} label="what is left of ${quest.title}" />`}
    ${quest.state === "processing" && !isFought && html`<span class="small muted">trained; the next seal files it</span>`}
    ${quest.state === "completed" && html`<span class="small good">${outcomeOf(quest)}</span>`}
    ${quest.state === "failed" && html`<span class="small bad">${quest.reason ?? "no reason was written"}</span>`}
    <span class="buttons">
      <button class="button quiet slim" onClick=${() => show(quest.name)}>Look<span class="unseen"> at ${quest.title}</span></button>
      ${isWaiting && html`<label class="small"><span class="unseen">priority of ${quest.title}</span><select value=${quest.priority} onChange=${move}>${LANES.map((lane) => html`<option>${lane}</option>`)}</select></label>`}
      <span class="small muted">${isSent ? `${unanswered?.action ?? "wish"} sent…` : when(quest)}</span>
    </span>
  </article>`;
}

function outcomeOf({ outcome, steps, first_loss: first, last_loss: last, gold }) {
  const loss = first === null || last === null || first === undefined ? "" : ` · loss ${fixed(first)} → ${fixed(last)}`;
  return `${outcome === "completed" ? "" : `${outcome} · `}+${whole(steps)} XP${gold ? ` · +${whole(gold)} gold` : ""}${loss}`;
}

function when({ ended_at: ended, admitted_at: admitted }) {
  const time = ended ?? admitted;
  return time ? `${span(secondsSince(time, serverNow()))} ago` : "";
}
