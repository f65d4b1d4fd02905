// What is looked at stands in the address: a link shows another person the same.
import { useEffect, useState } from "preact/hooks";

const listeners = new Set();

// The stated value of `key`, and how to put another in its place; null takes it out. All who use a key see the same.
export function useAddress(key, otherwise = null) {
  const [, count] = useState(0);
  const value = new URLSearchParams(location.search).get(key) ?? otherwise;
  useEffect(() => {
    const changed = (one) => one === key && count((n) => n + 1);
    listeners.add(changed);
    return () => listeners.delete(changed);
  }, [key]);
  return [value, (given) => state(key, given === otherwise ? null : given)];
}

function state(key, value) {
  const stated = new URLSearchParams(location.search);
  if (value === null) stated.delete(key);
  else stated.set(key, value);
  const query = stated.size ? `?${stated}` : "";
  history.replaceState(null, "", `${location.pathname}${query}${location.hash}`);
  for (const listener of [...listeners]) listener(key);
}

// A span of steps as {from, to}; null: everything.
export function useSpan(key) {
  const [stated, put] = useAddress(key);
  const [, from, to] = /^(\d+)-(\d+)$/.exec(stated ?? "") ?? [];
  const set = (span) => put(span && `${Math.floor(span.from)}-${Math.ceil(span.to)}`);
  return [from === undefined ? null : { from: Number(from), to: Number(to) }, set];
}
