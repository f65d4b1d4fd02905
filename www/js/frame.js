// The house round every page: the sign over the door, what tells, the keys, and the start of the pulse.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { choose, useChoices } from "./choices.js";
import { plural, span } from "./format.js";
import { useSecond } from "./freshness.js";
import { beHerald, notify, play } from "./herald.js";
import { html } from "./html.js";
import { Picture } from "./panel.js";
import { beat, MISSES_TO_TELL, onPulse, pulse, serverNow, usePulse } from "./pulse.js";
import { useTraining } from "./resources.js";
import { toast, Toasts } from "./toasts.js";
import { Tour } from "./tour.js";

const ROOMS = [
  { path: "/", name: "Tavern", icon: "tavern", key: "t" },
  { path: "/quests", name: "Quests", icon: "quests", key: "q" },
  { path: "/guild", name: "Guild", icon: "guild", key: "g" },
  { path: "/scheduler", name: "Scheduler", icon: "scheduler", key: "s" },
  { path: "/oracle", name: "Oracle", icon: "oracle", key: "o" },
  { path: "/watchtower", name: "Watchtower", icon: "watchtower", key: "w" },
];

// Draws `Page` inside the house.
export function open(Page) {
  document.title = `${ROOMS.find(({ path }) => path === location.pathname).name} · ${document.title}`;
  render(html`<${House} page=${Page} />`, document.body);
  beHerald();
  beat();
}

function House({ page: Page }) {
  const [help, setHelp] = useState(false);
  useKeys(() => setHelp((shown) => !shown));
  return html`
    <a class="skip-link" href="#room">Skip to the page</a>
    <header class="sign">
      <a class="brand" href="/"><${Picture} file="icons" name="realm" />Realm of Training</a>
      <nav class="rooms" aria-label="Rooms">${ROOMS.map((room) => html`<${Door} ...${room} />`)}</nav>
      <${Tools} help=${() => setHelp(true)} />
    </header>
    <${Banner} />
    <${Page} />
    <footer class="foot">Every number is read from a file of the realm's home. Times are UTC. Press <kbd>?</kbd> for the keys.</footer>
    <${Tour} />
    <${Toasts} />
    ${help && html`<${Keys} close=${() => setHelp(false)} />`}
  `;
}

function Door({ path, name, icon }) {
  const here = location.pathname === path;
  return html`<a href=${path} aria-current=${here ? "page" : undefined}><${Picture} file="icons" name=${icon} />${name}</a>`;
}

function Banner() {
  const { missed, lostSince } = usePulse();
  const training = useRef(null);
  training.current = useTraining();
  useSecond();
  useEffect(() => tellReturns(() => training.current?.step ?? null), []);
  if (missed < MISSES_TO_TELL) return null;
  return html`<div class="banner" role="alert">No word from the Tavern for ${span((serverNow() - lostSince) / 1000)}. What you see is from then; it tries again by itself.</div>`;
}

// The first answer after a silence says what happened meanwhile, as the trainer's own status tells it.
function tellReturns(knownStep) {
  let lost = null; // {step} while nothing answers
  return onPulse(async () => {
    if (pulse.missed >= MISSES_TO_TELL) lost ??= { step: knownStep() };
    if (pulse.missed > 0 || !lost) return;
    const before = lost.step;
    lost = null;
    const steps = before === null ? null : (await stepNow()) - before;
    toast("🕯", steps > 0 ? `Back: ${plural(steps, "step")} happened` : "Back: the Tavern answers again");
  });
}

async function stepNow() {
  try {
    return (await (await fetch("/status/training_status.json", { cache: "no-cache", signal: AbortSignal.timeout(10_000) })).json()).step;
  } catch {
    return null; // how many is not known then
  }
}

// Tools

function Tools({ help }) {
  const { theme } = useChoices();
  const other = theme === "night" ? "day" : "night";
  return html`<div class="tools">
    <button class="tool" aria-label="change to ${other}" title="Change to ${other}" onClick=${() => choose({ theme: other })}>${theme === "night" ? "☀" : "☾"}</button>
    <${Menu} icon="🔔" label="Notifications"><${Bell} /><//>
    <${Menu} icon="🔊" label="Sound and motion"><${Comfort} /><//>
    <button class="tool" aria-label="keys" title="Keys" onClick=${help}>?</button>
  </div>`;
}

function Menu({ icon, label, children }) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const close = (event) => (event.key === "Escape" || (event.type === "pointerdown" && !root.current.contains(event.target))) && setOpen(false);
    addEventListener("keydown", close);
    addEventListener("pointerdown", close);
    return () => (removeEventListener("keydown", close), removeEventListener("pointerdown", close));
  }, [isOpen]);
  return html`<div class="menu" ref=${root}>
    <button class="tool" aria-label=${label} aria-expanded=${isOpen} title=${label} onClick=${() => setOpen(!isOpen)}>${icon}</button>
    ${isOpen && html`<div>${children}</div>`}
  </div>`;
}

function Bell() {
  const { bell } = useChoices();
  const pick = async (value) => {
    if (value !== "off" && globalThis.Notification && (await Notification.requestPermission()) !== "granted") {
      return toast("🔕", "This browser does not allow notifications for this page", "fault");
    }
    return choose({ bell: value });
  };
  const names = { off: "Off", important: "Levels and faults", all: "Everything" };
  return html`<strong>Notifications of the browser</strong>
    ${Object.entries(names).map(([value, name]) => html`<label><input type="radio" name="bell" checked=${bell === value} onChange=${() => pick(value)} />${name}</label>`)}
    <button class="button slim" disabled=${bell === "off"} onClick=${() => notify("This is how it looks")}>Test</button>`;
}

function Comfort() {
  const { volume, sounds, motion } = useChoices();
  const toggle = (name) => choose({ sounds: sounds.includes(name) ? sounds.filter((one) => one !== name) : [...sounds, name] });
  const names = { level: "Level up", quest: "Quest complete", fault: "Fault", champion: "Champion" };
  return html`<label>Volume <input type="range" min="0" max="1" step="0.1" value=${volume} onInput=${(event) => choose({ volume: +event.target.value })} onChange=${() => play("quest")} /></label>
    ${Object.entries(names).map(([name, text]) => html`<label><input type="checkbox" checked=${sounds.includes(name)} onChange=${() => toggle(name)} />${text}</label>`)}
    <label>Motion <select value=${motion} onChange=${(event) => choose({ motion: event.target.value })}>
      <option value="full">full</option><option value="calm">calm</option><option value="none">none</option>
    </select></label>`;
}

// Keys

function useKeys(help) {
  useEffect(() => {
    let goes = false;
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
      const room = goes && ROOMS.find(({ key }) => key === event.key);
      goes = event.key === "g";
      if (room) location.assign(room.path);
      else if (event.key === "?") help();
      else if (event.key === "/") (event.preventDefault(), document.querySelector("[data-search]")?.focus());
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function Keys({ close }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} onClose=${close} aria-label="Keys"><div class="inside">
    <h2>Keys</h2>
    <table class="table"><tbody>
      ${ROOMS.map(({ key, name }) => html`<tr><td><kbd>g</kbd> <kbd>${key}</kbd></td><td>${name}</td></tr>`)}
      <tr><td><kbd>/</kbd></td><td>search</td></tr><tr><td><kbd>?</kbd></td><td>this sheet</td></tr><tr><td><kbd>Esc</kbd></td><td>close</td></tr>
    </tbody></table>
    <div class="buttons"><button class="button" onClick=${() => dialog.current.close()}>Close</button></div>
  </div></dialog>`;
}
