// Numbers and times as people read them. What was not measured is "–", never 0.

export const NOTHING = "–";
export const isKnown = (value) => value !== null && value !== undefined && Number.isFinite(value);

// 12345 -> "12.3k"
export function compact(value) {
  if (!isKnown(value)) return NOTHING;
  if (Math.abs(value) < 10000) return whole(value);
  if (Math.abs(value) >= 1e15) return value.toExponential(2);
  for (const [size, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)}${letter}`;
  }
  return NOTHING;
}

// All digits that were measured: 12345.678 -> "12,345.678", 0.00001 -> "0.00001"
export const exactly = (value) => (isKnown(value) ? value.toLocaleString("en", { maximumSignificantDigits: 17 }) : NOTHING);

export const whole = (value) => (isKnown(value) ? Math.round(value).toLocaleString("en") : NOTHING);
export const fixed = (value, digits = 3) => (isKnown(value) ? value.toFixed(digits) : NOTHING);
export const percent = (value, digits = 0) => (isKnown(value) ? `${(100 * value).toFixed(digits)} %` : NOTHING);
export const rate = (value) => (isKnown(value) ? value.toPrecision(3).replace(/\.?0+$/, "") : NOTHING);

export function bytes(value) {
  if (!isKnown(value)) return NOTHING;
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return `${value} B`;
}

// Seconds -> "3 s", "14 m", "2 h 5 m", "6 d"
export function span(seconds) {
  if (!isKnown(seconds)) return NOTHING;
  if (seconds < 59.5) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)} m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export const secondsSince = (time, now) => (now - Date.parse(time)) / 1000;

export function clock(time) {
  return new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" }) + " UTC";
}

export const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

// A quest's folder begins with its time and ends with a hash; people know what stands between.
export const plainly = (text) => text.replace(/\d{8}T\d{6}\.\d{6}Z-(\S+)-[0-9a-f]{8}/g, "$1");
