// The conversation: what was said, what is asked next, and the keys for both.
import { useEffect, useRef, useState } from "preact/hooks";
import { useAddress } from "../address.js";
import { html } from "../html.js";
import { Panel } from "../panel.js";
import { useResource } from "../resources.js";
import { toast } from "../toasts.js";
import { ChallengeForm, gradeAll, newChallenge } from "./challenge.js";
import { Chat, isOver } from "./chat.js";
import { canVote, castVote, Score, VoteBar, VOTES } from "./duel.js";
import { Keeping } from "./keeping.js";
import { fitTogether, loaded } from "./oracles.js";
import { shortName } from "./picker.js";
import { Reply } from "./reply.js";

const SIDES = ["Left", "Right"];

export function Conversation({ host, look, models, chosen, isDuel, duel, speak }) {
  const [, count] = useState(0);
  const redraw = () => count((n) => n + 1);
  const chat = useRef(null);
  chat.current ??= new Chat(redraw);
  const [seed, plant] = useAddress("seed", "1");
  const [temperature, heat] = useState(0.7);
  const [most, limit] = useState(256);
  const [prompt, write] = useState("");
  const [at, edit] = useState(null); // the exchange that is asked anew
  const [isBlind, hide] = useState(false);
  const [isSwapped, swap] = useState(false); // whether the right one answers on the left
  const [heard, tell] = useState("");
  const votes = useResource("/oracle/votes", ["history/votes.jsonl"]).value;
  const { exchanges, isBusy } = chat.current;
  const lanes = !isDuel ? [chosen[0]] : isSwapped ? [chosen[1], chosen[0]] : chosen;
  const last = exchanges[exchanges.length - 1];

  const ask = async (text, { challenge = null, from = undefined, grown = 0 } = {}) => {
    const asked = lanes.filter(Boolean);
    const sizes = asked.map((name) => models.find((one) => one.name === name) ?? {});
    write("");
    edit(null);
    speak(true);
    const settings = { models: asked, host, seed: Number(seed) + grown, temperature, most, inTurn: !fitTogether(look, sizes), challenge, at: from };
    const asking = chat.current.ask(text, { ...settings, ready: (model, signal) => loaded(host, model, signal) });
    Object.assign(chat.current.exchanges.at(-1), { isBlind: isDuel && isBlind });
    redraw();
    const exchange = await asking;
    speak(false);
    tell(sayAnswers(exchange));
    if (challenge) await gradeAll(exchange, redraw);
  };
  const again = () => {
    plant(`${Number(seed) + 1}`);
    ask(last.prompt, { challenge: last.challenge, from: exchanges.length - 1, grown: 1 });
  };
  const pose = async (skill, level) => {
    try {
      const challenge = await newChallenge(skill, level);
      await ask(challenge.prompt, { challenge });
    } catch (error) {
      toast("🧱", error.message, "fault");
    }
  };
  const vote = async (exchange, value) => {
    try {
      await castVote(chat.current, exchange, value);
      exchange.vote = value;
      hide(false); // it is known now who is who
      redraw();
    } catch (error) {
      toast("🧱", error.message, "fault");
    }
  };
  const blindly = (isOn) => {
    swap(isOn && crypto.getRandomValues(new Uint8Array(1))[0] % 2 === 1);
    hide(isOn);
  };
  const begin = () => {
    chat.current.clear();
    blindly(isBlind);
  };
  useKeys({ stop: () => chat.current.stop(), vote: (value) => last && canVote(last) && vote(last, value) });

  const send = () => prompt.trim() && !isBusy && chosen[0] && ask(prompt, { from: at ?? undefined });
  const tools = html`<span class="buttons">
    <label><input type="checkbox" checked=${isDuel} disabled=${isBusy || !models.length} onChange=${(event) => duel(event.target.checked)} />Duel</label>
    <label><input type="checkbox" checked=${isBlind} disabled=${!isDuel || isBusy} onChange=${(event) => blindly(event.target.checked)} />Blind</label>
    <button class="button quiet slim" disabled=${!exchanges.length} onClick=${begin}>New</button>
  </span>`;
  return html`<${Panel} title="Conversation" name="conversation" tools=${tools}>
    ${exchanges.length === 0 && html`<p class="empty">${greeting(lanes, isDuel && isBlind)}</p>`}
    <ol class="exchanges">${exchanges.map((exchange, index) => html`<${Exchange} key=${index} exchange=${exchange} isLast=${exchange === last} isBusy=${isBusy} again=${again} vote=${(value) => vote(exchange, value)} redraw=${redraw}
      edit=${() => (write(exchange.prompt), edit(index), document.querySelector(".composer textarea").focus())} />`)}</ol>
    <p class="unseen" role="status">${heard}</p>
    ${isDuel && !isBlind && html`<${Score} pairs=${votes?.pairs} models=${lanes} />`}
    <form class="composer" onSubmit=${(event) => (event.preventDefault(), send())}>
      ${at !== null && html`<p class="small warm">What follows this question is asked anew. <button type="button" class="button quiet slim" onClick=${() => (edit(null), write(""))}>Leave it</button></p>`}
      <textarea rows="3" aria-label="Question" placeholder="Ask the Oracle" value=${prompt} onInput=${(event) => write(event.target.value)} onKeyDown=${(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && (event.preventDefault(), send())}></textarea>
      <div class="buttons">
        ${isBusy ? html`<button type="button" class="button danger" onClick=${() => chat.current.stop()}>Stop <kbd>Esc</kbd></button>` : html`<button class="button" disabled=${!prompt.trim() || !chosen[0]}>Ask <kbd>Ctrl</kbd><kbd>Enter</kbd></button>`}
        <label>Seed <input type="number" min="0" max="9007199254740991" step="1" value=${seed} onChange=${(event) => plant(`${Math.max(0, Math.floor(Number(event.target.value)))}`)} /></label>
        <label>Temperature <input type="number" min="0" max="2" step="0.1" value=${temperature} onChange=${(event) => heat(Math.min(2, Math.max(0, Number(event.target.value))))} /></label>
        <label>Tokens <input type="number" min="1" max="100000" step="1" value=${most} onChange=${(event) => limit(Math.max(1, Math.floor(Number(event.target.value))))} /></label>
      </div>
    </form>
    <${ChallengeForm} pose=${pose} isBusy=${isBusy || !chosen[0]} />
    <${Keeping} exchanges=${exchanges} />
  <//>`;
}

