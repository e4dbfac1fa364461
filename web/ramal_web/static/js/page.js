// What HTML and htmx cannot do: running clocks, the theme, and saying that the connection is lost.
"use strict";

(() => {
  const two = (n) => String(n).padStart(2, "0");
  const duration = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };

  // The box's clock, not this computer's: the page says what time it is there.
  let skew = null;
  const learn = () => {
    const live = document.getElementById("live");
    if (live) skew = Number(live.dataset.now) - performance.now();
  };
  const tick = () => {
    if (skew === null || document.body.classList.contains("is-lost")) return;
    const now = skew + performance.now();
    for (const clock of document.querySelectorAll("[data-since]")) {
      const text = duration(now - Number(clock.dataset.since));
      if (clock.textContent !== text) clock.textContent = text;
    }
  };

  // Screen readers hear the one sentence that matters, when it changes; not every clock.
  const announce = () => {
    const target = document.getElementById("announce");
    const source = document.querySelector("[data-announce]");
    const text = source ? source.textContent.trim() : "";
    if (target && target.textContent !== text) target.textContent = text;
  };

  const lost = (is) => {
    const banner = document.getElementById("lost");
    if (banner) banner.hidden = !is;
    document.body.classList.toggle("is-lost", is);
    const live = document.getElementById("live");
    if (live) live.classList.toggle("stale", is || live.dataset.fresh === "no");
  };

  // What a person has opened stays open when the live part is renewed.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", () => {
    opened = [...document.querySelectorAll("#live details[open][id]")].map((one) => one.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) {
      const one = document.getElementById(id);
      if (one) one.open = true;
    }
  });
  document.addEventListener("htmx:afterSwap", () => { learn(); tick(); announce(); });
  document.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr ? event.detail.xhr.status : 0;
    lost(status === 0 || status >= 500);
  });

  document.addEventListener("click", (event) => { if (event.target.closest("[data-print]")) print(); });
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choice]");
    if (choice) {
      const theme = choice.dataset.themeChoice;
      if (theme === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = theme;
      document.cookie = `ramal_theme=${theme}; path=/; max-age=31536000; samesite=lax`;
      for (const other of document.querySelectorAll("[data-theme-choice]"))
        other.setAttribute("aria-pressed", String(other === choice));
    }
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  learn();
  announce();
  setInterval(tick, 250);
})();

// A file that is too large is said to be so before it is sent.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.type !== "file" || !input.dataset.most) return;
  const large = [...input.files].some((file) => file.size > Number(input.dataset.most));
  input.setCustomValidity(large ? input.dataset.mostWords : "");
  if (large) input.reportValidity();
});
