// Short notices: three at a time, five seconds; errors stay until they are dismissed. The same text counts up.
import { useEffect, useState } from "preact/hooks";
import { onEvent, toneOf } from "./chronicle.js";
import { plainly, plural } from "./format.js";
import { html } from "./html.js";

const MOST = 3;
const MOST_FAULTS = 2; // of these, as faults stay: one place is always left for what passes
const MOST_WAITING = 6; // what comes on top is only counted: the chronicle has it
const SECONDS = 5;
const TOLD = /^(quest\.(completed|failed|refused|skipped|lost)|hero\.level|skill\.(level|regressed)|checkpoint\.saved|incident\.opened|config\.refused|champion\.crowned|battle\.(paused|resumed|stopped))$/;

let toasts = []; // the oldest first; what finds no place waits for one
let untold = 0;
let serial = 0;
let changed = () => {};

export function toast(icon, text, tone = "plain") {
  const same = toasts.find((one) => one.text === text);
  if (same) same.times += 1;
  else if (tone !== "fault" && waiting().length >= MOST_WAITING) untold += 1;
  else toasts = [...toasts, { id: (serial += 1), icon, text, tone, times: 1 }];
  changed();
}

function shown() {
  const faults = toasts.filter(({ tone }) => tone === "fault").slice(0, MOST_FAULTS);
  const others = toasts.filter(({ tone }) => tone !== "fault").slice(0, MOST - faults.length);
  return [...faults, ...others].sort((one, other) => one.id - other.id);
}

function waiting() {
  const now = shown();
  return toasts.filter((one) => !now.includes(one));
}

function dismiss(id) {
  toasts = toasts.filter((one) => one.id !== id);
  if (untold && waiting().length === 0) {
    toasts = [...toasts, { id: (serial += 1), icon: "📜", text: `${plural(untold, "more event")}: the chronicle has them`, tone: "plain", times: 1 }];
    untold = 0;
  }
  changed();
}

export function Toasts() {
  const [, count] = useState(0);
  useEffect(() => {
    changed = () => count((n) => n + 1);
    changed(); // what was told before this was drawn
    return onEvent((event) => TOLD.test(event.kind) && toast(event.icon, title(event), toneOf(event)));
  }, []);
  const more = waiting().length + untold;
  return html`<div class="toasts">
    ${shown().map((one) => html`<${Toast} key=${one.id} ...${one} />`)}
    ${more > 0 && html`<span class="more small">${plural(more, "more notice")}</span>`}
  </div>`;
}

const TITLES = { "quest.completed": "Quest complete!", "skill.level": "Level up!", "hero.level": "Level up!" };
const title = ({ kind, text }) => [TITLES[kind], plainly(text)].filter(Boolean).join(" ");

function Toast({ id, icon, text, tone, times }) {
  const [isHeld, hold] = useState(false);
  useEffect(() => {
    if (tone === "fault" || isHeld) return undefined;
    const timer = setTimeout(() => dismiss(id), SECONDS * 1000);
    return () => clearTimeout(timer);
  }, [isHeld, times]);
  const holding = { onMouseEnter: () => hold(true), onMouseLeave: () => hold(false), onFocusIn: () => hold(true), onFocusOut: () => hold(false) };
  return html`<div class="toast ${tone}" role=${tone === "fault" ? "alert" : "status"} ...${holding}>
    <span aria-hidden="true">${icon}</span>
    <span>${text}${times > 1 && html` <strong>×${times}</strong>`}</span>
    <button aria-label="dismiss" onClick=${() => dismiss(id)}>✕</button>
  </div>`;
}
