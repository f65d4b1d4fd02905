// What a change of settings takes away and what it puts in the place: [{key, before, after}]
import { html } from "./html.js";

export const Differences = ({ of }) => html`<ul class="diff">${of.map(({ key, before, after }) => html`<li key=${key}><code>curriculum.${key}</code> <del>${said(before)}</del> <ins>${said(after)}</ins></li>`)}</ul>`;

const said = (value) => (value === null || value === undefined ? "nothing" : `${value}`);
