/* Rate-distortion explorer: controls and legend, and its parts in order. */
"use strict";

(() => {
  const {h, fill, select, choice} = Dom;
  const {condition, clips, metrics} = REPORT;
  const {seriesById} = Runs;
  const {anchors, axisLabel, metric, clip, shown, leftOut} = Selection;
  const {chart, tip} = RDChart;

  const controls = h("div", {class: "controls"});
  const legend = h("div", {class: "legend"});
  const comparison = h("section", {"aria-label": "Comparison with the anchor"});
  const pins = h("section", {"aria-label": "Pinned points"});
  let ready = false;

  function render(element) {
    fill(
      element,
      h("h2", {class: "offscreen"}, "Rate-distortion explorer"),
      controls,
      h(
        "div",
        {class: "split"},
        h(
          "div",
          {class: "figure"},
          chart,
          tip,
          h(
            "div",
            {class: "tools"},
            h(
              "span",
              {class: "note"},
              "Click a point to pin it. Drag to zoom, ",
              h(
                "button",
                {type: "button", class: "link", onclick: () => State.set({zoom: ""})},
                "reset the view"
              ),
              "."
            ),
            Chart.saveButtons(chart, () => `${condition.name}-${clip()}-${metric().name}`)
          )
        ),
        legend
      ),
      comparison,
      pins
    );
    ready = true;
    update();
  }

  function update() {
    drawControls();
    drawLegend();
    RDChart.draw();
    Comparison.render(comparison);
    Pins.render(pins);
  }

  function drawControls() {
    const options = [
      ...(clips.length > 1 ? [["mean", `mean of ${clips.length} clips`]] : []),
      ...clips.map((one) => [one.name, one.name])
    ];
    const input = (name, text, hint) => {
      const field = h("input", {
        type: "number",
        min: 0,
        step: "any",
        inputmode: "decimal",
        placeholder: hint,
        "data-key": name,
        onchange: () => State.set({[name]: field.value})
      });
      field.value = State.get(name);
      return h("label", {class: "field small"}, h("span", {}, text), field);
    };
    fill(
      controls,
      select(
        "Metric",
        metrics.map((one) => [one.name, axisLabel(one)]),
        metric().name,
        (value) => State.set({metric: value, zoom: ""})
      ),
      select("Clip", options, clip(), (value) => State.set({clip: value, zoom: ""})),
      choice(
        "Rate axis",
        [
          ["log", "log"],
          ["linear", "linear"]
        ],
        State.get("x"),
        (value) => State.set({x: value, zoom: ""})
      ),
      choice(
        "Quality axis",
        [
          ["linear", "linear"],
          ["log", "log"]
        ],
        State.get("y"),
        (value) => State.set({y: value, zoom: ""})
      ),
      choice(
        "Seeds",
        [
          ["1", "bands"],
          ["0", "off"]
        ],
        State.get("bands"),
        (value) => State.set({bands: value})
      ),
      select(
        "Anchor",
        anchors.map((name) => [name, seriesById.get(name).label]),
        State.get("anchor"),
        (value) => State.set({anchor: value})
      ),
      input("lo", "BD from (bpp)", "lowest"),
      input("hi", "to (bpp)", "highest"),
      input("at", "Compare at (bpp)", "rate")
    );
  }

  function drawLegend() {
    const groups = new Map();
    for (const curve of shown()) {
      const one = seriesById.get(curve.series);
      groups.set(one.heading, [...(groups.get(one.heading) ?? []), one]);
    }
    const switchAll = (names, on) => {
      const off = new Set(State.list("off"));
      names.forEach((name) => (on ? off.delete(name) : off.add(name)));
      State.setList("off", [...off]);
    };
    fill(
      legend,
      [...groups].map(([heading, members]) => {
        const names = members.map((one) => one.id);
        const on = names.some((name) => !State.has("off", name));
        return h(
          "fieldset",
          {},
          h(
            "legend",
            {},
            heading,
            " ",
            h(
              "button",
              {
                type: "button",
                class: "link",
                "aria-label": `${on ? "Hide" : "Show"} all: ${heading}`,
                onclick: () => switchAll(names, !on)
              },
              on ? "none" : "all"
            )
          ),
          members.map((one) => {
            const box = h("input", {
              type: "checkbox",
              "data-key": one.id,
              onchange: () => State.toggle("off", one.id)
            });
            box.checked = !State.has("off", one.id);
            return h("label", {title: one.note || one.id}, box, Chart.swatch(one), h("span", {}, one.label));
          })
        );
      }),
      leftOut().length ? h("p", {class: "note"}, `Not on every clip: ${leftOut().join(", ")}.`) : []
    );
  }

  const NAMES = [
    "metric",
    "clip",
    "x",
    "y",
    "off",
    "bands",
    "anchor",
    "lo",
    "hi",
    "at",
    "zoom",
    "pins",
    "theme",
    "tab"
  ];
  State.onchange((changed) => {
    if (ready && State.get("tab") === "rd" && changed.some((name) => NAMES.includes(name))) update();
  });

  window.RD = {render};
})();
