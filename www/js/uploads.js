// A file on its way into the inbox: looked at before it is sent, sent in parts, and gone on with where it broke off.
import { onPulse, pulse } from "./pulse.js";

const LINES = 50;
const LOOKED_AT = 2 ** 20; // bytes
const PART = 8 * 2 ** 20; // bytes
const MOST_TRIES = 5; // that bring nothing, while the Tavern answers
const KEYS = [["messages"], ["prompt", "completion"], ["text"]];
const NAMES = /\.jsonl(\.gz|\.zst)?$/;

// What is wrong with a file, in a sentence; null if nothing is seen in its first lines. Archives are not opened.
export async function lookAt(file) {
  if (!NAMES.test(file.name)) return `${file.name} is no quest: quests end in .jsonl, .jsonl.gz or .jsonl.zst`;
  if (file.size === 0) return `${file.name} is empty`;
  if (!file.name.endsWith(".jsonl")) return null;
  const text = await file.slice(0, LOOKED_AT).text();
  const lines = text.split("\n").slice(0, LINES);
  if (text.length >= LOOKED_AT) lines.pop(); // may be cut in its middle
  const wrong = lines.map(faultOf).findIndex((fault) => fault !== null);
  return wrong === -1 ? null : `${file.name}, line ${wrong + 1}: ${faultOf(lines[wrong])}`;
}

function faultOf(line) {
  if (!line.trim()) return null;
  let row;
  try {
    row = JSON.parse(line);
  } catch (error) {
    return `no JSON (${error.message})`;
  }
  if (KEYS.some((keys) => keys.every((key) => row?.[key] !== undefined))) return null;
  return `none of ${KEYS.map((keys) => keys.join(" + ")).join(", ")} is in it`;
}

// Resolves to the name under inbox/. `progress` is told {sent, from, waits}: bytes that are there, of them those that
// were there when it began, and whether the Tavern does not answer. Rejects with what the Tavern refuses.
export async function send(file, priority, progress) {
  const place = new URLSearchParams({ name: file.name, size: file.size, key: `${file.lastModified}`, priority });
  let [from, reached, tries] = [null, -1, 0];
  for (;;) {
    try {
      const { bytes } = await answerOf(await fetch(`/api/uploads?${place}`));
      from ??= bytes;
      [reached, tries] = bytes > reached ? [bytes, 0] : [reached, tries + 1];
      if (tries > MOST_TRIES) throw Object.assign(new Error(`${file.name} cannot be read to its end: choose it again`), { isRefusal: true });
      const told = await sendFrom(file, place, bytes, (sent) => progress({ sent, from, waits: false }));
      if (told) return told;
    } catch (error) {
      if (error.isRefusal) throw error;
      progress({ sent: null, from, waits: true });
      await nextPulse();
    }
  }
}

// The parts from `sent` on; the file's name when the last of them came, null when another look is needed.
async function sendFrom(file, place, sent, progress) {
  progress(sent);
  while (sent < file.size) {
    const part = file.slice(sent, sent + PART);
    const told = await post(`/api/uploads?${place}&from=${sent}`, part, (loaded) => progress(sent + loaded));
    if (told.file) return told.file;
    sent = told.bytes;
    progress(sent);
  }
  return null;
}

function post(address, part, progress) {
  const request = new XMLHttpRequest(); // as fetch does not tell how much was sent
  return new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded }) => progress(Math.min(loaded, part.size));
    request.onerror = () => reject(new Error("the Tavern does not answer"));
    request.onload = () => answerOf(new Response(request.response, { status: request.status })).then(resolve, reject);
    request.responseType = "blob";
    request.open("POST", address);
    request.send(part);
  });
}

// What was refused is not asked again; 409 only says that another place is the next one.
async function answerOf(response) {
  const told = await response.json();
  if (response.ok) return told;
  throw Object.assign(new Error(told.error ?? `the Tavern answered ${response.status}`), { isRefusal: response.status !== 409 });
}

function nextPulse() {
  return new Promise((resolve) => {
    const stop = onPulse(() => pulse.missed === 0 && (stop(), resolve()));
  });
}
