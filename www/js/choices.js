// What this browser chose: theme, motion, sound, notifications. Kept in it, and told to whoever listens.
import { useEffect, useState } from "preact/hooks";

const DEFAULTS = {
  theme: "night", // night | day
  motion: matchMedia("(prefers-reduced-motion: reduce)").matches ? "none" : "full", // full | calm | none
  volume: 0, // 0: silent
  sounds: ["level", "quest", "fault"],
  bell: "off", // off | important | all
  hiddenGroups: [], // of the card "while you were away"
};
const KEY = "realm.choices";
const listeners = new Set();

export const choices = { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };

export function choose(changes) {
  Object.assign(choices, changes);
  localStorage.setItem(KEY, JSON.stringify(choices));
  apply();
  for (const listener of [...listeners]) listener();
}

export function useChoices() {
  const [, count] = useState(0);
  useEffect(() => {
    const changed = () => count((n) => n + 1);
    listeners.add(changed);
    return () => listeners.delete(changed);
  }, []);
  return choices;
}

function apply() {
  Object.assign(document.documentElement.dataset, { theme: choices.theme, motion: choices.motion });
}

apply();
