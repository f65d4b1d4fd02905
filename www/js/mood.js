// What the pictures show, from the true state alone.
import { freshness } from "./freshness.js";
import { secondsSince } from "./format.js";
import { serverNow } from "./pulse.js";

const SORE = 60; // seconds that a dropped step or a spike hurts

const MOODS = {
  lost: (name) => `Nobody knows where ${name} is`,
  hurt: (name) => `${name} is wounded: a step was dropped, or the loss leapt`,
  resting: (name) => `${name} rests: training holds still`,
  studying: (name) => `${name} prepares for the next quest`,
  battle: (name) => `${name} fights`,
  idle: (name) => `${name} waits in the tavern for a quest`,
};

export function moodOf(training, battle, events) {
  if (freshness(training).isStale) return "lost";
  const blow = events.find(({ kind }) => kind === "step.dropped" || kind === "loss.spike");
  if (blow && secondsSince(blow.at, serverNow()) < SORE) return "hurt";
  if (["paused", "stopped", "waiting"].includes(training.state)) return "resting";
  if (battle?.battle_state === "preparing" || ["load", "compile"].includes(training.phase)) return "studying";
  return battle?.battle_state === "fighting" ? "battle" : "idle";
}

export const sayMood = (mood, name) => MOODS[mood](name);

const ENEMIES = { chat_sft_v1: "scroll", prompt_completion_v1: "slime", completion_v1: "tome" };

export function enemyOf(quest) {
  if (!quest) return "dummy";
  return quest.skill ? "golem" : (ENEMIES[quest.schema_id] ?? "scroll");
}
