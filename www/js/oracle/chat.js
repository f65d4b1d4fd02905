// A conversation with one model, or with two beside each other: what was asked, and what came of it.
import { sayFault } from "./faults.js";
import { eventsOf } from "./stream.js";

const STEADY = 100; // ms between two drawings while an answer comes
const KEY = "realm.oracle"; // of what this tab keeps while another room is looked at

// Of one model to one question. `state`: waiting, coming, done, stopped, failed.
const blank = (model, host, seed) => ({ model, host, seed, digest: null, text: "", state: "waiting", problem: null, firstMs: null, seconds: null, pieces: 0, usage: null, finish: null, grade: null, isKept: true });

export class Chat {
  exchanges = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  #changed;
  #abort = null;
  #drawnAt = 0;

  // `changed` is called whenever there is something to draw.
  constructor(changed) {
    this.#changed = changed;
    addEventListener("pagehide", () => this.#keep());
  }

  get isBusy() {
    return this.#abort !== null;
  }

  clear() {
    this.stop();
    this.exchanges = [];
    this.#changed();
  }

  stop() {
    this.#abort?.abort();
  }

  // One question to each of `models`; `inTurn` where they do not fit into memory together. `ready` resolves when a
  // model may be asked. `challenge`: it is asked alone, without what was said before. Resolves to the exchange.
  async ask(prompt, { models, host, seed, temperature, most, inTurn, ready, challenge = null, at = this.exchanges.length }) {
    this.stop();
    const exchange = { prompt, challenge, seed, temperature, most, vote: null, isBlind: false, replies: models.map((model) => blank(model, host, seed)) };
    this.exchanges = [...this.exchanges.slice(0, at), exchange];
    const abort = (this.#abort = new AbortController());
    const lanes = [...models.keys()];
    const prepare = (lane) => this.#try(exchange.replies[lane], abort, ({ model }) => ready(model, abort.signal));
    const answer = (lane) => this.#try(exchange.replies[lane], abort, (reply) => this.#answer(exchange, lane, reply, abort));
    this.#changed();
    for (const lane of lanes) {
      await prepare(lane); // one after the other: one model is loaded at a time
      if (inTurn) await answer(lane);
    }
    if (!inTurn) await Promise.all(lanes.map(answer));
    if (this.#abort === abort) this.#abort = null;
    this.#changed();
    return exchange;
  }

  // What lane `lane` heard before exchange `exchange`, and its question.
  messagesOf(exchange, lane) {
    const before = exchange.challenge ? [] : this.exchanges.slice(0, this.exchanges.indexOf(exchange));
    const said = before.filter((one) => !one.challenge).flatMap((one) => turnsOf(one, lane));
    return [...said, { role: "user", content: exchange.prompt }];
  }

  async #try(reply, abort, act) {
    if (isOver(reply)) return;
    try {
      await act(reply);
    } catch (error) {
      Object.assign(reply, abort.signal.aborted ? { state: "stopped" } : { state: "failed", problem: sayFault(error) });
    }
    this.#changed();
  }

  async #answer(exchange, lane, reply, abort) {
    await this.#read(reply, await this.#send(exchange, lane, reply, abort.signal));
  }

  #send(exchange, lane, { model, host, seed }, signal) {
    const asked = { messages: this.messagesOf(exchange, lane), model, host, seed, temperature: exchange.temperature, max_tokens: exchange.most, stream: true };
    return fetch("/oracle/chat", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked), signal });
  }

  async #read(reply, response) {
    const began = performance.now();
    let firstAt = null;
    for await (const event of eventsOf(response)) {
      if (event.error) Object.assign(reply, { state: "failed", problem: event.error });
      if (event.text) {
        firstAt ??= performance.now();
        Object.assign(reply, { state: "coming", text: reply.text + event.text, pieces: reply.pieces + 1, firstMs: firstAt - began, seconds: (performance.now() - firstAt) / 1000 });
      }
      for (const key of ["model", "digest", "finish", "usage"]) if (event[key]) reply[key] = event[key];
      if (event.end) reply.state = "done";
      this.#draw();
    }
    if (!isOver(reply)) throw new Error("The answer broke off: ask again.");
  }

  #keep() {
    for (const { replies } of this.exchanges) for (const reply of replies) if (!isOver(reply)) reply.state = "stopped";
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.exchanges));
    } catch {
      sessionStorage.removeItem(KEY); // it is larger than a browser keeps
    }
  }

  #draw() {
    const now = performance.now();
    if (now - this.#drawnAt < STEADY) return;
    this.#drawnAt = now;
    this.#changed();
  }
}

// A lane that was not asked then heard what the first one said.
function turnsOf({ prompt, replies }, lane) {
  const { text } = replies[lane] ?? replies[0];
  return text ? [{ role: "user", content: prompt }, { role: "assistant", content: text }] : [];
}

// Tokens a second after the first; null before there are two.
export const paceOf = ({ usage, pieces, seconds }) => {
  const tokens = (usage?.completion_tokens ?? pieces) - 1;
  return tokens > 0 && seconds > 0 ? tokens / seconds : null;
};

// Whether there is an answer that can be judged; none is one, too.
export const isAnswer = ({ state, text }) => state === "done" || (state === "stopped" && text !== "");

export const isOver = ({ state }) => ["done", "stopped", "failed"].includes(state);
