// Fingers on a chart: one drags over what shall fill it, two pinch, a double tap shows all. Up and down still scrolls.

const STIRRED = 12; // CSS pixels before a touch is a drag
const TWICE = 350; // ms between the taps of a double tap
const NARROWEST = 2; // steps

// Listens on the plotting area. `zoomed` is told {min, max} once, when the fingers are lifted; `reset` of a double tap.
// Returns whether fingers lie on it now.
export function listenToFingers(plot, { zoomed, reset }) {
  const area = plot.over;
  let touch = null; // {from, to} of one finger, CSS pixels, or {values} that lie under two
  let tapped = -Infinity; // when, ms

  const place = ({ clientX }) => clientX - area.getBoundingClientRect().left;
  const began = (event) => {
    const places = [...event.touches].map(place);
    if (places.length === 2) touch = { values: places.map((one) => plot.posToVal(one, "x")), shown: null };
    else touch = places.length === 1 ? { from: places[0], to: places[0] } : null;
    clear(plot);
  };
  const moved = (event) => {
    if (!touch) return;
    const places = [...event.touches].map(place);
    if (touch.values && places.length === 2) {
      event.preventDefault();
      touch.shown = pinched(touch.values, places, area.clientWidth, extentOf(plot));
      plot.setScale("x", touch.shown);
    } else if (touch.from !== undefined) {
      touch.to = Math.max(0, Math.min(area.clientWidth, places[0]));
      const width = Math.abs(touch.to - touch.from);
      if (width > STIRRED) plot.setSelect({ left: Math.min(touch.from, touch.to), width, top: 0, height: area.clientHeight }, false);
    }
  };
  const ended = (event) => {
    const done = touch;
    touch = null;
    clear(plot);
    if (done?.shown) return zoomed(done.shown);
    if (done?.from === undefined || event.touches.length) return undefined;
    const [min, max] = [done.from, done.to].sort((one, other) => one - other).map((one) => plot.posToVal(one, "x"));
    if (Math.abs(done.to - done.from) > STIRRED) return zoomed({ min, max });
    const isSecond = event.timeStamp - tapped < TWICE;
    tapped = isSecond ? -Infinity : event.timeStamp;
    if (!isSecond) return undefined;
    event.preventDefault(); // no double click comes after it
    return reset();
  };
  const dropped = () => ((touch = null), clear(plot));
  const listeners = { touchstart: began, touchmove: moved, touchend: ended, touchcancel: dropped };
  for (const [name, listener] of Object.entries(listeners)) area.addEventListener(name, listener, { passive: false });
  return () => touch !== null;
}

const clear = (plot) => plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);

const extentOf = ({ data: [steps] }) => ({ first: steps[0], last: steps[steps.length - 1] });

// The span under which each value lies again under its finger, within the extent: {min, max}
export function pinched([one, other], [left, right], width, { first, last }) {
  const scale = Math.max(NARROWEST / width, Math.abs((other - one) / (right - left || 1)));
  const min = Math.max(first, Math.min(one - left * scale, other - right * scale));
  return { min, max: Math.min(last, Math.max(min + NARROWEST, min + width * scale)) };
}
