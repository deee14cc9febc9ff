/* PSNR and loss of every fit, over epochs and over time. */
"use strict";

(() => {
  const {h, fill, select, choice} = Dom;
  const {fits} = REPORT;

  State.declare({
    fitx: "epoch",
    fity: "psnr_rgb_db",
    fitscale: "linear",
    fitoff: "",
    fitclip: REPORT.clips[0].name
  });

  const chart = h("div", {class: "chart", id: "fit-chart"});
  const fitLegend = h("div", {class: "legend"});

  function render(element) {
    if (!fits.length) return fill(element);
    const clips = [...new Set(fits.map((fit) => fit.clip))];
    const clip = clips.includes(State.get("fitclip")) ? State.get("fitclip") : clips[0];
    const list = fits.filter((fit) => fit.clip === clip);
    const key = State.get("fity"),
      xs = State.get("fitx");
    const names = [...new Set(list.map((fit) => fit.series))];
    const off = new Set(State.list("fitoff"));
    const first = !element.firstChild;
    if (first)
      fill(
        element,
        h("h3", {}, "While fitting"),
        h("div", {class: "controls"}),
        h(
          "div",
          {class: "split"},
          h(
            "div",
            {class: "figure"},
            chart,
            h(
              "div",
              {class: "tools"},
              h(
                "span",
                {class: "note"},
                "One line for each rate point. The open marker is the PSNR of the decoded file."
              ),
              Chart.saveButtons(chart, () => `${REPORT.condition.name}-fits`)
            )
          ),
          fitLegend
        )
      );
    fill(
      element.querySelector(".controls"),
      clips.length > 1
        ? select(
            "Clip",
            clips.map((name) => [name, name]),
            clip,
            (value) => State.set({fitclip: value})
          )
        : null,
      choice(
        "Over",
        [
          ["epoch", "epochs"],
          ["wall_s", "time"]
        ],
        xs,
        (value) => State.set({fitx: value})
      ),
      choice(
        "Show",
        [
          ["psnr_rgb_db", "PSNR-RGB"],
          ["loss", "loss"]
        ],
        key,
        (value) => State.set({fity: value})
      ),
      choice(
        "Axis",
        [
          ["linear", "linear"],
          ["log", "log"]
        ],
        State.get("fitscale"),
        (value) => State.set({fitscale: value})
      )
    );
    fill(
      fitLegend,
      h(
        "fieldset",
        {},
        h("legend", {}, "Fits"),
        names.map((name) => {
          const box = h("input", {type: "checkbox", onchange: () => State.toggle("fitoff", name)});
          box.checked = !off.has(name);
          return h(
            "label",
            {},
            box,
            Chart.swatch(Runs.seriesById.get(name)),
            h("span", {}, Runs.seriesById.get(name).label)
          );
        })
      )
    );
    const traces = list
      .filter((fit) => !off.has(fit.series))
      .flatMap((fit) => {
        const series = Runs.seriesById.get(fit.series);
        const colour = Chart.colour(series.colour);
        const name = Chart.plain(`${series.label}, ${fit.point}`);
        const hover = `${name.replace(/%\{/g, "% {")}, ${fit.devices}<br>%{x:.0f}: %{y:.3f}<extra></extra>`;
        const line = {
          x: fit.log[xs],
          y: fit.log[key],
          mode: "lines",
          name,
          line: {color: colour, dash: series.dash, width: 1.4},
          hovertemplate: hover
        };
        if (key !== "psnr_rgb_db") return [line];
        return [
          line,
          {
            x: fit.log[xs].slice(-1),
            y: [fit.decoded],
            mode: "markers",
            name: `${name}, decoded`,
            marker: {symbol: "circle-open", size: 8, color: colour},
            hovertemplate: hover,
            meta: "overlay"
          }
        ];
      });
    const log = State.get("fitscale") === "log";
    Chart.draw(chart, traces, {
      xaxis: Chart.axis(xs === "epoch" ? "Epochs" : "Fit time (s)", {type: log ? "log" : "linear"}),
      yaxis: Chart.axis(key === "loss" ? "Loss" : "PSNR-RGB (dB)", {
        type: log && key === "loss" ? "log" : "linear"
      }),
      dragmode: "zoom"
    });
  }

  window.Fits = {render};
})();
