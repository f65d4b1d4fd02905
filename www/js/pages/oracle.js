// Ask any checkpoint, or two beside each other with one question and one seed.
import { useState } from "preact/hooks";
import { useAddress } from "../address.js";
import { html } from "../html.js";
import { Chamber } from "../oracle/chamber.js";
import { Champion } from "../oracle/champion.js";
import { Conversation } from "../oracle/conversation.js";
import { post, useModels, useOracle } from "../oracle/oracles.js";
import { Picker } from "../oracle/picker.js";
import { refresh } from "../resources.js";
import { toast } from "../toasts.js";

export function Page() {
  const [host, chooseHost] = useAddress("host", "here");
  const [first, chooseFirst] = useAddress("model");
  const [second, chooseSecond] = useAddress("other");
  const [isSpeaking, speak] = useState(false);
  const told = useOracle(host);
  const { value: shelf, error } = useModels(host, told.value);
  const models = shelf?.models ?? [];
  const chosen = [first ?? usual(models), second];
  const isDuel = second !== null;
  const act = async (action) => {
    try {
      await action();
    } catch (fault) {
      toast("🧱", fault.message, "fault");
    }
    refresh(`/oracle/status?host=${encodeURIComponent(host)}`);
  };
  return html`<main id="room">
    <h1 class="unseen">Oracle</h1>
    <div class="oracle">
      <div class="stack">
        <${Chamber} host=${host} chooseHost=${chooseHost} told=${told} isSpeaking=${isSpeaking} unload=${(model) => act(() => post("/oracle/unload", { model, host }))} />
        ${error && html`<p class="findings trouble" role="alert">${error.message}</p>`}
        <${Picker} models=${models} look=${told.value} chosen=${chosen} isDuel=${isDuel} choose=${(lane, name) => (lane ? chooseSecond(name) : chooseFirst(name))} load=${(model) => act(() => post("/oracle/load", { model, host }))} />
      </div>
      <div class="stack">
        <${Conversation} host=${host} look=${told.value} models=${models} chosen=${chosen} isDuel=${isDuel} duel=${(isOn) => chooseSecond(isOn ? rival(models, chosen[0]) : null)} speak=${speak} />
        <${Champion} candidate=${models.find(({ name }) => name === chosen[0])} />
      </div>
    </div>
  </main>`;
}

// Who is asked when nobody was chosen: the champion, else the newest, else the hero as it was born.
function usual(models) {
  const there = models.filter(({ is_there: isThere }) => isThere !== false);
  return (there.find(({ tags }) => tags.includes("champion")) ?? there[0])?.name ?? null;
}

// Whom it meets first: the next older one.
function rival(models, name) {
  const there = models.filter(({ is_there: isThere }) => isThere !== false);
  const next = there[there.findIndex((one) => one.name === name) + 1] ?? there[0];
  return next?.name ?? name;
}
