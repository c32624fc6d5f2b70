// Search over the prebuilt index; the pages work without it.
(() => {
  "use strict";
  const field = document.getElementById("search");
  const list = document.getElementById("found");
  const most = 12;
  let index = null;
  let chosen = 0;

  const load = async () => {
    index ??= fetch("/docs/search.json").then((r) => r.json()).then((all) =>
      all.map((e) => ({ ...e, title: e.t.toLowerCase(), all: (e.t + " " + (e.s || "") + " " + e.u).toLowerCase() })));
    return index;
  };

  // Whole titles first, then titles that begin with the words, then those that hold them, then the rest.
  const score = (e, words) => {
    let n = 0;
    for (const w of words) {
      if (!e.all.includes(w)) return 0;
      n += e.title === w ? 8 : e.title.startsWith(w) ? 4 : e.title.includes(w) ? 2 : 1;
    }
    return n + (e.k === "page" ? 1 : 0);
  };

  const element = (name, text, parent) => {
    const e = document.createElement(name);
    e.textContent = text;
    parent.append(e);
    return e;
  };

  const show = (entries) => {
    list.replaceChildren();
    chosen = 0;
    for (const e of entries) {
      const a = element("a", "", element("li", "", list));
      a.href = e.u;
      element("b", e.k, a);
      element("span", e.t, a);
      if (e.s) element("small", e.s, a);
    }
    if (!entries.length) element("li", "Nothing found.", list).className = "none";
    list.querySelector("a")?.classList.add("chosen");
    list.hidden = false;
  };

  const search = async () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) { list.hidden = true; return; }
    const all = await load();
    show(all.map((e) => [score(e, words), e]).filter(([n]) => n > 0).sort((a, b) => b[0] - a[0]).slice(0, most).map(([, e]) => e));
  };

  const move = (step) => {
    const links = list.querySelectorAll("a");
    if (!links.length) return;
    links[chosen]?.classList.remove("chosen");
    chosen = (chosen + step + links.length) % links.length;
    links[chosen].classList.add("chosen");
    links[chosen].scrollIntoView({ block: "nearest" });
  };

  field.addEventListener("input", search);
  field.addEventListener("focus", load);
  field.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown") { move(1); e.preventDefault(); }
    if (e.key === "ArrowUp") { move(-1); e.preventDefault(); }
    if (e.key === "Enter") list.querySelector("a.chosen")?.click();
    if (e.key === "Escape") { list.hidden = true; field.blur(); }
  });
  list.addEventListener("click", () => { list.hidden = true; });
  document.addEventListener("click", (e) => { if (!e.target.closest(".search")) list.hidden = true; });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement !== field && !e.ctrlKey && !e.metaKey) { field.focus({ preventScroll: true }); e.preventDefault(); }
  });
  if (matchMedia("(max-width: 52rem)").matches) document.querySelector("nav.contents details")?.removeAttribute("open");
})();
