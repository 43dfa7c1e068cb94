// Tables of many rows: search, order by any column, pages. The cells of each table are data in an element of their own
// and reach the page as text only; the columns say how they are shown. No library: those that do this (DataTables with
// jQuery, Tabulator) weigh several times as much as the rows of 10,000 clips and bring a style of their own.
"use strict";
(() => {
  const names = new Intl.Collator(undefined, {numeric: true});
  const whole = new Intl.NumberFormat("en");
  const clock = (s) => {
    if (s < 60) return s.toFixed(1) + " s";
    const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, Math.floor(s) % 60];
    return (parts[0] ? parts : parts.slice(1)).map((n, i) => (i ? String(n).padStart(2, "0") : n)).join(":");
  };
  const shown = {
    text: (v) => v,
    prose: (v) => v,
    link: (v) => v,
    expression: (v) => v,
    count: (v) => whole.format(v),
    number: (v) => v.toFixed(2).replace("-", "\u2212"),
    score: (v) => v.toFixed(4).replace("-", "\u2212"),
    signed: (v) => (Number(v.toFixed(2)) < 0 ? "\u2212" : "+") + Math.abs(v).toFixed(2),
    share: (v) => (100 * v).toFixed(1) + "%",
    seconds: clock,
  };
  const isText = (kind) => ["text", "prose", "link", "expression"].includes(kind);

  const fill = (cell, kind, value, row, data) => {
    if (value === null || value === "") {
      cell.textContent = isText(kind) ? "" : "\u2013";
      return;
    }
    const text = document.createElement(kind === "link" && row[data.target] ? "a" : "bdi");
    text.textContent = shown[kind](value);
    if (text.tagName === "A") text.href = row[data.target];
    if (kind === "expression" && data.colours[value]) {
      const dot = document.createElement("span");
      dot.className = "dot";
      dot.style.background = data.colours[value];
      cell.append(dot);
    }
    cell.append(text);
  };

  const pagedTable = (box) => {
    const data = JSON.parse(box.querySelector("script").textContent);
    const part = (name) => box.querySelector("." + name);
    const head = box.querySelector("thead tr");
    const body = box.querySelector("tbody");
    const texts = data.columns.flatMap((column, i) => (isText(column.kind) ? [i] : []));
    const keys = data.rows.map((row) => texts.map((i) => row[i] ?? "").join("\n").toLowerCase());
    let order = data.order;
    let down = data.descending;
    let page = 0;
    let found = [];

    const compare = (a, b) => {
      const [x, y] = [data.rows[a][order], data.rows[b][order]];
      if (x === null || y === null || x === "" || y === "") return (x === null || x === "") - (y === null || y === "") || a - b;
      const sign = typeof x === "string" ? names.compare(x, y) : x - y;
      return (down ? -sign : sign) || a - b;
    };

    const show = () => {
      const size = Number(part("size").value) || found.length || 1;
      page = Math.max(0, Math.min(page, Math.ceil(found.length / size) - 1));
      const rows = found.slice(page * size, page * size + size).map((number) => {
        const line = document.createElement("tr");
        data.columns.forEach((column, i) => {
          const cell = line.insertCell();
          cell.className = isText(column.kind) ? column.kind : "n";
          fill(cell, column.kind, data.rows[number][i], data.rows[number], data);
        });
        return line;
      });
      body.replaceChildren(...rows);
      const last = Math.min(found.length, (page + 1) * size);
      const range = found.length ? `${whole.format(page * size + 1)}\u2013${whole.format(last)} of ` : "";
      const all = found.length < data.rows.length ? ` (of ${whole.format(data.rows.length)})` : "";
      part("range").textContent = `${range}${whole.format(found.length)} ${data.noun}${all}`;
      part("previous").disabled = page === 0;
      part("next").disabled = last >= found.length;
      [...head.cells].forEach((cell, i) => {
        if (i === order) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      });
    };

    const find = () => {
      const words = part("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const only = part("filter") ? part("filter").value : "";
      found = [...data.rows.keys()].filter(
        (i) => (!only || data.rows[i][data.filter] === only) && words.every((word) => keys[i].includes(word)),
      );
      found.sort(compare);
      page = 0;
      show();
    };

    [...head.cells].forEach((cell, i) => {
      cell.querySelector("button").addEventListener("click", () => {
        down = i === order ? !down : false;
        order = i;
        find();
      });
    });
    part("search").addEventListener("input", find);
    part("size").addEventListener("change", show);
    if (part("filter")) part("filter").addEventListener("change", find);
    const turn = (step) => () => {
      page += step;
      show();
    };
    part("previous").addEventListener("click", turn(-1));
    part("next").addEventListener("click", turn(1));
    find();
  };

  document.querySelectorAll(".paged").forEach(pagedTable);
})();
