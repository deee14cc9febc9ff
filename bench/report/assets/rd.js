/* Rate-distortion explorer: the chart, its controls, the comparison with an anchor, and pinned points. */
"use strict";

(() => {
  const {h, fill, number, rate, select, choice, announce, NONE} = Dom;
  const {condition, clips, metrics, series, curves, bd} = REPORT;
  const metricOf = new Map(metrics.map((one) => [one.name, one]));
  const {seriesById} = Runs;
  const headline = metricOf.has(condition.headline) ? condition.headline : metrics[0]?.name ?? "";
  const isControl = (name) => seriesById.get(name).kind === "control";
  const measured = (name) => !["reported", "user"].includes(seriesById.get(name).group);

  const anchors = [...new Set(series.filter((one) => measured(one.id) && !isControl(one.id)).map((one) => one.id))];
  State.declare({
    metric: headline,
    clip: clips.length > 1 ? "mean" : clips[0].name,
    x: "log",
    y: "linear",
    off: "",
    bands: "1",
    anchor: condition.anchor && anchors.includes(condition.anchor) ? condition.anchor : anchors[0] ?? "",
    lo: "",
    hi: "",
    at: condition.rate ? String(condition.rate) : "",
    zoom: "",
    pins: "",
    rdsort: "",
  });

  const axisLabel = (metric) => (metric.unit ? `${metric.label} (${metric.unit})` : metric.label);
  const metric = () => metricOf.get(State.get("metric")) ?? metricOf.get(headline);
  const clip = () => (curves[metric().name][State.get("clip")] ? State.get("clip") : "mean");
  const curvesOf = (name) => curves[metric().name][name];
  const shown = () => curvesOf(clip()).filter((curve) => curve.points.length && !isControl(curve.series));
  const visible = () => shown().filter((curve) => !State.has("off", curve.series));
  const positive = (text) => (Number(text) > 0 ? Number(text) : null);

  /* The range of rates that BD-rates cover, or null for all of them. */
  function range() {
    const low = positive(State.get("lo")), high = positive(State.get("hi"));
    if (low === null && high === null) return null;
    return [low ?? 1e-9, high ?? 1e9];
  }

  const chart = h("div", {class: "chart", id: "rd-chart"});
  const tip = h("div", {class: "tip", hidden: true});
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
      h("div", {class: "split"},
        h("div", {class: "figure"}, chart, tip, h("div", {class: "tools"}, h("span", {class: "note"},
          "Click a point to pin it. Drag to zoom, ", h("button", {type: "button", class: "link", onclick: () => State.set({zoom: ""})}, "reset the view"), "."),
          Chart.saveButtons(chart, () => `${condition.name}-${clip()}-${metric().name}`))),
        legend),
      comparison,
      pins
    );
    ready = true;
    update();
  }

  function update() {
    drawControls();
    drawLegend();
    drawChart();
    drawComparison();
    drawPins();
  }

  function drawControls() {
    const focused = document.activeElement?.closest(".controls [data-focus]")?.dataset.focus;
    const options = [...(clips.length > 1 ? [["mean", `mean of ${clips.length} clips`]] : []), ...clips.map((one) => [one.name, one.name])];
    const input = (name, text, hint) => {
      const field = h("input", {type: "number", min: 0, step: "any", inputmode: "decimal", placeholder: hint, "data-focus": name,
        onchange: () => State.set({[name]: field.value})});
      field.value = State.get(name);
      return h("label", {class: "field small"}, h("span", {}, text), field);
    };
    fill(
      controls,
      select("Metric", metrics.map((one) => [one.name, axisLabel(one)]), metric().name, (value) => State.set({metric: value, zoom: ""})),
      select("Clip", options, clip(), (value) => State.set({clip: value, zoom: ""})),
      choice("Rate axis", [["log", "log"], ["linear", "linear"]], State.get("x"), (value) => State.set({x: value, zoom: ""})),
      choice("Quality axis", [["linear", "linear"], ["log", "log"]], State.get("y"), (value) => State.set({y: value, zoom: ""})),
      choice("Seeds", [["1", "bands"], ["0", "off"]], State.get("bands"), (value) => State.set({bands: value})),
      select("Anchor", anchors.map((name) => [name, seriesById.get(name).label]), State.get("anchor"), (value) => State.set({anchor: value})),
      input("lo", "BD from (bpp)", "lowest"),
      input("hi", "to (bpp)", "highest"),
      input("at", "Compare at (bpp)", "rate")
    );
    if (focused) controls.querySelector(`[data-focus="${focused}"]`)?.focus();
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
        return h("fieldset", {},
          h("legend", {}, heading, " ", h("button", {type: "button", class: "link", "aria-label": `${on ? "Hide" : "Show"} all: ${heading}`,
            onclick: () => switchAll(names, !on)}, on ? "none" : "all")),
          members.map((one) => {
            const box = h("input", {type: "checkbox", "data-series": one.id, onchange: () => State.toggle("off", one.id)});
            box.checked = !State.has("off", one.id);
            return h("label", {title: one.note || one.id}, box, Chart.swatch(one), h("span", {}, one.label));
          }));
      })
    );
  }


  function traces() {
    const list = [];
    for (const curve of visible()) {
      const one = seriesById.get(curve.series);
      const colour = Chart.colour(one.colour);
      if (curve.low && State.get("bands") === "1" && curve.points.length > 1) {
        list.push({x: [...curve.rate, ...[...curve.rate].reverse()], y: [...curve.high, ...[...curve.low].reverse()],
          fill: "toself", fillcolor: `${colour}2e`, line: {width: 0}, mode: "lines", hoverinfo: "skip", meta: "overlay"});
      }
      list.push({
        x: curve.rate, y: curve.quality, mode: "lines+markers", name: Chart.plain(one.label), customdata: curve.points.map((point) => [curve.series, point]),
        line: {color: colour, dash: one.dash, width: one.width}, hoverinfo: "none",
        marker: {color: colour, symbol: one.symbol, size: 7, line: {width: 1.2, color: colour}},
        error_y: curve.low && State.get("bands") === "1" ? {type: "data", symmetric: false, thickness: 1, width: 3, color: colour,
          array: curve.high.map((value, i) => value - curve.quality[i]), arrayminus: curve.quality.map((value, i) => value - curve.low[i])} : undefined,
      });
    }
    const pinned = pinnedPoints().filter((pin) => pin.curve);
    list.push({x: pinned.map((pin) => pin.rate), y: pinned.map((pin) => pin.quality), mode: "markers", hoverinfo: "skip", meta: "overlay",
      marker: {symbol: "circle-open", size: 17, color: Chart.style("--ink"), line: {width: 1.5}}});
    return list;
  }

  function shapes() {
    const marks = [], ends = range(), at = positive(State.get("at"));
    const shade = (x0, x1) => marks.push({type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, layer: "below", line: {width: 0}, fillcolor: Chart.style("--shade")});
    if (ends) {
      if (ends[0] > 1e-9) shade(1e-6, ends[0]);
      if (ends[1] < 1e9) shade(ends[1], 1e4);
    }
    if (at) marks.push({type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1, line: {color: Chart.style("--faint"), width: 1, dash: "dot"}});
    for (const curve of curvesOf(clip())) {
      if (curve.series === "mean-frame" && curve.points.length && !State.has("off", curve.series)) {
        marks.push({type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: curve.quality[0], y1: curve.quality[0], line: {color: Chart.style("--faint"), width: 1}});
      }
    }
    return marks;
  }

  /* The name of the line of the mean frame, a control. */
  function meanFrame(log) {
    const curve = curvesOf(clip()).find((one) => one.series === "mean-frame" && one.points.length);
    if (!curve) return [];
    const y = log ? Math.log10(curve.quality[0]) : curve.quality[0];
    return [{xref: "paper", x: 1, xanchor: "right", yref: "y", y, yanchor: "bottom", showarrow: false, text: "mean frame (control)", font: {size: 11, color: Chart.style("--faint")}}];
  }

  /* Ends of an axis that show all points with a margin. */
  function extent(values, log) {
    const scaled = values.filter((value) => !log || value > 0).map((value) => (log ? Math.log10(value) : value));
    if (!scaled.length) return [0, 1];
    const low = Math.min(...scaled), high = Math.max(...scaled);
    const margin = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
    return [low - margin, high + margin];
  }

  function drawChart() {
    if (!metrics.length) return;
    const one = metric();
    const list = visible();
    const own = list.filter((curve) => measured(curve.series));
    const base = own.length ? own : list;
    const logX = State.get("x") === "log", logY = State.get("y") === "log";
    const zoom = State.get("zoom").split(",").map(Number);
    const zoomed = zoom.length === 4 && zoom.every(Number.isFinite);
    const xs = extent(base.flatMap((curve) => curve.rate), logX);
    const ys = extent(base.flatMap((curve) => [...curve.quality, ...(curve.low ?? []), ...(curve.high ?? [])]), logY);
    const [spanX, spanY] = zoomed ? [zoom.slice(0, 2), zoom.slice(2)] : [xs, ys];
    const better = one.direction < 0 ? ", lower is better" : "";
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", `${one.label} over rate of ${list.length} series; the table below has the numbers`);
    Chart.draw(chart, traces(), {
      xaxis: Chart.axis("Rate (bits per pixel)", {type: logX ? "log" : "linear", range: spanX, ...(logX ? Chart.logTicks(spanX) : {})}),
      yaxis: Chart.axis(axisLabel(one) + better, {type: logY ? "log" : "linear", range: spanY, ...(logY ? Chart.logTicks(spanY) : {})}),
      shapes: shapes(),
      annotations: meanFrame(logY),
      dragmode: "zoom",
    });
    if (!chart.listening) {
      chart.listening = true;
      chart.on("plotly_hover", (event) => hover(event.points[0], event.event));
      chart.on("plotly_unhover", () => (tip.hidden = true));
      chart.on("plotly_click", (event) => {
        const data = event.points[0].customdata;
        if (data) pin(data[0], data[1]);
      });
      chart.on("plotly_relayout", (change) => {
        if (!("xaxis.range[0]" in change) && !("yaxis.range[0]" in change)) return;
        const {xaxis, yaxis} = chart.layout;
        State.set({zoom: [...xaxis.range, ...yaxis.range].map((end) => Number(end).toPrecision(6)).join(",")});
      });
    }
  }

  /* All numbers of one point: [name, text] pairs. */
  function facts(name, point) {
    const curve = curvesOf(clip()).find((one) => one.series === name);
    const index = curve ? curve.points.indexOf(point) : -1;
    const group = Runs.of(name, point, clip());
    const lines = [];
    if (index >= 0) lines.push(["Rate", `${rate(curve.rate[index])} bpp`]);
    if (!group.length && index >= 0) lines.push([metric().label, `${number(curve.quality[index], metric().digits)} ${metric().unit}`]);
    for (const one of [...metrics, ...REPORT.costs]) {
      const value = Runs.mean(group, (run) => run.values[one.name]);
      if (value !== null) lines.push([one.label, `${number(value, one.digits)} ${one.unit}`]);
    }
    if (group.length > 1) lines.push(["Mean of", `${group.length} runs`]);
    return lines;
  }

  function hover(point, event) {
    if (!point?.customdata) return;
    const [name, place] = point.customdata;
    fill(
      tip,
      h("strong", {}, Chart.swatch(seriesById.get(name)), " ", seriesById.get(name).label),
      h("div", {}, place),
      h("table", {}, facts(name, place).map(([key, text]) => h("tr", {}, h("td", {}, key), h("td", {class: "n"}, text))))
    );
    tip.hidden = false;
    const frame = chart.parentElement.getBoundingClientRect();
    const left = event.clientX - frame.left, top = event.clientY - frame.top;
    const flip = left + tip.offsetWidth + 24 > frame.width;
    tip.style.left = `${Math.max(0, flip ? left - tip.offsetWidth - 14 : left + 14)}px`;
    tip.style.top = `${Math.max(0, Math.min(top - 20, frame.height - tip.offsetHeight - 8))}px`;
  }

  /* Comparison of each visible series with the anchor, on the clip or as the mean over clips. */
  function comparisons() {
    const anchor = State.get("anchor"), limits = range(), at = positive(State.get("at"));
    const names = clip() === "mean" ? clips.map((one) => one.name) : [clip()];
    const find = (place, name) => curvesOf(place).find((curve) => curve.series === name && curve.points.length);
    return visible().map((curve) => {
      const row = {series: curve.series, curve};
      for (const [key, difference] of [["rate", BD.bdRate], ["quality", BD.bdQuality]]) {
        row[key] = overClips(names, (place) => {
          const pair = [find(place, anchor), find(place, curve.series)];
          if (!pair[0]) throw new Error(`${seriesById.get(anchor)?.label ?? "the anchor"} has no ${metric().label}`);
          if (!pair[1]) throw new Error(`${curve.label} has no ${metric().label}`);
          return difference(...pair, metric(), limits);
        });
      }
      const mine = bd.find((one) => one.series === curve.series && one.clip === clip() && one.metric === metric().name);
      row.interval = !limits && anchor === condition.anchor ? mine?.interval ?? null : null;
      const reference = find(clip(), anchor);
      row.at = at ? attempt(() => BD.qualityAt(curve, metric(), at)) : null;
      row.needs = row.at !== null && reference ? attempt(() => BD.rateAt(reference, metric(), row.at)) : null;
      for (const key of ["encode_wall_s", "decode_wall_s"]) {
        row[key] = Runs.mean(nearest(curve, at), (run) => run.values[key]);
      }
      return row;
    });
  }

  function overClips(names, difference) {
    const deltas = {};
    for (const name of names) {
      try {
        deltas[name] = difference(name);
      } catch (error) {
        deltas[name] = error;
      }
    }
    if (names.length === 1) return deltas[names[0]];
    try {
      return BD.meanOverClips(deltas);
    } catch (error) {
      return error;
    }
  }

  function attempt(compute) {
    try {
      return compute();
    } catch {
      return null;
    }
  }

  /* Runs of the point of a curve that is nearest to a rate by ratio. */
  function nearest(curve, at) {
    const target = at ?? curve.rate[Math.floor(curve.rate.length / 2)];
    const distance = curve.rate.map((value) => Math.abs(Math.log(value / target)));
    return Runs.of(curve.series, curve.points[distance.indexOf(Math.min(...distance))], clip());
  }

  function drawComparison() {
    const anchor = seriesById.get(State.get("anchor"));
    const at = positive(State.get("at")), one = metric();
    if (!anchor) return;
    const value = (key) => (row) => (row[key] instanceof Error || row[key] === null ? null : row[key].value ?? row[key]);
    const unit = one.unit ? ` (${one.unit})` : "";
    const columns = [
      {key: "series", label: "Series", value: (row) => seriesById.get(row.series).label, text: (row) => seriesById.get(row.series).label,
        cell: (row) => [Chart.swatch(seriesById.get(row.series)), seriesById.get(row.series).label]},
      {key: "bd", label: "BD-rate (%)", right: true, value: value("rate"), text: (row) => number(value("rate")(row), 1, {sign: true}),
        title: "Mean difference of rate at equal quality; negative: fewer bits"},
      {key: "bdq", label: `BD-${one.label}${unit}`, right: true, value: value("quality"), text: (row) => number(value("quality")(row), one.digits, {sign: true}),
        title: "Mean difference of the metric at equal rate"},
    ];
    const rows = comparisons();
    if (rows.some((row) => row.interval)) {
      columns.splice(2, 0, {key: "interval", label: "95 % interval", right: true, value: (row) => row.interval?.[0] ?? null,
        text: (row) => (row.interval ? row.interval.map((end) => number(end, 1, {sign: true})).join(" to ") : NONE)});
    }
    if (at) {
      columns.push({key: "at", label: `${one.label} at ${rate(at)} bpp`, right: true, value: value("at"), text: (row) => number(row.at, one.digits)});
      columns.push({key: "needs", label: "Anchor needs (bpp)", right: true, value: value("needs"), text: (row) => rate(row.needs),
        title: "Rate at which the anchor has that quality"});
    }
    for (const [key, label] of [["encode_wall_s", "Encode (s)"], ["decode_wall_s", "Decode (s)"]]) {
      columns.push({key, label, right: true, value: value(key), text: (row) => number(row[key], key[0] === "e" ? 1 : 2), title: "Of the point nearest to the rate; other jobs may have run at the same time"});
    }
    columns.push({key: "remark", label: "Remark", long: true, value: (row) => BD.remark(row.rate), text: (row) => BD.remark(row.rate)});
    const limits = range();
    const scope = limits
      ? `over the qualities that the anchor reaches from ${limits[0] > 1e-9 ? rate(limits[0]) : "its lowest rate"} to ${limits[1] < 1e9 ? `${rate(limits[1])} bpp` : "its highest rate"}`
      : "over all common qualities, as in bd_rate.csv";
    fill(
      comparison,
      h("h3", {}, `Against ${anchor.label}`),
      h("p", {class: "note"}, answer(rows, at, one), `BD-rate ${scope}; negative: fewer bits.`),
      Table.table({columns, rows, caption: `BD-rates against ${anchor.label}`, name: "the comparison", sort: "rdsort",
        rowClass: (row) => (row.series === anchor.id ? "anchor" : null),
        onrow: (row) => openNearest(row.curve, at)})
    );
  }

  /* The sentence on the best series at the chosen rate. */
  function answer(rows, at, one) {
    const ranked = rows.filter((row) => row.at !== null && measured(row.series)).sort((a, b) => one.direction * (b.at - a.at));
    if (!at || !ranked.length) return "";
    const [first, second] = ranked;
    const lead = second ? `, ${number(Math.abs(first.at - second.at), one.digits)} ${one.unit || "units"} ahead of ${seriesById.get(second.series).label}` : "";
    return `At ${rate(at)} bpp, ${seriesById.get(first.series).label} is best: ${number(first.at, one.digits)} ${one.unit}${lead}. `;
  }

  function openNearest(curve, at) {
    const [run] = nearest(curve, at);
    if (run) State.set({run: run.id});
  }

  const pinId = (name, point) => `${name}\n${point}`;

  function pin(name, point) {
    State.toggle("pins", pinId(name, point));
    const on = State.has("pins", pinId(name, point));
    announce(`${on ? "Pinned" : "Removed"} ${seriesById.get(name).label}, ${point}`);
  }

  function pinnedPoints() {
    return State.list("pins").map((item) => {
      const [name, point] = item.split("\n");
      const curve = curvesOf(clip()).find((one) => one.series === name && one.points.includes(point));
      const index = curve ? curve.points.indexOf(point) : -1;
      return {id: item, name, point, curve, rate: curve?.rate[index], quality: curve?.quality[index]};
    }).filter((one) => seriesById.has(one.name));
  }

  function drawPins() {
    const list = pinnedPoints();
    if (!list.length) return fill(pins);
    const columns = list.map((one) => new Map(facts(one.name, one.point)));
    const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
    fill(
      pins,
      h("h3", {}, "Pinned points ", h("button", {type: "button", class: "link", onclick: () => State.set({pins: ""})}, "remove all")),
      h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Pinned points"}, h("table", {},
        h("thead", {}, h("tr", {}, h("th", {scope: "col"}, ""), list.map((one) =>
          h("th", {scope: "col", class: "n"}, Chart.swatch(seriesById.get(one.name)), " ", seriesById.get(one.name).label, ", ", one.point, " ",
            h("button", {type: "button", class: "link", "aria-label": `Remove ${one.point}`, onclick: () => State.toggle("pins", one.id)}, "\u2715"))))),
        h("tbody", {}, names.map((name) => h("tr", {}, h("th", {scope: "row"}, name), columns.map((column) => h("td", {class: "n"}, column.get(name) ?? NONE)))))))
    );
  }

  const NAMES = ["metric", "clip", "x", "y", "off", "bands", "anchor", "lo", "hi", "at", "zoom", "pins", "theme"];
  State.onchange((changed) => {
    if (ready && State.get("tab") === "rd" && changed.some((name) => NAMES.includes(name))) update();
  });

  window.RD = {render, comparisons, pin, nearest: (name, at) => nearest(curvesOf(clip()).find((curve) => curve.series === name), at)};
})();
