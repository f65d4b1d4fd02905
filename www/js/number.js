// A number that is shortened for reading tells all of itself when it is pressed, pointed at or reached; copied, it is raw.
import { bytes, compact, exactly, isKnown } from "./format.js";
import { html } from "./html.js";
import { Tip } from "./tip.js";

const PERCENT = / %$/;

// `as` shortens: compact, bytes, percent, ... The unit stands behind both.
export function Num({ value, as = compact, unit = "" }) {
  const shown = worded(as(value), unit);
  if (!isKnown(value)) return shown;
  const exact = worded(exactly(value), as === bytes ? "bytes" : PERCENT.test(shown) ? "of 1" : unit);
  return html`<data value=${value}>${shown === exact ? shown : html`<${Tip} kind="num" says=${exact}>${shown}<//>`}</data>`;
}

const worded = (text, unit) => [text, unit].filter(Boolean).join(" ");

// What is copied has raw values in the place of shortened ones; a number that has the focus is copied without a selection.
function copyRaw(event) {
  const selection = getSelection();
  const text = selection.isCollapsed ? document.activeElement.closest("data")?.value : rawText(selection);
  if (text === undefined || text === null) return;
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
}

// Null if there is no number in it: then the browser copies as it always does.
function rawText(selection) {
  const range = selection.getRangeAt(0);
  const inside = range.commonAncestorContainer.parentElement?.closest("data");
  if (inside) return inside.value;
  const copy = document.createElement("div");
  copy.append(range.cloneContents());
  const numbers = copy.querySelectorAll("data");
  if (!numbers.length) return null;
  for (const number of numbers) number.textContent = number.value;
  copy.className = "unseen";
  document.body.append(copy); // only what is laid out has lines
  const text = copy.innerText;
  copy.remove();
  return text;
}

document.addEventListener("copy", copyRaw);
