// How long a quest will be trained, from quests like it that were completed, and from the speed of now.
import { freshness } from "./freshness.js";
import { compact, plural } from "./format.js";

// {seconds: {low, middle, high} or null, why}
export function predicted(quest, completed, training) {
  const speed = freshness(training).isStale ? null : training.tokens_per_second;
  if (!speed) return { seconds: null, why: "nothing is trained now, so no speed is measured" };
  const densities = completed.filter((other) => isLike(quest, other)).map(({ tokens, bytes, epochs }) => tokens / (bytes * (epochs ?? 1)));
  if (!densities.length || !quest.bytes) return { seconds: null, why: "no quest like it was completed yet" };
  const secondsOf = (density) => (density * quest.bytes * (quest.epochs ?? 1)) / speed;
  const sorted = densities.sort((one, other) => one - other).map(secondsOf);
  return {
    seconds: { low: sorted[0], middle: sorted[Math.floor(sorted.length / 2)], high: sorted[sorted.length - 1] },
    why: `at ${compact(speed)} tokens/s, with as many tokens a byte as ${plural(sorted.length, "completed quest")} like it had`,
  };
}

const isLike = (quest, other) =>
  other.outcome === "completed" && other.tokens && other.bytes && (quest.skill ? other.skill === quest.skill : other.schema_id === quest.schema_id);
