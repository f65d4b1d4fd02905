// What of a conversation is kept: as a file, or as a quest for the hero.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { toast } from "../toasts.js";
import { isAnswer } from "./chat.js";
import { post } from "./oracles.js";

// One chat for each lane in which an answer is kept: [{messages, answers}], in the order in which they were said.
export function keptChats(exchanges) {
  return [0, 1].map((lane) => keptIn(exchanges, lane)).filter(({ messages }) => messages.length);
}

function keptIn(exchanges, lane) {
  const kept = exchanges.filter(({ replies }) => replies[lane] && isAnswer(replies[lane]) && replies[lane].isKept && replies[lane].text);
  return {
    messages: kept.flatMap(({ prompt, replies }) => [{ role: "user", content: prompt }, { role: "assistant", content: replies[lane].text }]),
    answers: kept.map(({ temperature, replies }) => ({ model: replies[lane].model, digest: replies[lane].digest, host: replies[lane].host, seed: replies[lane].seed, temperature })),
  };
}

export const asLines = (chats) => chats.map(({ messages, answers }) => `${JSON.stringify({ messages, metadata: { answers } })}\n`).join("");

export function Keeping({ exchanges }) {
  const [name, call] = useState("oracle-chat");
  const chats = keptChats(exchanges);
  const none = chats.length === 0;
  const save = async () => {
    try {
      const { file } = await post("/oracle/quest", { name, chats: chats.map(({ messages }) => messages), answers: chats.flatMap(({ answers }) => answers) });
      toast("📜", `Saved as a quest: ${file}`);
    } catch (error) {
      toast("🧱", error.message, "fault");
    }
  };
  return html`<div class="buttons keeping" role="group" aria-label="Keep the conversation">
    <label>Name <input type="text" size="14" value=${name} onInput=${(event) => call(event.target.value)} /></label>
    <button class="button quiet" disabled=${none} onClick=${save}><span aria-hidden="true">📜</span>Save as a quest</button>
    <button class="button quiet" disabled=${none} onClick=${() => download(`${name}.jsonl`, asLines(chats))}><span aria-hidden="true">⤓</span>Export</button>
    ${none && html`<span class="small muted">Answers marked “keep” go into it.</span>`}
  </div>`;
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
