/* Points that are pinned for comparison: one column each, all their numbers. */
"use strict";

(() => {
  const {h, fill, announce, NONE} = Dom;
  const {seriesById} = Runs;
  const {clip, curvesOf, facts} = Selection;

  const pinId = (name, point) => `${name}\n${point}`;

  function toggle(name, point) {
    State.toggle("pins", pinId(name, point));
    const on = State.has("pins", pinId(name, point));
    announce(`${on ? "Pinned" : "Removed"} ${seriesById.get(name).label}, ${point}`);
  }

  function points() {
    return State.list("pins")
      .map((item) => {
        const [name, point] = item.split("\n");
        const curve = curvesOf(clip()).find((one) => one.series === name && one.points.includes(point));
        const index = curve ? curve.points.indexOf(point) : -1;
        return {id: item, name, point, curve, rate: curve?.rate[index], quality: curve?.quality[index]};
      })
      .filter((one) => seriesById.has(one.name));
  }

  function render(element) {
    const list = points();
    if (!list.length) return fill(element);
    const columns = list.map((one) => new Map(facts(one.name, one.point)));
    const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
    fill(
      element,
      h(
        "h3",
        {},
        "Pinned points ",
        h("button", {type: "button", class: "link", onclick: () => State.set({pins: ""})}, "remove all")
      ),
      h(
        "div",
        {class: "scroll", tabindex: 0, role: "region", "aria-label": "Pinned points"},
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", {scope: "col"}, ""),
              list.map((one) =>
                h(
                  "th",
                  {scope: "col", class: "n"},
                  Chart.swatch(seriesById.get(one.name)),
                  " ",
                  seriesById.get(one.name).label,
                  ", ",
                  one.point,
                  " ",
                  h(
                    "button",
                    {
                      type: "button",
                      class: "link",
                      "aria-label": `Remove ${one.point}`,
                      onclick: () => State.toggle("pins", one.id)
                    },
                    "\u2715"
                  )
                )
              )
            )
          ),
          h(
            "tbody",
            {},
            names.map((name) =>
              h(
                "tr",
                {},
                h("th", {scope: "row"}, name),
                columns.map((column) => h("td", {class: "n"}, column.get(name) ?? NONE))
              )
            )
          )
        )
      )
    );
  }

  window.Pins = {render, toggle, points};
})();
