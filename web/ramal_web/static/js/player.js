// Skips, speed and "listen from here" around the browser's own audio element.
"use strict";

for (const player of document.querySelectorAll("[data-player]")) {
  const audio = player.querySelector("audio");
  const broken = player.querySelector("[data-broken]");

  // Played as loud as any other recording, by the browser: the file stays as it is.
  const gain = Number(player.dataset.gain);
  let sound = null;
  audio.addEventListener("play", () => {
    if (!sound && Math.abs(gain) >= 1 && window.AudioContext) {
      sound = new AudioContext();
      const louder = sound.createGain();
      louder.gain.value = 10 ** (gain / 20);
      sound.createMediaElementSource(audio).connect(louder).connect(sound.destination);
    }
    if (sound && sound.state === "suspended") sound.resume();
  });

  // Before the first play nothing is loaded: a place in the future is kept until the length is known.
  const go = (seconds) => {
    const place = () => { audio.currentTime = Math.max(0, Math.min(seconds, audio.duration || seconds)); };
    if (audio.readyState >= 1) { place(); return; }
    audio.addEventListener("loadedmetadata", place, { once: true });
    audio.preload = "metadata";
    audio.load();
  };
  player.addEventListener("click", (event) => {
    const key = event.target.closest("[data-skip]");
    if (key) go(audio.currentTime + Number(key.dataset.skip));
  });
  player.querySelector("[data-speed]").addEventListener("change", (event) => {
    audio.playbackRate = audio.defaultPlaybackRate = Number(event.target.value);
  });
  audio.addEventListener("error", () => { broken.hidden = false; });
  audio.addEventListener("loadedmetadata", () => { broken.hidden = true; });
  player.listenFrom = (ms) => { go((ms - Number(player.dataset.started)) / 1000); audio.play(); };
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-seek]");
  if (!link) return;
  const ms = Number(link.dataset.seek);
  let best = null;
  for (const player of document.querySelectorAll("[data-player]"))
    if (!best || Math.abs(Number(player.dataset.started) - ms) < Math.abs(Number(best.dataset.started) - ms)) best = player;
  if (best) best.listenFrom(ms);
});
