// Sounds and the browser's own notifications. One tab of this browser plays them, each event once.
import { choices } from "./choices.js";
import { onEvent, toneOf } from "./chronicle.js";

const IMPORTANT = /^(hero\.level|skill\.level|quest\.failed|incident\.opened|champion\.crowned)$/;
const QUIETEST_PEAK = 0.125; // -18 dBFS at full volume

// Notes in Hz, each a tenth of a second.
const SOUNDS = {
  level: [523, 659, 784, 1047],
  quest: [587, 880],
  fault: [220, 165],
  champion: [392, 523, 659, 784],
};
const SOUND_OF = { "hero.level": "level", "skill.level": "level", "quest.completed": "quest", "champion.crowned": "champion" };

let audio = null;

// Browsers allow sound only after a person has touched the page: called from a click.
export function play(name) {
  if (!choices.volume) return;
  audio ??= new AudioContext();
  SOUNDS[name].forEach((pitch, index) => {
    const [tone, gain, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime + index / 10];
    Object.assign(tone, { type: "triangle" }).frequency.value = pitch;
    gain.gain.setValueAtTime(QUIETEST_PEAK * choices.volume, at);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.1);
    tone.connect(gain).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.1);
  });
}

export function notify(text, icon = "🛎") {
  if (globalThis.Notification?.permission === "granted") new Notification(`${icon} Realm of Training`, { body: text });
}

function proclaim(event) {
  const sound = toneOf(event) === "fault" ? "fault" : SOUND_OF[event.kind];
  if (sound && audio && choices.sounds.includes(sound) && (!document.hidden || sound === "fault")) play(sound);
  if (choices.bell === "all" || (choices.bell === "important" && IMPORTANT.test(event.kind))) notify(event.text, event.icon);
}

// The tab that holds the lock is the herald, until it closes; without locks (plain http) every visible tab is.
export function beHerald() {
  if (!navigator.locks) return void onEvent((event) => !document.hidden && proclaim(event));
  navigator.locks.request("realm.herald", () => {
    onEvent(proclaim);
    return new Promise(() => {});
  });
}
