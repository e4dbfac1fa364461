// The wallboard's only need of its own: filling the whole screen.
"use strict";

(() => {
  const button = document.getElementById("whole");
  if (!button || !document.fullscreenEnabled) return;
  const toggle = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {});
  };
  button.hidden = false;
  button.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.key === "f" && !event.ctrlKey && !event.metaKey && !event.altKey) toggle();
  });
  document.addEventListener("fullscreenchange", () => { button.hidden = Boolean(document.fullscreenElement); });
})();
