"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.body.classList.add("scripted");

  // light and dark: the reader's choice goes before that of the system
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("magsig-theme"); } catch { return null; } };
  const remember = (name) => { try { localStorage.setItem("magsig-theme", name); } catch { /* a file may have no storage */ } };
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const showTheme = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(isDark()));
    theme.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  };
  if (["light", "dark"].includes(remembered())) document.documentElement.dataset.theme = remembered();
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remember(document.documentElement.dataset.theme);
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // what is hidden: keys of methods and holdouts
  const hidden = new Set();
  const isHidden = (element) =>
    `${element.dataset.m ?? ""} ${element.dataset.h ?? ""}`.split(" ").some((key) => hidden.has(key));

  const showRows = (table) => {
    const filters = all("[data-filter]", table).map((select) => [`f${select.dataset.filter}`, select.value]);
    const words = table.querySelector("[data-search]").value.trim().toLowerCase();
    const rows = all("tbody tr", table);
    let shown = 0;
    for (const row of rows) {
      const kept = filters.every(([name, value]) => !value || !row.dataset[name] || row.dataset[name] === value);
      row.hidden = isHidden(row) || !kept || (words !== "" && !row.textContent.toLowerCase().includes(words));
      shown += !row.hidden;
    }
    table.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
  };

  const compare = (one, other) => {
    const [a, b] = [one.dataset.sort, other.dataset.sort];
    if (a !== undefined && b !== undefined) return Number(a) - Number(b);
    return one.textContent.localeCompare(other.textContent, "en", { numeric: true });
  };
  const isEmpty = (cell, numeric) => (numeric ? cell.dataset.sort === undefined : cell.textContent.trim() === "");
  const sortBy = (table, heading) => {
    const headings = all("th", table);
    const place = headings.indexOf(heading);
    const down = heading.getAttribute("aria-sort") === "ascending";
    const body = table.querySelector("tbody");
    const rows = all("tr", body);
    const numeric = rows.some((row) => row.cells[place].dataset.sort !== undefined);
    rows.sort((one, other) => {
      const [a, b] = [one.cells[place], other.cells[place]];
      const [first, second] = [isEmpty(a, numeric), isEmpty(b, numeric)];
      if (first || second) return first - second; // what is absent stays last, either way
      return down ? compare(b, a) : compare(a, b);
    });
    for (const each of headings) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };

  const tables = all(".table");
  for (const table of tables) {
    for (const control of all("[data-filter], [data-search]", table)) {
      control.addEventListener("input", () => showRows(table));
    }
    for (const heading of all("th", table)) {
      heading.querySelector(".sort").addEventListener("click", () => sortBy(table, heading));
    }
  }
  const showAll = () => {
    tables.forEach(showRows);
    for (const picture of all(".pictures li")) picture.hidden = isHidden(picture);
  };
  for (const box of all("[data-toggle]")) {
    box.checked = true; // browsers remember boxes over a reload
    box.addEventListener("change", () => {
      hidden[box.checked ? "delete" : "add"](box.dataset.toggle);
      showAll();
    });
  }
  showAll();

  // figures and images, enlarged
  const dialog = document.getElementById("zoom");
  for (const button of all(".zoom")) {
    button.addEventListener("click", () => {
      const source = button.querySelector("img");
      const large = dialog.querySelector("img");
      large.src = source.src;
      large.alt = source.alt;
      dialog.querySelector("p").textContent = source.alt;
      dialog.showModal();
    });
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // paper has no folds to open
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("main details:not([open])");
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of folded) each.open = false; });
})();
