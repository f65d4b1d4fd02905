// A panel of a page; it greys when what it shows is old, and has an address of its own.
import { useEffect, useRef } from "preact/hooks";
import { Age, freshness } from "./freshness.js";
import { html } from "./html.js";
import { usePulse } from "./pulse.js";
import { toast } from "./toasts.js";

export function Panel({ title, name = title, area, document, daemon, tools, children, ...more }) {
  usePulse(); // what is silent changes nothing, and grows old all the same
  const root = useRef(null);
  const stale = daemon && freshness(document).isStale;
  const kind = `panel${area ? ` area-${area}` : ""}${stale ? " stale" : ""}`;
  const id = name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/-$/, "");
  useEffect(() => void (decodeURIComponent(location.hash) === `#${id}` && root.current.scrollIntoView()), []);
  return html`<section class=${kind} id=${id} ref=${root} aria-label=${title} ...${more}>
    <header>
      <h2>${title}<a class="link" href="#${id}" aria-label="copy the link to ${name}" title="Copy the link" onClick=${copyLink}>🔗</a></h2>
      ${tools}
      ${daemon && html`<${Age} document=${document} daemon=${daemon} />`}
    </header>
    ${children}
  </section>`;
}

// The address itself changes, too: browsers lend the clipboard only to pages of this machine and of https.
async function copyLink(event) {
  const link = new URL(event.currentTarget.getAttribute("href"), location.href).href;
  event.preventDefault();
  history.replaceState(null, "", link);
  try {
    await navigator.clipboard.writeText(link);
    toast("🔗", "The link is copied");
  } catch {
    toast("🔗", "The link stands in the address line");
  }
}

// A share from 0 to 1 with words on both sides. Unknown shares draw nothing.
export function Bar({ share, kind = "", label, left, right }) {
  const known = share !== null && share !== undefined;
  const now = known ? Math.round(100 * Math.min(1, Math.max(0, share))) : null;
  return html`<div class="bar ${kind}">
    ${(left || right) && html`<div><span>${left}</span><span class="muted">${right}</span></div>`}
    <svg role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${now} viewBox="0 0 100 10" preserveAspectRatio="none">
      <rect class="fill" x="0" y="0" height="10" width=${known ? 100 * Math.min(1, Math.max(0, share)) : 0} />
    </svg>
  </div>`;
}

export const Picture = ({ file, name, label }) =>
  html`<svg role=${label ? "img" : undefined} aria-label=${label} aria-hidden=${label ? undefined : "true"} viewBox=${VIEWS[file]}>
    <use href="/art/${file}.svg#${name}" />
  </svg>`;

const VIEWS = { hero: "0 0 240 260", enemies: "0 0 240 240", icons: "0 0 48 48", orb: "0 0 240 260" };
