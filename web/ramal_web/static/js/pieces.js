// Sends a large file (an update, a backup) to the box in pieces: no request is large, and the person sees how far it is.
"use strict";

(() => {
  const form = document.querySelector("form[data-pieces]");
  if (!form) return;
  const file = form.querySelector("input[type=file]");
  const bar = document.getElementById("bundle-progress");
  const problem = document.getElementById("bundle-problem");
  const button = form.querySelector("button");

  const say = (words) => {
    problem.querySelector("span").textContent = words;
    problem.hidden = !words;
  };

  const send = async (bundle) => {
    const piece = Number(form.dataset.piece);
    let upload = "", at = 0;
    while (at < bundle.size) {
      const body = new FormData();
      body.append("csrf", form.querySelector("[name=csrf]").value);
      body.append("upload", upload);
      body.append("at", String(at));
      body.append("piece", bundle.slice(at, at + piece), "piece");
      const answer = await fetch(form.dataset.pieces, { method: "POST", body, redirect: "error" });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.error || form.dataset.lostWords, { cause: "told" });
      upload = told.upload;
      at = told.bytes;
      bar.value = (100 * at) / bundle.size;
    }
    return upload;
  };

  form.addEventListener("submit", async (event) => {
    const bundle = file.files[0];
    if (form.elements.upload.value || !bundle) return;
    event.preventDefault();
    say("");
    if (!bundle.size || bundle.size > Number(form.dataset.most)) {
      say(form.dataset.mostWords);
      return;
    }
    button.disabled = true;
    bar.hidden = false;
    try {
      form.elements.upload.value = await send(bundle);
      file.disabled = true;
      form.submit();
    } catch (error) {
      say(error.cause === "told" ? error.message : form.dataset.lostWords);
      button.disabled = false;
      bar.hidden = true;
    }
  });
})();
