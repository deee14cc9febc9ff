/* The rate-distortion chart: its curves, marks and axes, and the numbers of the point under the pointer. */
"use strict";

(() => {
  const {h, fill} = Dom;
  const {seriesById} = Runs;
  const {axisLabel, measured, metric, clip, curvesOf, visible, range, positive, facts} = Selection;

  const chart = h("div", {class: "chart", id: "rd-chart"});
  const tip = h("div", {class: "tip", hidden: true});

  function traces() {
    const list = [];
    for (const curve of visible()) {
      const one = seriesById.get(curve.series);
      const colour = Chart.colour(one.colour);
      if (curve.low && State.get("bands") === "1" && curve.points.length > 1) {
        list.push({
          x: [...curve.rate, ...[...curve.rate].reverse()],
          y: [...curve.high, ...[...curve.low].reverse()],
          fill: "toself",
          fillcolor: `${colour}2e`,
          line: {width: 0},
          mode: "lines",
          hoverinfo: "skip",
          meta: "overlay"
        });
      }
      list.push({
        x: curve.rate,
        y: curve.quality,
        // The points of an ablation are variants, not rates of one method: no line joins them.
        mode: REPORT.condition.ablates ? "markers+text" : "lines+markers",
        text: curve.points.map(Chart.plain),
        textposition: "top center",
        name: Chart.plain(one.label),
        customdata: curve.points.map((point) => [curve.series, point]),
        line: {color: colour, dash: one.dash, width: one.width},
        hoverinfo: "none",
        marker: {color: colour, symbol: one.symbol, size: 7, line: {width: 1.2, color: colour}},
        error_y:
          curve.low && State.get("bands") === "1"
            ? {
                type: "data",
                symmetric: false,
                thickness: 1,
                width: 3,
                color: colour,
                array: curve.high.map((value, i) => value - curve.quality[i]),
                arrayminus: curve.quality.map((value, i) => value - curve.low[i])
              }
            : undefined
      });
    }
    const pinned = Pins.points().filter((pin) => pin.curve);
    list.push({
      x: pinned.map((pin) => pin.rate),
      y: pinned.map((pin) => pin.quality),
      mode: "markers",
      hoverinfo: "skip",
      meta: "overlay",
      marker: {symbol: "circle-open", size: 17, color: Chart.style("--ink"), line: {width: 1.5}}
    });
    return list;
  }

  function shapes() {
    const marks = [],
      ends = range(),
      at = positive(State.get("at"));
    const shade = (x0, x1) =>
      marks.push({
        type: "rect",
        xref: "x",
        yref: "paper",
        x0,
        x1,
        y0: 0,
        y1: 1,
        layer: "below",
        line: {width: 0},
        fillcolor: Chart.style("--shade")
      });
    if (ends) {
      if (ends[0] > 1e-9) shade(1e-6, ends[0]);
      if (ends[1] < 1e9) shade(ends[1], 1e4);
    }
    if (at)
      marks.push({
        type: "line",
        xref: "x",
        yref: "paper",
        x0: at,
        x1: at,
        y0: 0,
        y1: 1,
        line: {color: Chart.style("--faint"), width: 1, dash: "dot"}
      });
    for (const curve of curvesOf(clip())) {
      if (curve.series === "mean-frame" && curve.points.length && !State.has("off", curve.series)) {
        marks.push({
          type: "line",
          xref: "paper",
          yref: "y",
          x0: 0,
          x1: 1,
          y0: curve.quality[0],
          y1: curve.quality[0],
          line: {color: Chart.style("--faint"), width: 1}
        });
      }
    }
    return marks;
  }

  /* The name of the line of the mean frame, a control. */
  function meanFrame(log) {
    const curve = curvesOf(clip()).find((one) => one.series === "mean-frame" && one.points.length);
    if (!curve) return [];
    const y = log ? Math.log10(curve.quality[0]) : curve.quality[0];
    return [
      {
        xref: "paper",
        x: 1,
        xanchor: "right",
        yref: "y",
        y,
        yanchor: "bottom",
        showarrow: false,
        text: "mean frame (control)",
        font: {size: 11, color: Chart.style("--faint")}
      }
    ];
  }

  /* Ends of an axis that show all points with a margin. */
  function extent(values, log) {
    const scaled = values
      .filter((value) => !log || value > 0)
      .map((value) => (log ? Math.log10(value) : value));
    if (!scaled.length) return [0, 1];
    const low = Math.min(...scaled),
      high = Math.max(...scaled);
    const margin = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
    return [low - margin, high + margin];
  }

  function draw() {
    if (!REPORT.metrics.length) return;
    const one = metric();
    const list = visible();
    const ofSuite = list.filter((curve) => measured(curve.series));
    const base = ofSuite.length ? ofSuite : list;
    const logX = State.get("x") === "log",
      logY = State.get("y") === "log";
    const zoom = State.get("zoom").split(",").map(Number);
    const zoomed = zoom.length === 4 && zoom.every(Number.isFinite);
    const xs = extent(
      base.flatMap((curve) => curve.rate),
      logX
    );
    const ys = extent(
      base.flatMap((curve) => [...curve.quality, ...(curve.low ?? []), ...(curve.high ?? [])]),
      logY
    );
    const [spanX, spanY] = zoomed ? [zoom.slice(0, 2), zoom.slice(2)] : [xs, ys];
    const better = one.direction < 0 ? ", lower is better" : "";
    chart.setAttribute("role", "img");
    chart.setAttribute(
      "aria-label",
      `${one.label} over rate of ${list.length} series; the table below has the numbers`
    );
    Chart.draw(chart, traces(), {
      xaxis: Chart.axis("Rate (bits per pixel)", {
        type: logX ? "log" : "linear",
        range: spanX,
        ...(logX ? Chart.logTicks(spanX) : {})
      }),
      yaxis: Chart.axis(axisLabel(one) + better, {
        type: logY ? "log" : "linear",
        range: spanY,
        ...(logY ? Chart.logTicks(spanY) : {})
      }),
      shapes: shapes(),
      annotations: meanFrame(logY),
      dragmode: "zoom"
    });
    if (!chart.listening) {
      chart.listening = true;
      addEventListener("pointerdown", () => (tip.hidden = true)); // a finger does not leave a point
      chart.on("plotly_hover", (event) => hover(event.points[0], event.event));
      chart.on("plotly_unhover", () => (tip.hidden = true));
      chart.on("plotly_click", (event) => {
        const data = event.points[0].customdata;
        if (data) Pins.toggle(data[0], data[1]);
        hover(event.points[0], event.event); // a finger clicks without having been there
      });
      chart.on("plotly_relayout", (change) => {
        if (!("xaxis.range[0]" in change) && !("yaxis.range[0]" in change)) return;
        const {xaxis, yaxis} = chart.layout;
        State.set({
          zoom: [...xaxis.range, ...yaxis.range].map((end) => Number(end).toPrecision(6)).join(",")
        });
      });
    }
  }

  function hover(point, event) {
    if (!point?.customdata) return;
    const [name, label] = point.customdata;
    fill(
      tip,
      h("strong", {}, Chart.swatch(seriesById.get(name)), " ", seriesById.get(name).label),
      h("div", {}, label),
      h(
        "table",
        {},
        facts(name, label).map(([key, text]) => h("tr", {}, h("td", {}, key), h("td", {class: "n"}, text)))
      )
    );
    tip.hidden = false;
    const frame = chart.parentElement.getBoundingClientRect();
    const left = event.clientX - frame.left,
      top = event.clientY - frame.top;
    const flip = left + tip.offsetWidth + 24 > frame.width;
    tip.style.left = `${Math.max(0, flip ? left - tip.offsetWidth - 14 : left + 14)}px`;
    tip.style.top = `${Math.max(0, Math.min(top - 20, frame.height - tip.offsetHeight - 8))}px`;
  }

  window.RDChart = {chart, tip, draw};
})();
