// The chronicle as a panel, with filters by its writer.
import { useEffect, useRef, useState } from "preact/hooks";
import { useAddress, useSpan } from "./address.js";
import { toneOf, useChronicle } from "./chronicle.js";
import { clock, plainly, plural, secondsSince, span, whole } from "./format.js";
import { useSecond } from "./freshness.js";
import { html } from "./html.js";
import { Panel } from "./panel.js";
import { serverNow } from "./pulse.js";

const NEAR = 50; // steps on both sides of an event that its link shows

const MINUTE = 60_000; // ms
const ALOUD = 3; // events that are told in full

export function Chronicle({ area = "chronicle" }) {
  const events = useChronicle();
  const [stated, state] = useAddress("hide", "");
  const hidden = stated.split(",").filter(Boolean);
  const hide = (daemons) => state(daemons.join(","));
  const [isAloud, setAloud] = useState(false);
  const told = useSummary(events, isAloud);
  useSecond();
  const daemons = [...new Set(events.map((event) => event.daemon))].sort();
  const toggle = (daemon) => hide(hidden.includes(daemon) ? hidden.filter((one) => one !== daemon) : [...hidden, daemon]);
  const shown = events.filter((event) => !hidden.includes(event.daemon));
  return html`<${Panel} title="Chronicle" area=${area}>
    <div class="chips" role="group" aria-label="Whose events">
      ${daemons.map((daemon) => html`<button class="chip" aria-pressed=${!hidden.includes(daemon)} onClick=${() => toggle(daemon)}>${daemon}</button>`)}
    </div>
    <label class="small"><input type="checkbox" checked=${isAloud} onChange=${() => setAloud(!isAloud)} />tell a screen reader each minute what happened</label>
    <span class="unseen" role="status">${told}</span>
    ${shown.length === 0 && html`<p class="empty">Nothing has happened yet. Drop a quest on the board.</p>`}
    <div class="log" role="log" aria-live="off" tabindex="0" aria-label="Events, newest first">
      <ul>${shown.map((event) => html`<${Line} key=${event.id} event=${event} />`)}</ul>
    </div>
  <//>`;
}

// What happened since the last time, once a minute while it is wanted.
function useSummary(events, isWanted) {
  const [told, tell] = useState("");
  const newest = useRef(null);
  const known = useRef(events);
  known.current = events;
  useEffect(() => {
    if (!isWanted) return tell("");
    newest.current = known.current[0]?.id;
    const timer = setInterval(() => {
      const index = known.current.findIndex(({ id }) => id === newest.current);
      const fresh = known.current.slice(0, index === -1 ? undefined : index);
      newest.current = known.current[0]?.id;
      if (fresh.length) tell(`${plural(fresh.length, "event")}: ${fresh.slice(0, ALOUD).map(({ text }) => plainly(text)).join("; ")}`);
    }, MINUTE);
    return () => clearInterval(timer);
  }, [isWanted]);
  return told;
}

// A line with a step shows the curves round it, on this very page.
function Line({ event }) {
  const [, show] = useSpan("span");
  const tone = toneOf(event);
  const time = html`<time class="muted small" datetime=${event.at} title=${clock(event.at)}>${span(secondsSince(event.at, serverNow()))}</time>`;
  if (typeof event.step !== "number") return html`<li class=${tone}><span aria-hidden="true">${event.icon}</span><span class="text">${plainly(event.text)}</span>${time}</li>`;
  const [from, to] = [Math.max(1, event.step - NEAR), event.step + NEAR];
  const look = (click) => {
    if (click.ctrlKey || click.metaKey || click.shiftKey || !getSelection().isCollapsed) return; // another window, or words to copy
    click.preventDefault();
    show({ from, to });
    document.querySelector(".chart")?.scrollIntoView({ block: "nearest" });
  };
  return html`<li class="${tone} leads" onClick=${look}>
    <span aria-hidden="true">${event.icon}</span>
    <span class="text">${plainly(event.text)} <a class="small" aria-label="the curves round step ${whole(event.step)}" href=${`?span=${from}-${to}`}>curve</a></span>
    ${time}
  </li>`;
}
