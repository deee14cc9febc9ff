/* Frames side by side: wipe, flicker, difference, zoom and pan together, and the quality of each frame. */
"use strict";

(() => {
  const {h, fill, number, rate, bytes, select, choice, announce} = Dom;
  const sets = REPORT.frames;
  const metricOf = new Map(REPORT.metrics.map((one) => [one.name, one]));
  const MODES = [
    ["side", "side by side", "Both pictures (s)"],
    ["wipe", "wipe", "One picture over the other (d)"],
    ["flicker", "flicker", "Both in turn (f)"],
    ["difference", "difference", "Absolute difference, amplified (x)"],
    ["grid", "all", "Every codec (g)"],
  ];
  const FLICKER_MS = 500, STILL_FPS = 2;

  State.declare({fclip: sets[0]?.clip ?? "", a: "source", b: "", frame: "", mode: "side", wipe: "50", gain: "8", view: "", fmetric: ""});

  const set = () => sets.find((one) => one.clip === State.get("fclip")) ?? sets[0];
  const frames = () => set().frames.map((one) => one.frame);
  const picture = (id) => set().pictures.find((one) => one.id === id);
  const a = () => picture(State.get("a")) ?? set().pictures[0];
  const b = () => picture(State.get("b")) ?? set().pictures[1] ?? set().pictures[0];
  const url = (one, frame) => `frames/${encodeURIComponent(set().clip)}/${encodeURIComponent(one.folder)}/${frame}.webp`;
  const current = () => (frames().includes(Number(State.get("frame"))) && State.get("frame") !== "" ? Number(State.get("frame")) : frames()[0]);
  const title = (one) => (one.rate ? `${one.label}, ${rate(one.rate)} bpp` : one.label);
  const metrics = () => Object.keys(set().values);
  const metric = () => (metrics().includes(State.get("fmetric")) ? State.get("fmetric") : metrics()[0]);

  /* Zoom and the upper left corner of the view, in parts of the picture. */
  function view() {
    const [zoom, x, y] = State.get("view").split(",").map(Number);
    return zoom >= 1 ? {zoom, x, y} : {zoom: 1, x: 0, y: 0};
  }
  function setView({zoom, x, y}) {
    const z = Math.min(Math.max(zoom, 1), 32);
    const limit = (value) => Math.min(Math.max(value, 0), 1 - 1 / z);
    State.set({view: z === 1 ? "" : [z, limit(x), limit(y)].map((value) => Number(value.toFixed(4))).join(",")});
  }
  function zoomBy(factor, at = [0.5, 0.5]) {
    const {zoom, x, y} = view();
    const next = Math.min(Math.max(zoom * factor, 1), 32);
    setView({zoom: next, x: x + at[0] / zoom - at[0] / next, y: y + at[1] / zoom - at[1] / next});
  }

  const controls = h("div", {class: "controls"});
  const stage = h("div", {class: "stage", tabindex: 0, role: "group", "aria-label": "Pictures; arrow keys change the frame, plus and minus zoom"});
  const strip = h("div", {class: "strip"});
  const chart = h("div", {class: "chart short", id: "frame-chart"});
  const below = h("div");
  let ready = false, blinked = false, playing = null, flickering = null;

  function render(element) {
    if (!sets.length) {
      fill(element, h("h2", {}, "Frames"), h("p", {}, "This page has no frames. The workflow decodes them from the streams (rule report_frames), as does ", h("code", {}, "python -m bench report-frames"), "."));
      return;
    }
    fill(element, h("h2", {class: "offscreen"}, "Frames"), controls, stage, strip, chart, below);
    stage.addEventListener("pointerdown", startPan);
    stage.addEventListener("wheel", wheel, {passive: false});
    stage.addEventListener("dblclick", (event) => zoomBy(2, place(event)));
    ready = true;
    update();
  }

  function update() {
    drawControls();
    drawStage();
    drawStrip();
    drawChart();
    drawBelow();
  }

  function drawControls() {
    const focused = document.activeElement?.closest(".controls [data-focus]")?.dataset.focus;
    const options = set().pictures.map((one) => [one.id, title(one)]);
    const mode = State.get("mode");
    const slider = (name, text, low, high, step, show) => {
      const output = h("output", {}, show(State.get(name)));
      const input = h("input", {type: "range", min: low, max: high, step, "data-focus": name, "aria-label": text,
        oninput: () => {
          output.textContent = show(input.value);
          State.set({[name]: input.value});
        }});
      input.value = State.get(name);
      return h("label", {class: "field"}, h("span", {}, text, " ", output), input);
    };
    fill(
      controls,
      sets.length > 1 ? select("Clip", sets.map((one) => [one.clip, one.clip]), set().clip, (value) => State.set({fclip: value, frame: "", b: ""})) : null,
      select("A", options, a().id, (value) => State.set({a: value})),
      select("B", options, b().id, (value) => State.set({b: value})),
      choice("Mode", MODES, mode, (value) => State.set({mode: value})),
      mode === "wipe" ? slider("wipe", "Wipe", 0, 100, 0.5, (value) => `${Math.round(value)} %`) : null,
      mode === "difference" ? slider("gain", "Gain", 1, 32, 1, (value) => `\u00d7 ${value}`) : null,
      h("div", {class: "choice", role: "group", "aria-label": "Zoom"}, h("span", {class: "caption", "aria-hidden": "true"}, "Zoom"), h("span", {class: "buttons"},
        h("button", {type: "button", "aria-label": "Zoom out", onclick: () => zoomBy(0.5)}, "\u2212"),
        h("button", {type: "button", onclick: () => setView({zoom: 1, x: 0, y: 0})}, "fit"),
        h("button", {type: "button", "aria-label": "Zoom in", onclick: () => zoomBy(2)}, "+")))
    );
    if (focused) controls.querySelector(`[data-focus="${focused}"]`)?.focus();
  }

  /* One view: layers of pictures under the common zoom. */
  function pane(pictures, caption, classes = "") {
    const {width, height} = {width: set().region[2], height: set().region[3]};
    return h("figure", {class: `pane ${classes}`},
      h("div", {class: "viewport", style: `aspect-ratio: ${width} / ${height}`},
        pictures.map((one, index) => h("div", {class: `layer layer${index}`}, h("div", {class: "zoomed"},
          h("img", {src: url(one, current()), alt: `${title(one)}, frame ${current()}`, width, height, draggable: "false"}))))),
      h("figcaption", {}, caption));
  }

  const score = (one) => {
    const value = set().values[metric()]?.[one.id]?.[current()];
    const known = metricOf.get(metric());
    return value === undefined ? null : h("span", {class: "score"}, " ", number(value, known.digits), " ", known.unit);
  };

  function drawStage() {
    clearInterval(flickering);
    const mode = State.get("mode");
    const label = (letter, one) => [h("b", {}, letter), " ", title(one), score(one)];
    stage.className = `stage ${mode}`;
    if (mode === "side") {
      fill(stage, pane([a()], label("A", a())), pane([b()], label("B", b())));
    } else if (mode === "grid") {
      fill(stage, set().pictures.map((one) => pane([one], [title(one), score(one)])));
    } else {
      fill(stage, pane([a(), b()], [label("A", a()), " \u00a0 ", label("B", b())], mode));
    }
    if (mode === "flicker") flickering = setInterval(() => blink(), FLICKER_MS);
    layOut();
  }

  /* Zoom, wipe and gain of the pictures that are there. */
  function layOut() {
    const {zoom, x, y} = view();
    for (const element of stage.querySelectorAll(".zoomed")) {
      element.style.transform = `translate(${-100 * x * zoom}%, ${-100 * y * zoom}%) scale(${zoom})`;
    }
    const mode = State.get("mode"), top = stage.querySelector(".layer1"), viewport = stage.querySelector(".viewport");
    // Enlarged pixels stay squares; the browser smooths a picture that it shrinks.
    stage.classList.toggle("magnified", zoom * viewport.clientWidth * devicePixelRatio >= set().region[2]);
    if (!top) return;
    top.style.clipPath = mode === "wipe" ? `inset(0 0 0 ${State.get("wipe")}%)` : "";
    viewport.style.filter = mode === "difference" ? `brightness(${State.get("gain")})` : "";
    viewport.style.setProperty("--wipe", `${State.get("wipe")}%`);
    top.hidden = mode === "flicker" && blinked;
  }

  function blink() {
    blinked = !blinked;
    const top = stage.querySelector(".layer1");
    if (top) top.hidden = blinked;
  }

  function place(event) {
    const box = (event.target.closest(".viewport") ?? stage.querySelector(".viewport")).getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function startPan(event) {
    const viewport = event.target.closest(".viewport");
    if (!viewport || event.button !== 0) return;
    const wipe = State.get("mode") === "wipe" && view().zoom === 1;
    const start = place(event), before = view();
    const move = (later) => {
      const box = viewport.getBoundingClientRect();
      const now = [(later.clientX - box.left) / box.width, (later.clientY - box.top) / box.height];
      if (wipe) State.set({wipe: (100 * Math.min(Math.max(now[0], 0), 1)).toFixed(1)});
      else setView({...before, x: before.x - (now[0] - start[0]) / before.zoom, y: before.y - (now[1] - start[1]) / before.zoom});
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
  }

  function wheel(event) {
    if (!event.ctrlKey && view().zoom === 1) return; // the page scrolls
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.25 : 0.8, place(event));
  }

  function drawStrip() {
    const list = set().frames, at = current();
    const slider = h("input", {type: "range", min: 0, max: list.length - 1, step: 1, "aria-label": "Frame", "aria-valuetext": `frame ${at}`,
      oninput: () => go(list[slider.value].frame)});
    slider.value = list.findIndex((one) => one.frame === at);
    fill(
      strip,
      h("button", {type: "button", "aria-label": "Previous frame", onclick: () => step(-1)}, "\u25c0"),
      h("button", {type: "button", "aria-pressed": String(playing !== null), onclick: play}, playing === null ? "Play" : "Stop"),
      h("button", {type: "button", "aria-label": "Next frame", onclick: () => step(1)}, "\u25b6"),
      slider,
      h("span", {class: "where"}, h("b", {}, `frame ${at}`), ` of ${REPORT.clips.find((one) => one.name === set().clip)?.frames ?? "?"}: `, list.find((one) => one.frame === at).reasons.join(", ")),
      h("button", {type: "button", title: "The stored frame where B is worst (w)", onclick: worst}, "Worst frame")
    );
  }

  const go = (frame) => State.set({frame});

  function step(by) {
    const list = frames();
    go(list[(list.indexOf(current()) + by + list.length) % list.length]);
  }

  function play() {
    if (playing !== null) {
      clearInterval(playing);
      playing = null;
      return drawStrip();
    }
    const {excerpt, fps} = set();
    const list = excerpt ? frames().filter((frame) => frame >= excerpt[0] && frame < excerpt[1]) : frames();
    for (const frame of list) for (const one of [a(), b()]) new Image().src = url(one, frame);
    playing = setInterval(() => {
      if (State.get("tab") !== "frames") return play();
      go(list[(list.indexOf(current()) + 1) % list.length]);
    }, 1000 / (excerpt ? fps : STILL_FPS));
    drawStrip();
  }

  /* The stored frame where B, or A if B is the source, has the lowest quality. */
  function worst() {
    const values = set().values[metric()]?.[b().id] ?? set().values[metric()]?.[a().id];
    if (!values) return announce("No values of single frames");
    const direction = metricOf.get(metric()).direction;
    go(frames().reduce((low, frame) => (direction * values[frame] < direction * values[low] ? frame : low)));
  }

  function drawChart() {
    const names = metrics();
    chart.hidden = !names.length;
    if (!names.length) return;
    const known = metricOf.get(metric());
    const traces = set().pictures.filter((one) => set().values[metric()][one.id]).map((one) => {
      const series = Runs.seriesById.get(one.series);
      const main = one === a() || one === b();
      const values = set().values[metric()][one.id];
      return {y: values, x: values.map((_, frame) => frame), mode: "lines", name: Chart.plain(title(one)), opacity: main ? 1 : 0.25,
        line: {color: Chart.colour(series.colour), width: main ? 2 : 1, dash: series.dash}, hovertemplate: `${Chart.plain(title(one)).replace(/%\{/g, "% {")}<br>frame %{x}: %{y}<extra></extra>`};
    });
    const marks = frames().map((frame) => ({type: "line", xref: "x", yref: "paper", x0: frame, x1: frame, y0: 0, y1: frame === current() ? 1 : 0.04,
      line: {color: Chart.style(frame === current() ? "--accent" : "--faint"), width: frame === current() ? 2 : 1}}));
    Chart.draw(chart, traces, {
      xaxis: Chart.axis("Frame", {range: [0, (traces[0]?.y.length ?? 2) - 1]}),
      yaxis: Chart.axis(known.unit ? `${known.label} (${known.unit})` : known.label),
      shapes: marks,
      dragmode: false,
      margin: {l: 56, r: 12, t: 6, b: 40},
    });
    if (!chart.listening) {
      chart.listening = true;
      chart.on("plotly_click", (event) => {
        const at = event.points[0].x;
        go(frames().reduce((near, frame) => (Math.abs(frame - at) < Math.abs(near - at) ? frame : near)));
      });
    }
  }

  function drawBelow() {
    const total = set().pictures.reduce((sum, one) => sum + one.bytes, 0);
    const {region, width, height} = set();
    const part = region[2] < width || region[3] < height ? `, the region ${region[2]}x${region[3]} at ${region[0]}, ${region[1]} of ${width}x${height}` : "";
    const names = metrics();
    fill(
      below,
      h("div", {class: "tools"},
        names.length > 1 ? select("Metric", names.map((name) => [name, metricOf.get(name).label]), metric(), (value) => State.set({fmetric: value})) : null,
        names.length ? Chart.saveButtons(chart, () => `${REPORT.condition.name}-${set().clip}-frames`) : null),
      h("p", {class: "note"}, `${set().frames.length} frames of ${set().pictures.length} pictures, ${bytes(total)}, stored without loss${part}. `,
        "Each codec is shown at its point nearest to the condition's rate. Each stream was decoded by a separate process; YUV frames are converted to RGB as for PSNR-RGB. ",
        "The difference is computed on the 8-bit RGB levels and multiplied by the gain.")
    );
  }

  const VIEW = ["view", "wipe", "gain"];
  State.onchange((changed) => {
    if (!ready || State.get("tab") !== "frames") return;
    if (changed.every((name) => VIEW.includes(name))) return layOut();
    if (changed.some((name) => ["fclip", "a", "b", "frame", "mode", "fmetric", "theme", "tab"].includes(name))) update();
  });

  const KEYS = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), b: blink, w: worst, " ": play,
    s: () => State.set({mode: "side"}), d: () => State.set({mode: "wipe"}), f: () => State.set({mode: "flicker"}),
    x: () => State.set({mode: "difference"}), g: () => State.set({mode: "grid"}),
    "+": () => zoomBy(2), "=": () => zoomBy(2), "-": () => zoomBy(0.5), 0: () => setView({zoom: 1, x: 0, y: 0}),
  };
  window.Frames = {render, keys: sets.length ? KEYS : {}};
})();
