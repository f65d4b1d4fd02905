// How fast it goes, and until when: measured, with how far the measured speed spread.
import { plural, rate, span } from "./format.js";

const RECENT = 6 * 3600; // seconds that the pace of quests looks back
const UNITS = [[59.5, 1, "s"], [3570, 60, "m"]]; // below so many seconds, of so many, called

// {middle, low, high} seconds -> "14 m (12–17)"; without a spread, or within one figure, "14 m"
export function around({ middle, low, high }) {
  if (low === null || low === undefined || span(low) === span(high)) return span(middle);
  const [, size, unit] = UNITS.find(([below]) => high < below) ?? [];
  const isOne = unit && span(middle).endsWith(` ${unit}`);
  return isOne ? `${span(middle)} (${Math.round(low / size)}–${Math.round(high / size)})` : `${span(middle)} (${span(low)} to ${span(high)})`;
}

// Of GET /api/game; null while nothing is trained.
export function nextLevelOf({ seconds_to_next_level: middle, seconds_to_next_level_range: range }) {
  return middle === null ? null : around({ middle, low: range?.[0], high: range?.[1] });
}

// In words, how `nextLevelOf` was measured.
export function sayPace({ steps_per_second: speed, quartiles, seconds, steps }) {
  const spread = quartiles ? ` Cut in eight equal parts, the middle half of them went at ${rate(quartiles[0])} to ${rate(quartiles[1])}: that is the range.` : " Too few of them to say how far speed spreads.";
  return `What is missing, at ${rate(speed)} steps a second: the ${plural(steps, "step")} of the last ${span(seconds)} in metrics/trainer.jsonl.${spread}`;
}

// {perHour, count, seconds}: quests that ended since the trainer was started, at most some hours ago; null for too few.
// Those of the first moment only begin the time, as a seal files several at once.
export function questPace(ended, startedAt, now) {
  const since = Math.max(now - RECENT * 1000, Date.parse(startedAt));
  const times = ended.map(({ ended_at: at }) => Date.parse(at)).filter((at) => at >= since);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const count = times.filter((at) => at > first).length;
  return count ? { perHour: (count * 3600_000) / (last - first), count, seconds: (last - first) / 1000 } : null;
}
