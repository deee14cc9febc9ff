/* Inside networks: bits by stage and tensor as a treemap, parts of frames, PSNR and loss while fitting. */
"use strict";

(() => {
  const {h, fill, number, rate, select, choice} = Dom;
  const {bits, fits, frames} = REPORT;
  const partSets = frames.flatMap((set) => set.pictures.filter((one) => one.parts).map((one) => ({set, one})));

  State.declare({net: "0", part: "0", pframe: "", fitx: "epoch", fity: "psnr_rgb_db", fitscale: "linear", fitoff: ""});

  const network = () => bits[Number(State.get("net"))] ?? bits[0];
  const map = h("div", {class: "treemap"});
  const parts = h("div");
  const chart = h("div", {class: "chart", id: "fit-chart"});
  const fitLegend = h("div", {class: "legend"});
  const sections = {bits: h("section"), parts: h("section"), fits: h("section")};
  let ready = false;

  function render(element) {
    fill(element, h("h2", {class: "offscreen"}, "Inside networks"), sections.bits, sections.parts, sections.fits);
    ready = true;
    update();
  }

  function update() {
    drawBits();
    drawParts();
    drawFits();
  }

  function drawBits() {
    if (!bits.length) return fill(sections.bits, h("h3", {}, "Bits by stage and tensor"), h("p", {class: "note"}, "No fitted network is among the points."));
    const one = network();
    const name = (item) => `${item.label}, ${item.point}, ${rate(item.rate)} bpp${REPORT.clips.length > 1 ? `, ${item.clip}` : ""}`;
    const total = one.tensors.reduce((sum, tensor) => sum + tensor.bits, 0);
    fill(
      sections.bits,
      h("h3", {}, "Bits by stage and tensor"),
      h("div", {class: "controls"}, select("Network", bits.map((item, index) => [String(index), name(item)]), State.get("net"), (value) => State.set({net: value}))),
      map,
      Table.table({
        columns: [
          {key: "name", label: "Tensor", value: (row) => row.name, text: (row) => row.name},
          {key: "shape", label: "Shape", value: (row) => row.shape, text: (row) => row.shape},
          {key: "weights", label: "Weights", right: true, value: (row) => row.weights, text: (row) => number(row.weights, 0)},
          {key: "bits", label: "Bits", right: true, value: (row) => row.bits, text: (row) => number(row.bits, 0)},
          {key: "per", label: "Bits per weight", right: true, value: (row) => row.bits / row.weights, text: (row) => number(row.bits / row.weights, 2)},
          {key: "share", label: "Share (%)", right: true, value: (row) => 100 * row.share, text: (row) => number(100 * row.share, 1)},
        ],
        rows: one.tensors,
        caption: `Bits of the tensors of ${name(one)}`,
        name: "the bits",
      }),
      h("p", {class: "note"}, `${number(total, 0)} bits of weights. Each tensor is coded separately here, without quantiser ranges and configuration.`)
    );
    drawMap(one, total);
  }

  /* Treemap of Bruls, Huizing and van Wijk (2000): rows of rectangles that are as square as possible. */
  function squarify(items, box) {
    const total = items.reduce((sum, item) => sum + item.bits, 0);
    const scale = (box.w * box.h) / total;
    const queue = [...items].sort((a, b) => b.bits - a.bits).map((item) => ({item, area: item.bits * scale}));
    const placed = [];
    let {x, y, w, h: height} = box;
    const ratio = (row, side) => {
      const sum = row.reduce((all, one) => all + one.area, 0);
      return Math.max(...row.map((one) => Math.max((side * side * one.area) / (sum * sum), (sum * sum) / (side * side * one.area))));
    };
    while (queue.length) {
      const side = Math.min(w, height);
      const row = [queue.shift()];
      while (queue.length && ratio([...row, queue[0]], side) <= ratio(row, side)) row.push(queue.shift());
      const thickness = row.reduce((all, one) => all + one.area, 0) / side;
      let at = 0;
      for (const one of row) {
        const length = one.area / thickness;
        placed.push({item: one.item, ...(w >= height ? {x, y: y + at, w: thickness, h: length} : {x: x + at, y, w: length, h: thickness})});
        at += length;
      }
      if (w >= height) { x += thickness; w -= thickness; } else { y += thickness; height -= thickness; }
    }
    return placed;
  }

  const HUES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#882255", "#44AA99", "#8C510A"];

  function drawMap(one, total) {
    const W = 960, H = 340, HEAD = 18;
    const members = (stage) => one.tensors.filter((tensor) => tensor.name === stage.name || tensor.name.startsWith(`${stage.name}.`));
    const fits_ = (text, width) => text.length * 6.6 < width - 8;
    const share = (item) => `${number((100 * item.bits) / total, 1)} %`;
    const label = (text, x, y, width) => (fits_(text, width) ? h("text", {x: x + 4, y}, text) : null);
    const cells = squarify(one.stages.filter((stage) => stage.bits > 0), {x: 0, y: 0, w: W, h: H}).map((stage) => {
      const hue = HUES[one.stages.indexOf(stage.item) % HUES.length];
      const headed = stage.h > 44 && stage.w > 60;
      const inner = {x: stage.x + 2, y: stage.y + (headed ? HEAD : 2), w: Math.max(stage.w - 4, 0.1), h: Math.max(stage.h - (headed ? HEAD + 2 : 4), 0.1)};
      const tensors = squarify(members(stage.item).filter((tensor) => tensor.bits > 0), inner).map((tensor) =>
        h("g", {},
          h("rect", {x: tensor.x, y: tensor.y, width: tensor.w, height: tensor.h, fill: hue, class: "tensor"}),
          h("title", {}, `${tensor.item.name} (${tensor.item.shape}): ${number(tensor.item.bits, 0)} bits, ${share(tensor.item)}, ${number(tensor.item.bits / tensor.item.weights, 2)} bits per weight`),
          tensor.h > 16 ? label(tensor.item.name.slice(stage.item.name.length + 1) || tensor.item.name, tensor.x, tensor.y + 14, tensor.w) : null,
          tensor.h > 32 ? label(share(tensor.item), tensor.x, tensor.y + 29, tensor.w) : null));
      return h("g", {}, h("rect", {x: stage.x, y: stage.y, width: stage.w, height: stage.h, fill: hue, class: "stage-box"}),
        h("title", {}, `${stage.item.name}: ${number(stage.item.bits, 0)} bits, ${share(stage.item)}`),
        headed ? label(`${stage.item.name} ${share(stage.item)}`, stage.x, stage.y + 13, stage.w) ?? label(stage.item.name, stage.x, stage.y + 13, stage.w) : null, tensors);
    });
    fill(map, h("svg", {viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Treemap of the bits; the table below has the same numbers"}, cells));
  }

  function drawParts() {
    if (!partSets.length) return fill(sections.parts);
    const {set, one} = partSets[Number(State.get("part"))] ?? partSets[0];
    const list = Object.keys(one.parts.names).map(Number);
    const at = list.includes(Number(State.get("pframe"))) && State.get("pframe") !== "" ? Number(State.get("pframe")) : list[0];
    const slider = h("input", {type: "range", min: 0, max: list.length - 1, "aria-label": "Frame", "aria-valuetext": `frame ${at}`, "data-focus": "pframe",
      oninput: () => State.set({pframe: list[slider.value]})});
    slider.value = list.indexOf(at);
    const focused = document.activeElement?.dataset?.focus === "pframe";
    const path = (index) => `frames/${encodeURIComponent(set.clip)}/${encodeURIComponent(one.folder)}/${at}-${index}.webp`;
    fill(
      sections.parts,
      h("h3", {}, "Parts of a frame"),
      h("div", {class: "controls"},
        select("Network", partSets.map((item, index) => [String(index), `${item.one.label}, ${rate(item.one.rate)} bpp${frames.length > 1 ? `, ${item.set.clip}` : ""}`]), State.get("part"), (value) => State.set({part: value, pframe: ""})),
        h("label", {class: "field"}, h("span", {}, `Frame ${at}`), slider)),
      h("div", {class: "parts"}, one.parts.names[at].map((name, index) =>
        h("figure", {}, h("img", {src: path(index), alt: `${name} of frame ${at}`, loading: "lazy"}), h("figcaption", {}, name)))),
      h("p", {class: "note"}, one.parts.longest_flow ? `Flows: red is to the right, yellow downwards, cyan to the left, blue upwards; full saturation at ${number(one.parts.longest_flow, 1)} pixels. ` : "",
        "Weights: black is 0, white is 1. These pictures are compressed with loss.")
    );
    if (focused) slider.focus();
  }

  function drawFits() {
    if (!fits.length) return fill(sections.fits);
    const clip = State.get("clip");
    const several = REPORT.clips.length > 1 && clip !== "mean";
    const list = fits.filter((fit) => !several || fit.clip === clip);
    const key = State.get("fity"), xs = State.get("fitx");
    const names = [...new Set(list.map((fit) => fit.series))];
    const off = new Set(State.list("fitoff"));
    const first = !sections.fits.firstChild;
    if (first) fill(sections.fits, h("h3", {}, "While fitting"), h("div", {class: "controls"}), h("div", {class: "split"}, h("div", {class: "figure"}, chart, h("div", {class: "tools"}, h("span", {class: "note"}, "One line for each rate point. The open marker is the PSNR of the decoded file."), Chart.saveButtons(chart, () => `${REPORT.condition.name}-fits`))), fitLegend));
    fill(
      sections.fits.querySelector(".controls"),
      choice("Over", [["epoch", "epochs"], ["wall_s", "time"]], xs, (value) => State.set({fitx: value})),
      choice("Show", [["psnr_rgb_db", "PSNR-RGB"], ["loss", "loss"]], key, (value) => State.set({fity: value})),
      choice("Axis", [["linear", "linear"], ["log", "log"]], State.get("fitscale"), (value) => State.set({fitscale: value}))
    );
    fill(fitLegend, h("fieldset", {}, h("legend", {}, "Fits"), names.map((name) => {
      const box = h("input", {type: "checkbox", onchange: () => State.toggle("fitoff", name)});
      box.checked = !off.has(name);
      return h("label", {}, box, Chart.swatch(Runs.seriesById.get(name)), h("span", {}, Runs.seriesById.get(name).label));
    })));
    const traces = list.filter((fit) => !off.has(fit.series)).flatMap((fit) => {
      const series = Runs.seriesById.get(fit.series);
      const colour = Chart.colour(series.colour);
      const name = Chart.plain(`${series.label}, ${fit.point}`);
      const hover = `${name.replace(/%\{/g, "% {")}, ${fit.devices}<br>%{x:.0f}: %{y:.3f}<extra></extra>`;
      const line = {x: fit.log[xs], y: fit.log[key], mode: "lines", name, line: {color: colour, dash: series.dash, width: 1.4}, hovertemplate: hover};
      if (key !== "psnr_rgb_db") return [line];
      return [line, {x: fit.log[xs].slice(-1), y: [fit.decoded], mode: "markers", name: `${name}, decoded`, marker: {symbol: "circle-open", size: 8, color: colour}, hovertemplate: hover, meta: "overlay"}];
    });
    const log = State.get("fitscale") === "log";
    Chart.draw(chart, traces, {
      xaxis: Chart.axis(xs === "epoch" ? "Epochs" : "Fit time (s)", {type: log ? "log" : "linear"}),
      yaxis: Chart.axis(key === "loss" ? "Loss" : "PSNR-RGB (dB)", {type: log && key === "loss" ? "log" : "linear"}),
      dragmode: "zoom",
    });
  }

  State.onchange((changed) => {
    if (!ready || State.get("tab") !== "network") return;
    if (changed.includes("net")) drawBits();
    if (changed.includes("part") || changed.includes("pframe")) drawParts();
    if (changed.some((name) => ["fitx", "fity", "fitscale", "fitoff"].includes(name))) drawFits();
    if (changed.includes("theme")) update();
  });

  window.Network = {render, squarify};
})();
