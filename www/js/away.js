// While you were away: what happened since the last visit, in at most eight lines.
import { useEffect, useState } from "preact/hooks";
import { choices, choose, useChoices } from "./choices.js";
import { plural, span } from "./format.js";
import { html } from "./html.js";
import { Panel } from "./panel.js";
import { serverNow } from "./pulse.js";

const KEY = "realm.seen";
const LONG = 600; // seconds
const FIRST_LOOK = 86400; // seconds, on a new device
const MOST = 5000; // events

const GROUPS = [
  { kinds: ["quest.completed"], icon: "✅", words: (n) => `${plural(n, "quest")} completed`, to: "/quests" },
  { kinds: ["hero.level"], icon: "⬆️", words: (n) => `${plural(n, "level")} gained`, to: "/guild" },
  { kinds: ["skill.level"], icon: "🎓", words: (n) => `${plural(n, "skill level")} mastered`, to: "/guild" },
  { kinds: ["exam.graded"], icon: "📝", words: (n) => `${plural(n, "exam")} sat`, to: "/guild" },
  { kinds: ["checkpoint.saved"], icon: "💾", words: (n) => `${plural(n, "checkpoint")} saved`, to: "/watchtower" },
  { kinds: ["quest.failed", "quest.refused", "quest.lost"], icon: "💀", words: (n) => `${plural(n, "quest")} failed or refused`, to: "/quests" },
  { kinds: ["step.dropped", "loss.spike"], icon: "💥", words: (n) => `${plural(n, "blow")} taken`, to: "/watchtower" },
  { kinds: ["incident.opened", "resource.short", "seal.late", "config.refused"], icon: "🚨", words: (n) => `${plural(n, "fault")} told`, to: "/watchtower" },
];

export function Away() {
  const [since] = useState(lastVisit);
  const [events, put] = useState(null);
  const { hiddenGroups } = useChoices();
  useEffect(() => void (since && load(since).then(put)), []);
  useEffect(() => keepVisit(), []);
  const lines = GROUPS.map((group) => ({ ...group, count: (events ?? []).filter(({ kind }) => group.kinds.includes(kind)).length }));
  const shown = lines.filter(({ count, icon }) => count && !hiddenGroups.includes(icon));
  if (!shown.length) return null;
  const hide = (icon) => choose({ hiddenGroups: [...choices.hiddenGroups, icon] });
  return html`<${Panel} title="While you were away" area="away" class="panel away">
    <p class="muted">In the last ${span((serverNow() - since) / 1000)}:</p>
    <ul>${shown.map(({ icon, words, count, to }) => html`<li><a href=${to}>${icon} ${words(count)}</a>
      <button class="tool" onClick=${() => hide(icon)} title="Hide this kind from now on" aria-label="hide ${words(count)} from now on">✕</button></li>`)}</ul>
    <div class="buttons"><button class="button slim" onClick=${() => put([])}>Dismiss</button></div>
  <//>`;
}

// When this browser last looked, ms; null if that was just now.
function lastVisit() {
  const seen = Number(localStorage.getItem(KEY)) || Date.now() - FIRST_LOOK * 1000;
  return Date.now() - seen > LONG * 1000 ? seen : null;
}

function keepVisit() {
  const keep = () => document.hidden || localStorage.setItem(KEY, String(Date.now()));
  keep();
  const timer = setInterval(keep, 10_000);
  return () => clearInterval(timer);
}

async function load(since) {
  const response = await fetch(`/api/events?since=${new Date(since).toISOString()}&limit=${MOST}`);
  return response.ok ? (await response.json()).events : [];
}
