/* The pictures: side by side, wipe, flicker, difference and all, under a common zoom. */
"use strict";

(() => {
  const {h, fill, number} = Dom;
  const {metricOf, set, a, b, url, current, title, metric, view, setView, zoomBy} = FrameView;
  const FLICKER_MS = 500;

  const stage = h("div", {
    class: "stage",
    tabindex: 0,
    role: "group",
    "aria-label": "Pictures; arrow keys change the frame, plus and minus zoom"
  });
  let blinked = false,
    flickering = null;

  /* What depends on the frame: a function of each view that shows the current one. */
  let updates = [];

  /* One view: layers of pictures under the common zoom. `caption` gives its texts. */
  function pane(pictures, caption, classes = "") {
    const [width, height] = set().region.slice(2);
    const images = pictures.map(() => h("img", {width, height, draggable: "false"}));
    const text = h("figcaption");
    updates.push(() => {
      images.forEach((image, index) => {
        image.src = url(pictures[index], current());
        image.alt = `${title(pictures[index])}, frame ${current()}`;
      });
      fill(text, caption());
    });
    return h(
      "figure",
      {class: `pane ${classes}`},
      h(
        "div",
        {class: "viewport", style: `aspect-ratio: ${width} / ${height}`},
        images.map((image, index) =>
          h("div", {class: `layer layer${index}`}, h("div", {class: "zoomed"}, image))
        )
      ),
      text
    );
  }

  const score = (one) => {
    const value = set().values[metric()]?.[one.id]?.[current()];
    const known = metricOf.get(metric());
    return value === undefined
      ? null
      : h("span", {class: "score"}, " ", number(value, known.digits), " ", known.unit);
  };

  function draw() {
    clearInterval(flickering);
    updates = [];
    const mode = State.get("mode"),
      [first, second] = [a(), b()];
    const label = (letter, one) => [h("b", {}, letter), " ", title(one), score(one)];
    stage.className = `stage ${mode}`;
    if (mode === "side") {
      fill(
        stage,
        pane([first], () => label("A", first)),
        pane([second], () => label("B", second))
      );
    } else if (mode === "grid") {
      fill(
        stage,
        set().pictures.map((one) => pane([one], () => [title(one), score(one)]))
      );
    } else {
      const both = () => [label("A", first), " \u00a0 ", label("B", second)];
      fill(stage, pane([first, second], both, mode));
    }
    if (mode === "flicker") flickering = setInterval(blink, FLICKER_MS);
    showFrame();
    layOut();
  }

  const showFrame = () => updates.forEach((update) => update());

  /* Zoom, wipe and gain of the pictures that are there. */
  function layOut() {
    const {zoom, x, y} = view();
    for (const element of stage.querySelectorAll(".zoomed")) {
      element.style.transform = `translate(${-100 * x * zoom}%, ${-100 * y * zoom}%) scale(${zoom})`;
    }
    const mode = State.get("mode"),
      top = stage.querySelector(".layer1"),
      viewport = stage.querySelector(".viewport");
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

  function position(event) {
    const box = (
      event.target.closest(".viewport") ?? stage.querySelector(".viewport")
    ).getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function startPan(event) {
    const viewport = event.target.closest(".viewport");
    if (!viewport || event.button !== 0) return;
    const wipe = State.get("mode") === "wipe" && view().zoom === 1;
    const start = position(event),
      before = view();
    const move = (later) => {
      const box = viewport.getBoundingClientRect();
      const now = [(later.clientX - box.left) / box.width, (later.clientY - box.top) / box.height];
      if (wipe) State.set({wipe: (100 * Math.min(Math.max(now[0], 0), 1)).toFixed(1)});
      else
        setView({
          ...before,
          x: before.x - (now[0] - start[0]) / before.zoom,
          y: before.y - (now[1] - start[1]) / before.zoom
        });
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
    zoomBy(event.deltaY < 0 ? 1.25 : 0.8, position(event));
  }

  stage.addEventListener("pointerdown", startPan);
  stage.addEventListener("wheel", wheel, {passive: false});
  stage.addEventListener("dblclick", (event) => zoomBy(2, position(event)));

  window.Stage = {stage, draw, showFrame, layOut, blink};
})();
