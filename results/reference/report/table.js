/* Tables that are sorted by a click on a heading, filtered by a text, and copied as Markdown, CSV or LaTeX. */
"use strict";

(() => {
  const {h, fill, copy, NONE, MINUS} = Dom;

  /* columns: {key, label, value(row) for sorting, text(row), cell(row) optional node, right, title}.
     state: names of State for `sort` (key, with - for descending) and `filter`; null: none. */
  function table({columns, rows, caption, name, sort = null, filter = null, onrow = null, rowClass = null}) {
    const head = h("tr");
    const body = h("tbody");
    const count = h("span", {class: "count", role: "status"});
    let order = sort ? State.get(sort) : "";
    let words = filter ? State.get(filter) : "";
    const input = h("input", {
      type: "search",
      placeholder: "Filter rows",
      "aria-label": `Filter rows of ${caption}`,
      oninput: () => {
        words = input.value;
        if (filter) State.set({[filter]: words});
        draw();
      }
    });
    input.value = words;

    function visible() {
      const needles = words.toLowerCase().split(/\s+/).filter(Boolean);
      const kept = rows.filter((row) => {
        const text = columns
          .map((column) => column.text(row))
          .join(" ")
          .toLowerCase();
        return needles.every((needle) => text.includes(needle));
      });
      const column = columns.find((one) => one.key === order.replace(/^-/, ""));
      if (!column) return kept;
      const direction = order.startsWith("-") ? -1 : 1;
      return [...kept].sort((a, b) => compare(column.value(a), column.value(b), direction));
    }

    function draw() {
      fill(
        head,
        columns.map((column) => {
          const active = order.replace(/^-/, "") === column.key;
          const direction = !active ? "none" : order.startsWith("-") ? "descending" : "ascending";
          const arrow = !active ? "" : order.startsWith("-") ? " \u25be" : " \u25b4";
          const press = () => {
            order = order === column.key ? `-${column.key}` : column.key;
            if (sort) State.set({[sort]: order});
            draw();
            head.querySelector(`[data-key="${CSS.escape(column.key)}"]`).focus();
          };
          const button = h(
            "button",
            {type: "button", "data-key": column.key, onclick: press},
            column.label.split(" ").map((word) => [h("span", {}, word), " "]),
            arrow
          );
          const attributes = {scope: "col", class: column.right ? "n" : null, title: column.title};
          return h("th", {...attributes, "aria-sort": direction}, button);
        })
      );
      const shown = visible();
      fill(
        body,
        shown.map((row) =>
          h(
            "tr",
            {class: rowClass ? rowClass(row) : null},
            columns.map((column, index) => {
              const content = column.cell ? column.cell(row) : column.text(row);
              const open = index === 0 && onrow;
              const node = open
                ? h("button", {type: "button", class: "link", onclick: () => onrow(row)}, content)
                : content;
              return h(
                index === 0 ? "th" : "td",
                {scope: index ? null : "row", class: column.right ? "n" : column.long ? "long" : null},
                node
              );
            })
          )
        )
      );
      count.textContent =
        shown.length === rows.length ? `${rows.length} rows` : `${shown.length} of ${rows.length} rows`;
    }

    const copies = [
      ["Markdown", markdown],
      ["CSV", csv],
      ["LaTeX", latex]
    ].map(([label, format]) => {
      const button = h(
        "button",
        {
          type: "button",
          title: `Copy ${name} as ${label}`,
          onclick: () => copy(format(columns, visible()), button)
        },
        label
      );
      return button;
    });
    draw();
    return h(
      "div",
      {class: "table"},
      h("div", {class: "tools"}, input, count, h("span", {class: "copies"}, "Copy as ", copies)),
      h(
        "div",
        {class: "scroll", tabindex: "0", role: "region", "aria-label": caption},
        h("table", {}, h("caption", {class: "offscreen"}, caption), h("thead", {}, head), body)
      )
    );
  }

  /* Order of two values. A missing one is last in both directions. */
  function compare(a, b, direction) {
    const missing = [a, b].map((value) => value === null || value === undefined || Number.isNaN(value));
    if (missing[0] || missing[1]) return missing[0] - missing[1];
    if (typeof a === "number" && typeof b === "number") return direction * (a - b);
    return direction * String(a).localeCompare(String(b), "en", {numeric: true});
  }

  function markdown(columns, rows) {
    const cell = (text) =>
      text.replace(/\\/g, "\\\\").replace(/\|/g, "\\|").replace(/</g, "\\<").replace(/\s+/g, " ");
    const line = (cells) => `| ${cells.map(cell).join(" | ")} |`;
    return [
      line(columns.map((column) => column.label)),
      `| ${columns.map((column) => (column.right ? "---:" : "---")).join(" | ")} |`,
      ...rows.map((row) => line(columns.map((column) => column.text(row)))),
      ""
    ].join("\n");
  }

  /* CSV has the numbers with all digits. A text that a spreadsheet would compute gets an apostrophe. */
  function csv(columns, rows) {
    const cell = (value) => {
      if (value === null || value === undefined || Number.isNaN(value)) return "";
      if (typeof value === "number") return String(value);
      const text = /^[=+\-@\t]/.test(value) ? `'${value}` : String(value);
      return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    };
    const lines = rows.map((row) => columns.map((column) => cell(column.value(row))).join(","));
    return [columns.map((column) => cell(column.label)).join(","), ...lines, ""].join("\n");
  }

  const TEX = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}"
  };
  Object.assign(TEX, {">": "\\textgreater{}", "[": "{[}", "*": "{*}", [MINUS]: "$-$", [NONE]: "--"});
  for (const character of "&%$#_{}") TEX[character] = `\\${character}`;

  function latex(columns, rows) {
    const cell = (text) =>
      [...text.replace(/\s+/g, " ")].map((character) => TEX[character] ?? character).join("");
    const line = (cells) => `${cells.map(cell).join(" & ")} \\\\`;
    return [
      `\\begin{tabular}{${columns.map((column) => (column.right ? "r" : "l")).join("")}}`,
      "\\toprule",
      line(columns.map((column) => column.label)),
      "\\midrule",
      ...rows.map((row) => line(columns.map((column) => column.text(row)))),
      "\\bottomrule",
      "\\end{tabular}",
      ""
    ].join("\n");
  }

  window.Table = {table, markdown, csv, latex};
})();
