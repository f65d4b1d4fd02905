// What pages read: each resource is fetched when it is first needed, and again when a file it is made from changed.
import { useEffect, useState } from "preact/hooks";
import { onPulse, pulse } from "./pulse.js";

const PATIENCE = 30_000; // ms for one answer
const resources = new Map();

class Resource {
  constructor(url, files, needed) {
    Object.assign(this, { url, files, needed, value: null, error: null, key: null, isLoading: false, listeners: new Set() });
    onPulse(() => this.listeners.size && this.look());
  }

  async look() {
    if (this.needed && !pulse.files[this.needed]) return; // its daemon has not spoken yet
    const key = this.files.map((file) => pulse.files[file]).join(" ");
    if (this.isLoading || pulse.at === null || (key === this.key && !this.error)) return;
    this.isLoading = true;
    try {
      const response = await fetch(this.url, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
      const content = await response.json();
      if (!response.ok) throw new Error(content.error);
      Object.assign(this, { value: content, error: null, key });
    } catch (error) {
      this.error = error;
    }
    this.isLoading = false;
    for (const listener of [...this.listeners]) listener();
  }
}

// {value, error} of a JSON address. `files` are names of the pulse: without any the address is itself a file. It is not
// asked for before the file `needed` is there.
export function useResource(url, files = [url.slice(1)], needed = url === `/${files[0]}` ? files[0] : null) {
  const [, count] = useState(0);
  if (!resources.has(url)) resources.set(url, new Resource(url, files, needed));
  const resource = resources.get(url);
  useEffect(() => {
    const changed = () => count((n) => n + 1);
    resource.listeners.add(changed);
    resource.look();
    return () => resource.listeners.delete(changed);
  }, [resource]);
  return resource;
}

// After a write of our own, or of what no file tells.
export function refresh(url) {
  const resource = resources.get(url);
  return resource && Object.assign(resource, { key: null }).look();
}

export const useTraining = () => useResource("/status/training_status.json").value;
export const useBattle = () => useResource("/status/battle_status.json").value;

const OF_THE_GAME = ["status/training_status.json", "history/trainer.jsonl", "history/scheduler.jsonl", "exams"];
export const useGame = () => useResource("/api/game", OF_THE_GAME).value;

const PYRAMID = "metrics/pyramid/index.json";
export const useMarks = () => useResource("/metrics/pyramid/marks.json", [PYRAMID], PYRAMID).value;