function Exchange({ exchange, isLast, isBusy, again, vote, redraw, edit }) {
  const { prompt, challenge, replies } = exchange;
  const isHidden = exchange.isBlind && !exchange.vote;
  return html`<li class="exchange">
    <div class="asked"><p class="said">${prompt}</p>
      <div class="buttons">
        ${challenge && html`<span class="tag">⚔ ${challenge.skill.toUpperCase()} L${challenge.level} ${challenge.difficulty}</span>`}
        ${!challenge && html`<button class="button quiet slim" disabled=${isBusy} onClick=${edit}>Edit</button>`}
        ${isLast && !isBusy && html`<button class="button quiet slim" onClick=${again}>Ask again, seed + 1</button>`}
      </div>
    </div>
    <div class="replies ${replies.length === 2 ? "two" : ""}">${replies.map((reply, lane) => html`<${Reply} reply=${reply} lane=${lane} isAlone=${replies.length === 1} isHidden=${isHidden} keep=${(isKept) => (Object.assign(reply, { isKept }), redraw())} />`)}</div>
    <${VoteBar} exchange=${exchange} vote=${vote} />
  </li>`;
}

function greeting(lanes, isBlind) {
  if (isBlind) return "Two models will answer; which is which, you are told after your vote.";
  if (!lanes[0]) return "There is nobody to ask yet.";
  return lanes.length === 2 ? `${shortName(lanes[0])} and ${shortName(lanes[1])} will answer the same question with the same seed.` : `${shortName(lanes[0])} will answer. It is read into memory first if it is not there.`;
}

const sayAnswers = ({ replies }) =>
  replies.filter((reply) => isOver(reply) && reply.text).map((reply, lane) => (replies.length === 2 ? `${SIDES[lane]}: ${reply.text}` : reply.text)).join(" ");

// Escape stops; 1 to 4 vote, unless they are typed into something.
function useKeys(acts) {
  const latest = useRef(acts);
  latest.current = acts;
  useEffect(() => {
    const pressed = (event) => {
      if (event.key === "Escape") return latest.current.stop();
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return undefined;
      const vote = VOTES[Number(event.key) - 1];
      return vote && latest.current.vote(vote[0]);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
