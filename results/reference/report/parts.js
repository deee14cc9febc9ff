/* Parts of a network's frames: FFNeRV's independent, aggregated and final frame, flows and weights. */
"use strict";

(() => {
  const {h, fill, number, rate, select} = Dom;
  const {frames} = REPORT;
  const partSets = frames.flatMap((set) =>
    set.pictures.filter((one) => one.parts).map((one) => ({set, one}))
  );

  State.declare({part: "0", pframe: ""});

  function render(element) {
    if (!partSets.length) return fill(element);
    const {set, one} = partSets[Number(State.get("part"))] ?? partSets[0];
    const list = Object.keys(one.parts.names).map(Number);
    const at =
      list.includes(Number(State.get("pframe"))) && State.get("pframe") !== ""
        ? Number(State.get("pframe"))
        : list[0];
    const slider = h("input", {
      type: "range",
      min: 0,
      max: list.length - 1,
      "aria-label": "Frame",
      "aria-valuetext": `frame ${at}`,
      "data-focus": "pframe",
      oninput: () => State.set({pframe: list[slider.value]})
    });
    slider.value = list.indexOf(at);
    const focused = document.activeElement?.dataset?.focus === "pframe";
    const path = (index) =>
      `frames/${encodeURIComponent(set.clip)}/${encodeURIComponent(one.folder)}/${at}-${index}.webp`;
    fill(
      element,
      h("h3", {}, "Parts of a frame"),
      h(
        "div",
        {class: "controls"},
        select(
          "Network",
          partSets.map((item, index) => [
            String(index),
            `${item.one.label}, ${rate(item.one.rate)} bpp${frames.length > 1 ? `, ${item.set.clip}` : ""}`
          ]),
          State.get("part"),
          (value) => State.set({part: value, pframe: ""})
        ),
        h("label", {class: "field"}, h("span", {}, `Frame ${at}`), slider)
      ),
      h(
        "div",
        {class: "parts"},
        one.parts.names[at].map((name, index) =>
          h(
            "figure",
            {},
            h("img", {src: path(index), alt: `${name} of frame ${at}`, loading: "lazy"}),
            h("figcaption", {}, name)
          )
        )
      ),
      h(
        "p",
        {class: "note"},
        one.parts.longest_flow
          ? `Flows: red is to the right, yellow downwards, cyan to the left, blue upwards; full saturation at ${number(one.parts.longest_flow, 1)} pixels. `
          : "",
        "Weights: black is 0, white is 1. These pictures are compressed with loss."
      )
    );
    if (focused) slider.focus();
  }

  window.Parts = {render};
})();
