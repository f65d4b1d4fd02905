// How long lines are, as pictures: the sampled examples in tokens, all lines in bytes.
import { bytes, percent, plural, whole } from "./format.js";
import { html } from "./html.js";
import { Num } from "./number.js";

const WIDTH = 600;

// {lines, min, median, p95, p99, max, max_length, share_over_max_length}, as the gatekeeper measured them
export function Lengths({ of }) {
  const end = Math.max(of.max, of.max_length) * 1.04;
  const x = (tokens) => Math.round((WIDTH * tokens) / end);
  const says = `${plural(of.lines, "sampled line")}: ${whole(of.min)} to ${whole(of.max)} tokens, half of them up to ${whole(of.median)}, 95 % up to ${whole(of.p95)}; max_length is ${whole(of.max_length)}`;
  return html`<figure class="lengths">
    <svg viewBox="0 0 ${WIDTH} 44" role="img" aria-label=${says} preserveAspectRatio="none">
      <rect class="ground" x="0" y="14" width=${WIDTH} height="16" />
      <rect class="all" x=${x(of.min)} y="18" width=${Math.max(2, x(of.max) - x(of.min))} height="8" />
      <rect class="most" x=${x(of.min)} y="14" width=${Math.max(2, x(of.p95) - x(of.min))} height="16" />
      <rect class="half" x=${x(of.median) - 2} y="8" width="4" height="28" />
      <rect class="limit" x=${x(of.max_length) - 2} y="2" width="4" height="40" />
    </svg>
    <figcaption class="small muted">${says}.${of.share_over_max_length > 0 && html` <strong class="warm">${percent(of.share_over_max_length, 1)} of them are longer.</strong>`}</figcaption>
  </figure>`;
}

// Of GET /api/quests/<name>/census: how many examples have how many tokens, and the largest batch that they can make.
export function Tokens({ of }) {
  if (of.problem) return html`<p class="small muted">${of.problem}</p>`;
  const { examples, length, bytes: size } = of.largest_pass;
  const largest = examples * length;
  return html`<${Histogram} counts=${of.histogram} caption=${`Tokens of an example, in ${plural(of.sampled, "sampled line")}`} said=${(end) => `${whole(end - of.bin + 1)} to ${whole(end)}`} limit=${of.max_length} />
    <p class="small">The largest batch that it can make: <strong><${Num} value=${largest} as=${whole} unit="tokens" /></strong>, ${plural(examples, "example")} padded to ${whole(length)}; a step with it takes about <${Num} value=${size} as=${bytes} /> of an accelerator. <span class="muted">A batch may hold ${whole(of.tokens_per_pass)}; examples end at ${whole(of.max_length)}.</span></p>`;
}

// {"128": lines of 65 to 128 bytes, ...}
export const Bytes = ({ of }) => html`<${Histogram} counts=${of} caption="Bytes of a line" said=${(end) => `${end > 1 ? `${bytes(end / 2 + 1)} to ` : ""}${bytes(end)}`} />`;

// A bar for each bin, named by its end; what is beyond the limit is marked.
function Histogram({ counts, caption, said, limit = Infinity }) {
  const known = Object.entries(counts).map(([end, count]) => [Number(end), count]).sort(([one], [other]) => one - other);
  if (!known.length) return null;
  const most = Math.max(...known.map(([, count]) => count));
  return html`<table class="histogram"><caption class="small muted">${caption}</caption><tbody>
    ${known.map(([end, count]) => html`<tr key=${end} class=${end > limit ? "beyond" : ""}><th scope="row" class="small">${said(end)}${end > limit && html`<span class="unseen">, beyond max_length</span>`}</th>
      <td><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect x="0" y="0" height="10" width=${(100 * count) / most} /></svg></td>
      <td class="number small">${whole(count)}</td></tr>`)}
  </tbody></table>`;
}
