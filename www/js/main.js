// The room that the address names.
import { open } from "./frame.js";

const room = location.pathname.slice(1) || "tavern";
const { Page } = await import(`./pages/${room}.js`);
open(Page);
