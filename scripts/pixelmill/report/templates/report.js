"use strict";
document.documentElement.classList.add("js");
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Sort a table by a column: numbers as numbers, times in milliseconds, the rest as words.
const valueOf = (row, column) => {
  const text = row.cells[column]?.textContent.trim() ?? "";
  const number = parseFloat(text.replace(/,/g, ""));
  return Number.isNaN(number) ? text : / s$/.test(text) ? 1000 * number : number;
};
for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = all("tr:not(.group)", body).sort((a, b) => {
          const [x, y] = [valueOf(a, column), valueOf(b, column)];
          const order = typeof x === typeof y && typeof x === "number" ? x - y : String(x).localeCompare(String(y));
          return down ? -order : order;
        });
        body.append(...rows);
      }
    });
  });
}

// Search the failures: show only the images whose path, message or reason contains the words.
const search = document.getElementById("search");
search?.addEventListener("input", () => {
  const words = search.value.trim().toLowerCase();
  let found = 0;
  for (const reason of all(".reason")) {
    const whole = reason.querySelector("h4").textContent.toLowerCase().includes(words);
    let here = 0;
    for (const item of all(".paths li", reason)) {
      const fits = whole || item.textContent.toLowerCase().includes(words);
      item.classList.toggle("hidden", !fits);
      here += fits;
    }
    reason.classList.toggle("hidden", words !== "" && here === 0);
    for (const more of all("details", reason)) more.open = words !== "" && !whole;
    found += here;
  }
  document.getElementById("found").textContent = words ? `${found.toLocaleString("en")} found` : "";
});

// Copy a command, or the paths of a group.
const copy = async text => {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};
for (const button of all("button.copy")) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const paths = all(".paths li:not(.hidden) code", button.closest(".reason") ?? document).map(e => e.textContent);
    await copy(button.dataset.copy ?? paths.join("\n"));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}

// Show only some of the pictures.
for (const chip of all("[data-kind]")) {
  chip.addEventListener("click", () => {
    const { kind } = chip.dataset;
    for (const other of all("[data-kind]")) other.setAttribute("aria-pressed", String(other === chip));
    for (const tile of all(".pairs > li")) tile.classList.toggle("hidden", kind !== "" && !tile.dataset.kinds.includes(kind));
    for (const group of all(".pairs-of")) group.classList.toggle("hidden", !group.querySelector(".pairs > li:not(.hidden)"));
  });
}

// Enlarge a picture, and compare it before and after.
const viewer = document.getElementById("viewer");
if (viewer) {
  const part = name => viewer.querySelector(`[data-part=${name}]`);
  let shown;
  const show = zoom => {
    shown = zoom;
    const [before, after] = all("img", zoom);
    const tile = zoom.closest("li");
    part("name").textContent = tile.dataset.name;
    part("facts").textContent = tile.dataset.facts;
    for (const [name, image] of [["before", before], ["after", after]]) {
      part(name).src = image.src;
      part(name).alt = image.alt;
    }
    part("compare").style.setProperty("--ratio", before.getAttribute("width") / before.getAttribute("height"));
    setBeside(tile.dataset.aligned !== "yes");
    slide(50);
    const link = tile.querySelector("a");
    part("link").classList.toggle("hidden", !link);
    if (link) part("link").href = link.href;
  };
  const setBeside = beside => {
    part("compare").classList.toggle("beside", beside);
    part("mode").setAttribute("aria-pressed", String(beside));
  };
  const slide = percent => {
    part("slider").value = percent;
    part("compare").style.setProperty("--at", `${percent}%`);
  };
  const step = by => {
    const zooms = all(".pairs > li:not(.hidden) .zoom").filter(e => e.offsetParent);
    show(zooms[(zooms.indexOf(shown) + by + zooms.length) % zooms.length]);
  };
  for (const zoom of all(".zoom")) zoom.addEventListener("click", () => { show(zoom); viewer.showModal(); });
  part("slider").addEventListener("input", event => slide(event.target.value));
  part("mode").addEventListener("click", () => setBeside(!part("compare").classList.contains("beside")));
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  part("close").addEventListener("click", () => viewer.close());
  part("compare").addEventListener("pointermove", event => {
    const box = part("compare").getBoundingClientRect();
    if (event.pointerType === "mouse" || event.buttons) slide(Math.round(100 * (event.clientX - box.left) / box.width));
  });
  viewer.addEventListener("keydown", event => {
    if (event.target !== part("slider") && event.key === "ArrowLeft") step(-1);
    if (event.target !== part("slider") && event.key === "ArrowRight") step(1);
  });
  viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
}

// Read the values of a chart by keyboard: the arrow keys go from mark to mark.
for (const chart of all("main svg")) {
  const marks = all("title", chart).map(title => title.parentElement);
  if (!marks.length) continue;
  const told = document.createElement("p");
  told.className = "value";
  told.setAttribute("role", "status");
  chart.after(told);
  chart.setAttribute("tabindex", "0");
  let at = -1;
  const leave = () => marks[at]?.classList.remove("marked");
  chart.addEventListener("focus", () => { told.textContent = "The arrow keys read the values."; });
  chart.addEventListener("blur", () => { leave(); at = -1; told.textContent = ""; });
  chart.addEventListener("keydown", event => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    leave();
    at = at < 0 && by < 0 ? marks.length - 1 : (at + by + marks.length) % marks.length;
    marks[at].classList.add("marked");
    told.textContent = marks[at].querySelector("title").textContent;
  });
}

// Show the picture that belongs to a dot under the pointer.
const preview = document.getElementById("preview");
for (const dot of preview ? all("[data-picture]") : []) {
  dot.addEventListener("pointerenter", event => {
    const picture = document.getElementById(`p${dot.dataset.picture}`);
    preview.src = picture.src;
    preview.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - 216))}px`;
    preview.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - 216))}px`;
    preview.classList.remove("hidden");
  });
  dot.addEventListener("pointerleave", () => preview.classList.add("hidden"));
}
