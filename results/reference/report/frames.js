/* Frames side by side: the controls, the frame's number, and the quality of each frame. */
"use strict";

(() => {
  const {h, fill, bytes, select, choice, announce} = Dom;
  const {sets, metricOf, set, frames, a, b, url, current, title, metrics, metric, setView, zoomBy} =
    FrameView;
  const MODES = [
    ["side", "side by side", "Both pictures (s)"],
    ["wipe", "wipe", "One picture over the other (d)"],
    ["flicker", "flicker", "Both in turn (f)"],
    ["difference", "difference", "Absolute difference, amplified (x)"],
    ["grid", "all", "Every codec (g)"]
  ];
  const STILL_FPS = 2;

  const controls = h("div", {class: "controls"});
  const chart = h("div", {class: "chart short", id: "frame-chart"});
  const below = h("div");
  let ready = false,
    playing = null;

  function render(element) {
    if (!sets.length) {
      fill(
        element,
        h("h2", {}, "Frames"),
        h(
          "p",
          {},
          "This page has no frames. The workflow decodes them from the streams (rule report_frames), as does ",
          h("code", {}, "python -m bench report-frames"),
          "."
        )
      );
      return;
    }
    fill(element, h("h2", {class: "offscreen"}, "Frames"), controls, Stage.stage, strip, chart, below);
    ready = true;
    update();
  }

  function update() {
    drawControls();
    Stage.draw();
    drawStrip();
    drawChart();
    drawBelow();
  }

  function drawControls() {
    const options = set().pictures.map((one) => [one.id, title(one)]);
    const mode = State.get("mode");
    const slider = (name, text, low, high, step, show) => {
      const output = h("output", {}, show(State.get(name)));
      const input = h("input", {
        type: "range",
        min: low,
        max: high,
        step,
        "data-key": name,
        "aria-label": text,
        oninput: () => {
          output.textContent = show(input.value);
          State.set({[name]: input.value});
        }
      });
      input.value = State.get(name);
      return h("label", {class: "field"}, h("span", {}, text, " ", output), input);
    };
    fill(
      controls,
      sets.length > 1
        ? select(
            "Clip",
            sets.map((one) => [one.clip, one.clip]),
            set().clip,
            (value) => State.set({fclip: value, frame: "", b: ""})
          )
        : null,
      select("A", options, a().id, (value) => State.set({a: value})),
      select("B", options, b().id, (value) => State.set({b: value})),
      choice("Mode", MODES, mode, (value) => State.set({mode: value})),
      mode === "wipe" ? slider("wipe", "Wipe", 0, 100, 0.5, (value) => `${Math.round(value)} %`) : null,
      mode === "flicker"
        ? h("button", {type: "button", title: "Show the other picture (b)", onclick: Stage.blink}, "Blink")
        : null,
      mode === "difference" ? slider("gain", "Gain", 1, 32, 1, (value) => `\u00d7 ${value}`) : null,
      h(
        "div",
        {class: "choice", role: "group", "aria-label": "Zoom"},
        h("span", {class: "caption", "aria-hidden": "true"}, "Zoom"),
        h(
          "span",
          {class: "buttons"},
          h("button", {type: "button", "aria-label": "Zoom out", onclick: () => zoomBy(0.5)}, "\u2212"),
          h("button", {type: "button", onclick: () => setView({zoom: 1, x: 0, y: 0})}, "fit"),
          h("button", {type: "button", "aria-label": "Zoom in", onclick: () => zoomBy(2)}, "+")
        )
      )
    );
  }

  /* The slider stays the same element, so that a drag of it continues. */
  const slider = h("input", {
    type: "range",
    min: 0,
    step: 1,
    "aria-label": "Frame",
    oninput: () => go(frames()[slider.value])
  });
  const player = h("button", {type: "button", onclick: play});
  const where = h("span", {class: "where"});
  const strip = h(
    "div",
    {class: "strip"},
    h("button", {type: "button", "aria-label": "Previous frame", onclick: () => step(-1)}, "\u25c0"),
    player,
    h("button", {type: "button", "aria-label": "Next frame", onclick: () => step(1)}, "\u25b6"),
    slider,
    where,
    h(
      "button",
      {type: "button", title: "The stored frame where B is worst (w)", onclick: worst},
      "Worst frame"
    )
  );

  function drawStrip() {
    const list = set().frames,
      at = current();
    slider.max = list.length - 1;
    slider.value = list.findIndex((one) => one.frame === at);
    slider.setAttribute("aria-valuetext", `frame ${at}`);
    player.setAttribute("aria-pressed", String(playing !== null));
    player.textContent = playing === null ? "Play" : "Stop";
    fill(
      where,
      h("b", {}, `frame ${at}`),
      ` of ${REPORT.clips.find((one) => one.name === set().clip)?.frames ?? "?"}: `,
      list.find((one) => one.frame === at).reasons.join(", ")
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
    playing = setInterval(
      () => {
        if (State.get("tab") !== "frames") return play();
        go(list[(list.indexOf(current()) + 1) % list.length]);
      },
      1000 / (excerpt ? fps : STILL_FPS)
    );
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
    const traces = set()
      .pictures.filter((one) => set().values[metric()][one.id])
      .map((one) => {
        const series = Runs.seriesById.get(one.series);
        const main = one === a() || one === b();
        const values = set().values[metric()][one.id];
        return {
          y: values,
          x: values.map((_, frame) => frame),
          mode: "lines",
          name: Chart.plain(title(one)),
          opacity: main ? 1 : 0.25,
          line: {color: Chart.colour(series.colour), width: main ? 2 : 1, dash: series.dash},
          hovertemplate: `${Chart.plain(title(one)).replace(/%\{/g, "% {")}<br>frame %{x}: %{y}<extra></extra>`
        };
      });
    const marks = frames().map((frame) => ({
      type: "line",
      xref: "x",
      yref: "paper",
      x0: frame,
      x1: frame,
      y0: 0,
      y1: frame === current() ? 1 : 0.04,
      line: {
        color: Chart.style(frame === current() ? "--accent" : "--faint"),
        width: frame === current() ? 2 : 1
      }
    }));
    Chart.draw(chart, traces, {
      xaxis: Chart.axis("Frame", {range: [0, (traces[0]?.y.length ?? 2) - 1]}),
      yaxis: Chart.axis(known.unit ? `${known.label} (${known.unit})` : known.label),
      shapes: marks,
      dragmode: false,
      margin: {l: 56, r: 12, t: 6, b: 40}
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
    const part =
      region[2] < width || region[3] < height
        ? `, the region ${region[2]}x${region[3]} at ${region[0]}, ${region[1]} of ${width}x${height}`
        : "";
    const names = metrics();
    fill(
      below,
      h(
        "div",
        {class: "tools"},
        names.length > 1
          ? select(
              "Metric",
              names.map((name) => [name, metricOf.get(name).label]),
              metric(),
              (value) => State.set({fmetric: value})
            )
          : null,
        names.length ? Chart.saveButtons(chart, () => `${REPORT.condition.name}-${set().clip}-frames`) : null
      ),
      h(
        "p",
        {class: "note"},
        `${set().frames.length} frames of ${set().pictures.length} pictures, ${bytes(total)}, stored without loss${part}. `,
        "Each codec is shown at its point nearest to the condition's rate. Each stream was decoded by a separate process; YUV frames are converted to RGB as for PSNR-RGB. ",
        "The difference is computed on the 8-bit RGB levels and multiplied by the gain."
      )
    );
  }

  const VIEW = ["view", "wipe", "gain"];
  State.onchange((changed) => {
    if (!ready || State.get("tab") !== "frames") return;
    if (changed.every((name) => VIEW.includes(name))) return Stage.layOut();
    if (changed.every((name) => name === "frame")) {
      Stage.showFrame();
      drawStrip();
      return drawChart();
    }
    if (
      changed.some((name) => ["fclip", "a", "b", "frame", "mode", "fmetric", "theme", "tab"].includes(name))
    )
      update();
  });

  const KEYS = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    b: Stage.blink,
    w: worst,
    " ": play,
    s: () => State.set({mode: "side"}),
    d: () => State.set({mode: "wipe"}),
    f: () => State.set({mode: "flicker"}),
    x: () => State.set({mode: "difference"}),
    g: () => State.set({mode: "grid"}),
    "+": () => zoomBy(2),
    "=": () => zoomBy(2),
    "-": () => zoomBy(0.5),
    0: () => setView({zoom: 1, x: 0, y: 0})
  };
  window.Frames = {render, keys: sets.length ? KEYS : {}};
})();
