// What a person asks for becomes a flag, an order or a drop. A wish shows how far it got: sent, seen, done or refused.
import { useEffect, useState } from "preact/hooks";
import { clock } from "./format.js";
import { html } from "./html.js";
import { onPulse } from "./pulse.js";
import { refresh, useResource } from "./resources.js";
import { toast } from "./toasts.js";

const FILES = ["control", "status/training_status.json"];
export const useControl = () => useResource("/api/control", FILES).value;

// Posts JSON; returns the answer. A refusal is told and returns null.
export async function ask(url, content = {}) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(content),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  } catch (error) {
    toast("🧱", error.message, "fault");
    return null;
  }
}

// An order's way: null before it is sent, then {state: "sent" | "done" | "refused", error}.
export function useOrder(whenDone) {
  const [order, put] = useState(null);
  useEffect(() => {
    if (!order || order.state !== "sent") return undefined;
    return onPulse(async () => {
      const response = await fetch(`/api/orders/${order.daemon}/${order.order}`);
      if (!response.ok) return;
      const told = await response.json();
      if (told.state === "sent") return;
      put({ ...order, ...told });
      if (told.state === "refused") toast("🧱", told.error, "fault");
      else whenDone?.();
    });
  }, [order]);
  const send = async (url, content) => {
    const sent = await ask(url, content);
    if (sent) put({ ...sent, state: "sent" });
  };
  return [order, send];
}

// A button that raises a flag. It is striped until the trainer has obeyed: while the flag lies there, also after a reload.
export function FlagButton({ name, label, sent, icon, state, reached, kind = "", disabled }) {
  const control = useControl();
  const [isSending, send] = useState(false);
  const flag = control?.flags.find((one) => one.name === name);
  const isWaiting = isSending || (flag && !reached(state));
  const raise = async () => {
    send(true);
    if (await ask(`/api/control/${name}`)) await refresh("/api/control");
    send(false);
  };
  return html`<button class="button ${kind} ${isWaiting ? "cooling" : ""}" disabled=${disabled || flag || isSending} title=${flag ? `sent ${clock(flag.placed_at)}` : ""} onClick=${raise}>
    <span aria-hidden="true">${icon}</span>${isWaiting ? sent : label}
  </button>`;
}

// The order about a quest that nobody has answered, whoever sent it; null if there is none.
export function useUnanswered(quest) {
  return useControl()?.orders.find((one) => one.arguments.quest === quest) ?? null;
}

export function ResumeButton({ label = "Resume" }) {
  const lift = async () => {
    if (await ask("/api/control/resume")) refresh("/api/control");
  };
  return html`<button class="button" onClick=${lift}><span aria-hidden="true">▶</span>${label}</button>`;
}
