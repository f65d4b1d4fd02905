// A word that tells more when it is pressed, pointed at or reached by the keyboard. The bubble lies over everything.
import { useId, useRef } from "preact/hooks";
import { html } from "./html.js";

const APART = 6; // CSS pixels between the word and its bubble

export function Tip({ says, kind = "", children }) {
  const [bubble, word, pinned] = [useRef(null), useRef(null), useRef(false)];
  const id = useId();
  const show = () => {
    if (bubble.current.matches(":popover-open")) return;
    bubble.current.showPopover();
    place(bubble.current, word.current.getBoundingClientRect());
  };
  const hide = () => ((pinned.current = false), bubble.current.matches(":popover-open") && bubble.current.hidePopover());
  const press = () => (pinned.current ? hide() : (show(), (pinned.current = true)));
  const point = ({ pointerType }) => pointerType === "mouse" && show(); // a finger presses
  const leave = ({ pointerType }) => pointerType === "mouse" && !pinned.current && document.activeElement !== word.current && hide();
  const key = (event) => event.key === "Escape" && hide();
  return html`<button type="button" class="tip ${kind}" ref=${word} aria-describedby=${id} onClick=${press} onFocus=${show} onBlur=${hide} onPointerEnter=${point} onPointerLeave=${leave} onKeyDown=${key}>${children}</button><span class="bubble" role="tooltip" id=${id} ref=${bubble} popover="manual">${says}</span>`;
}

// Above the word, or below where there is no room; never over the edge of the window.
function place(bubble, { left, right, top, bottom }) {
  const { width, height } = bubble.getBoundingClientRect();
  const x = Math.max(APART, Math.min(document.documentElement.clientWidth - width - APART, (left + right - width) / 2));
  const y = top - height - APART < 0 ? bottom + APART : top - height - APART;
  Object.assign(bubble.style, { left: `${x}px`, top: `${y}px` });
}
