/* The pictures: side by side, wipe, flicker, difference and all, under a common zoom. Mouse and fingers move them. */
"use strict";

(() => {
  const {h, fill, number} = Dom;
  const {metricOf, set, a, b, url, current, title, metric, view, setView, zoomBy} = FrameView;
  const FLICKER_MS = 500;
  const REDUCED_MOTION = matchMedia("(prefers-reduced-motion: reduce)");

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
    blinked = false;
    updates = [];
    const mode = State.get("mode"),
      [first, second] = [a(), b()];
    const label = (letter, one) =>
      h("span", {class: `of-${letter.toLowerCase()}`}, h("b", {}, letter), " ", title(one), score(one));
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
    // With reduced motion, only the key and the button switch between A and B.
    if (mode === "flicker" && !REDUCED_MOTION.matches) flickering = setInterval(blink, FLICKER_MS);
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
    // A finger scrolls the page, but moves an enlarged picture.
    stage.style.touchAction = zoom > 1 ? "none" : "pan-y";
    if (!top) return;
    top.style.clipPath = mode === "wipe" ? `inset(0 0 0 ${State.get("wipe")}%)` : "";
    viewport.style.filter = mode === "difference" ? `brightness(${State.get("gain")})` : "";
    viewport.style.setProperty("--wipe", `${State.get("wipe")}%`);
    top.hidden = blinked;
    stage.classList.toggle("blinked", blinked);
  }

  /* Show A if B is shown, and B if A is. Pictures that are not above one another are first put so. */
  function blink() {
    if (!stage.querySelector(".layer1")) State.set({mode: "flicker"});
    blinked = !blinked;
    layOut();
  }

  /* Position of a pointer in parts of the viewport. */
  function position(event, viewport) {
    const box = viewport.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  /* The pointers that are down, and what they began with: one moves the wipe or the picture, two also zoom. */
  const pointers = new Map();
  let gesture = null;

  function begin(viewport) {
    gesture = pointers.size ? {viewport, view: view(), points: [...pointers.values()]} : null;
  }

  function press(event) {
    const viewport = gesture?.viewport ?? event.target.closest(".viewport");
    if (!viewport || event.button !== 0) return;
    pointers.set(event.pointerId, position(event, viewport));
    begin(viewport);
  }

  function move(event) {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, position(event, gesture.viewport));
    const points = [...pointers.values()];
    if (points.length === 1 && State.get("mode") === "wipe" && gesture.view.zoom === 1) {
      State.set({wipe: (100 * Math.min(Math.max(points[0][0], 0), 1)).toFixed(1)});
      return;
    }
    const middle = (list) => [0, 1].map((axis) => list.reduce((sum, one) => sum + one[axis], 0) / list.length);
    const spread = ([first, second]) => (second ? Math.hypot(first[0] - second[0], first[1] - second[1]) : 1);
    const factor = spread(points) / Math.max(spread(gesture.points), 0.01);
    zoomBy(factor, middle(gesture.points), middle(points), gesture.view);
  }

  function release(event) {
    if (pointers.delete(event.pointerId)) begin(gesture.viewport);
  }

  const at = (event) => position(event, event.target.closest(".viewport") ?? stage.querySelector(".viewport"));

  function wheel(event) {
    if (!event.ctrlKey && view().zoom === 1) return; // the page scrolls
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.25 : 0.8, at(event));
  }

  stage.addEventListener("pointerdown", press);
  addEventListener("pointermove", move);
  addEventListener("pointerup", release);
  addEventListener("pointercancel", release);
  stage.addEventListener("wheel", wheel, {passive: false});
  stage.addEventListener("dblclick", (event) => zoomBy(2, at(event)));

  window.Stage = {stage, draw, showFrame, layOut, blink};
})();
