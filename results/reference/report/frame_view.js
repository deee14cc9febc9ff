/* What the section of frames shows: clip, pictures A and B, frame, metric and zoom, all in the URL. */
"use strict";

(() => {
  const {rate} = Dom;
  const sets = REPORT.frames;
  const metricOf = new Map(REPORT.metrics.map((one) => [one.name, one]));

  State.declare({
    fclip: sets[0]?.clip ?? "",
    a: "source",
    b: "",
    frame: "",
    mode: "side",
    wipe: "50",
    gain: "8",
    view: "",
    fmetric: ""
  });

  const set = () => sets.find((one) => one.clip === State.get("fclip")) ?? sets[0];
  const frames = () => set().frames.map((one) => one.frame);
  const picture = (id) => set().pictures.find((one) => one.id === id);
  const a = () => picture(State.get("a")) ?? set().pictures[0];
  const b = () => picture(State.get("b")) ?? set().pictures[1] ?? set().pictures[0];
  const url = (one, frame) =>
    `frames/${encodeURIComponent(set().clip)}/${encodeURIComponent(one.folder)}/${frame}.webp`;
  const current = () =>
    frames().includes(Number(State.get("frame"))) && State.get("frame") !== ""
      ? Number(State.get("frame"))
      : frames()[0];
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
    State.set({
      view: z === 1 ? "" : [z, limit(x), limit(y)].map((value) => Number(value.toFixed(4))).join(",")
    });
  }
  /* Zoom by a factor; what is at `from` moves to `to`, both in parts of the viewport. */
  function zoomBy(factor, from = [0.5, 0.5], to = from, {zoom, x, y} = view()) {
    const next = Math.min(Math.max(zoom * factor, 1), 32);
    setView({zoom: next, x: x + from[0] / zoom - to[0] / next, y: y + from[1] / zoom - to[1] / next});
  }

  window.FrameView = {
    sets,
    metricOf,
    set,
    frames,
    a,
    b,
    url,
    current,
    title,
    metrics,
    metric,
    view,
    setView,
    zoomBy
  };
})();
