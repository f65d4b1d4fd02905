// Whether a status document may be believed: its writer lives, and has spoken within three of its intervals.
import { useEffect, useState } from "preact/hooks";
import { secondsSince, span } from "./format.js";
import { html } from "./html.js";
import { pulse, serverNow } from "./pulse.js";

const INTERVALS = 3;

export function freshness(document) {
  if (!document) return { age: null, isStale: true, isAlive: false };
  const age = secondsSince(document.heartbeat_at, serverNow());
  const isAlive = pulse.alive.includes(document.writer.daemon);
  return { age, isAlive, isStale: !isAlive || Math.abs(age) > INTERVALS * document.interval_s };
}

// Renders again every second: ages grow while nothing else moves.
export function useSecond() {
  const [, count] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => count((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
}

export function Age({ document, daemon }) {
  useSecond();
  const { age, isAlive, isStale } = freshness(document);
  if (age === null) return html`<span class="age old">🌫 the ${daemon} has not spoken yet</span>`;
  if (!isStale) return html`<span class="age" title=${document.heartbeat_at}>updated ${span(age)} ago</span>`;
  const ended = document.state === "ended" && !isAlive;
  const word = ended ? `the ${daemon} ended` : `no word from the ${daemon} for`;
  return html`<span class="age old" title=${document.heartbeat_at}>🌫 ${word} ${span(age)}${ended ? " ago" : ""}</span>`;
}
