// Which of two answers is the better. The vote is kept with all that it is about.
import { html } from "../html.js";
import { isAnswer } from "./chat.js";
import { post } from "./oracles.js";

export const VOTES = [["left", "Left"], ["right", "Right"], ["both", "Both"], ["neither", "Neither"]];

export const canVote = (exchange) =>
  exchange.replies.length === 2 && !exchange.vote && exchange.replies.every(isAnswer) && exchange.replies[0].model !== exchange.replies[1].model;

export function castVote(chat, exchange, vote) {
  const [left, right] = exchange.replies.map(({ model, digest, host, text }) => ({ model, digest, host, answer: text }));
  const { seed, temperature, most: max_tokens, isBlind: blind } = exchange;
  return post("/oracle/votes", { left, right, messages: chat.messagesOf(exchange, 0), seed, temperature, max_tokens, vote, blind });
}

export function VoteBar({ exchange, vote }) {
  if (exchange.vote) return html`<p class="small muted">You voted: <strong>${exchange.vote}</strong>${exchange.isBlind ? ", blind" : ""}. It is a line of <code>history/votes.jsonl</code>.</p>`;
  if (!canVote(exchange)) return null;
  return html`<div class="buttons votes" role="group" aria-label="Which answer is better">
    <span>Which is better?</span>
    ${VOTES.map(([value, name], index) => html`<button class="button slim" onClick=${() => vote(value)}>${name} <kbd>${index + 1}</kbd></button>`)}
  </div>`;
}

// How often each of the two was the better one, of all votes that were ever cast.
export function Score({ pairs, models }) {
  const pair = pairs?.find(({ one, other }) => models.includes(one) && models.includes(other));
  if (!pair) return null;
  const won = (name) => (name === pair.one ? pair.won_one : pair.won_other);
  return html`<p class="small muted">So far: ${won(models[0])} for the left model, ${won(models[1])} for the right, ${pair.both} both, ${pair.neither} neither; ${pair.blind} of them blind.</p>`;
}
