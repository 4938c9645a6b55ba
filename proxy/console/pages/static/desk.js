// What the pages do beside htmx: ask before a change, count down, draw, take files.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);

  // A link that signs in once carries its secret behind "#", which no browser sends.
  const form = document.querySelector('form[action="/sign-in"]');
  const secret = location.hash.slice(1);
  if (form && secret.startsWith("waypost_once_")) {
    history.replaceState(null, "", location.pathname);
    form.elements.token.value = secret;
    form.submit();
  }

  // Ask once before what cannot be taken back lightly (hx-confirm).  What was asked about
  // may be shown anew meanwhile: then its new button is meant, if it means the same.
  let agreed = null;
  document.addEventListener("htmx:confirm", (event) => {
    const question = event.detail.question, dialog = by("ask"), button = event.detail.elt;
    if (!question || !dialog) return;
    event.preventDefault();
    if (button === agreed) {
      agreed = null;
      event.detail.issueRequest(true);
      return;
    }
    by("ask-text").textContent = question;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => {
      const now = button.isConnected ? button : by(button.id);
      if (now) now.focus();
      if (dialog.returnValue !== "yes") return;
      const means = (each) => each.getAttribute("hx-post") + each.getAttribute("hx-vals");
      if (now === button) event.detail.issueRequest(true);
      else if (now && means(now) === means(button)) { agreed = now; now.click(); }
      else tell(dialog.dataset.gone);
    }, { once: true });
    dialog.showModal();
  });

  // Keep the focus where it was: on the same button when that is shown anew, else on
  // what the page says of it.
  let held = null;
  const hold = () => { if (document.activeElement !== document.body) held = document.activeElement; };
  const keep = () => {
    if (!held || document.activeElement !== document.body) return;
    const again = held.isConnected ? held : held.id && by(held.id);
    const said = by("outcome");
    const place = again && !again.disabled ? again : said && said.childElementCount ? said : by("main");
    place.focus({ preventScroll: true });
  };
  document.addEventListener("htmx:beforeRequest", hold);
  document.addEventListener("htmx:beforeSwap", hold);
  document.addEventListener("htmx:sseBeforeMessage", hold);
  for (const each of ["htmx:afterRequest", "htmx:afterSettle", "htmx:sseMessage"]) document.addEventListener(each, keep);

  // Escape closes what was opened over the page, as it closes a dialog.
  document.addEventListener("keydown", (event) => {
    const open = document.querySelector(".account[open]");
    if (event.key !== "Escape" || !open || document.querySelector("dialog[open]")) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  // What was done, in a line that goes away by itself.
  let telling = 0;
  const tell = (text) => {
    const line = document.createElement("p");
    line.textContent = text;
    by("told").replaceChildren(line);
    clearTimeout(telling);
    telling = setTimeout(() => by("told").replaceChildren(), 8000);
  };
  document.addEventListener("told", (event) => tell(event.detail.text));

  // A refusal stands until the next request.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.hasAttribute("data-keeps-said")) return;
    by("said").replaceChildren();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "said") event.target.scrollIntoView({ block: "nearest" });
    ready(event.target);
  });
  // The gate before the pages refuses with a problem document (RFC 9457), for example a
  // file that is too large.  We show that like every refusal.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const answer = event.detail.xhr;
    if (!answer || !(answer.getResponseHeader("Content-Type") || "").includes("problem+json")) return;
    event.detail.shouldSwap = false;
    const note = document.createElement("p");
    note.className = "note failed";
    note.lang = "en";
    note.textContent = JSON.parse(answer.responseText).detail;
    by("said").replaceChildren(note);
    note.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("htmx:sendError", () => live(false));

  // Countdowns go by the clock of the console: that of the reader may be wrong.
  const clock = document.querySelector("[data-clock]");
  const ahead = clock ? Date.now() / 1000 - Number(clock.dataset.clock) : 0;
  const two = (value) => String(value).padStart(2, "0");
  const span = (left) => {
    const all = Math.floor(left), hours = Math.floor(all / 3600);
    const rest = `${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
    return hours ? `${hours}:${rest}` : rest;
  };
  const count = () => {
    for (const each of document.querySelectorAll("[data-until]")) {
      const left = Number(each.dataset.until) - (Date.now() / 1000 - ahead);
      each.textContent = left > 0 ? span(left) : each.dataset.over;
    }
  };
  setInterval(count, 500);

  // Say whether what the page shows is up to date.
  const live = (isLive) => {
    for (const each of document.querySelectorAll("[data-live]")) {
      each.textContent = isLive ? each.dataset.live : each.dataset.lost;
      each.classList.toggle("lost", !isLive);
    }
  };
  document.addEventListener("htmx:sseOpen", (event) => {
    live(true);
    event.detail.source.addEventListener("over", () => location.assign("/sign-in"));
  });
  document.addEventListener("htmx:sseError", () => live(false));

  // The chart of the last hour.
  let chart = null;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const columns = (points) => {
    const minute = 60, last = Math.floor((Date.now() / 1000 - ahead) / minute) * minute;
    const known = new Map(points.map(([at, calls, failed]) => [at, [calls, failed]]));
    const times = [], calls = [], failed = [];
    for (let at = last - 59 * minute; at <= last; at += minute) {
      const [all, bad] = known.get(at) || [null, null];
      times.push(at); calls.push(all); failed.push(bad || null);
    }
    return [times, calls, failed];
  };
  const draw = (box, points) => {
    const data = columns(points);
    const sum = (row) => row.reduce((all, each) => all + (each || 0), 0);
    const sums = { calls: sum(data[1]), failed: sum(data[2]) };
    for (const each of document.querySelectorAll("[data-sum]")) each.textContent = sums[each.dataset.sum];
    box.setAttribute("aria-label", `${sums.calls} ${box.dataset.calls}, ${sums.failed} ${box.dataset.failed}`);
    if (chart) { chart.setData(data); return; }
    const bars = uPlot.paths.bars({ size: [0.7, 14] });
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    chart = new uPlot({
      width: box.clientWidth, height: box.clientHeight, legend: { show: false },
      cursor: { show: false }, padding: [8, 20, 0, 0],
      scales: { y: { range: (_, low, high) => [0, Math.max(4, high * 1.1)] } },
      axes: [{ ...axis, size: 26, values: (_, ticks) => ticks.map((at) => { const t = new Date(at * 1000); return `${two(t.getHours())}:${two(t.getMinutes())}`; }) },
             { ...axis, size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000] }],
      series: [{}, { stroke: colour("--accent"), fill: colour("--accent"), paths: bars, points: { show: false } },
               { stroke: colour("--failed"), fill: colour("--failed"), paths: bars, points: { show: false } }],
    }, data, box);
    new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
  };
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (event.target.id !== "hour") return;
    event.preventDefault();
    draw(event.target, JSON.parse(event.detail.data));
  });

  // A file is read here and sent as text: dropped, or chosen with the keyboard.
  const send = (box, file) => {
    const reader = new FileReader();
    reader.onload = () => htmx.ajax("POST", box.dataset.drop, {
      source: box, target: box.dataset.target, swap: "innerHTML",
      values: { name: file.name, text: reader.result },
    });
    reader.readAsText(file);
  };
  document.addEventListener("change", (event) => {
    const box = event.target.closest("[data-drop]");
    if (box && event.target.files && event.target.files[0]) send(box, event.target.files[0]);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const box = event.target instanceof Element && event.target.closest("[data-drop]");
      if (kind !== "dragleave") event.preventDefault();
      if (!box) return;
      box.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) send(box, event.dataTransfer.files[0]);
    });
  }

  // Rows of the plan's table.
  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add-row]"), remove = event.target.closest("[data-remove-row]");
    if (add) {
      const row = by("row").content.firstElementChild.cloneNode(true);
      by("plan-rows").append(row);
      row.querySelector("input").focus();
    }
    if (remove) {
      const row = remove.closest("li"), next = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      const place = next ? next.querySelector("input") : document.querySelector("[data-add-row]");
      if (place) place.focus();
    }
  });

  const ready = (root) => {
    count();
    for (const each of root.querySelectorAll("[data-print]")) each.addEventListener("click", () => print());
  };
  document.addEventListener("DOMContentLoaded", () => {
    ready(document);
    const box = by("hour");
    if (box) draw(box, JSON.parse(box.dataset.points));
  });
})();
