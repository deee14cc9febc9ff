/* Parts of a network's frames: FFNeRV's independent, aggregated and final frame, flows and weights. */
"use strict";

(() => {
  const {h, fill, number, rate, select} = Dom;
  const {frames} = REPORT;
  const partSets = frames.flatMap((set) =>
    set.pictures.filter((one) => one.parts).map((one) => ({set, one}))
  );

  State.declare({part: "0", pframe: ""});

  const current = () => partSets[Number(State.get("part"))] ?? partSets[0];
  const numbers = () => Object.keys(current().one.parts.names).map(Number);
  const at = () =>
    State.get("pframe") !== "" && numbers().includes(Number(State.get("pframe")))
      ? Number(State.get("pframe"))
      : numbers()[0];
  let drawn = null;

  /* The slider stays the same element, so that a drag of it continues. */
  const slider = h("input", {
    type: "range",
    min: 0,
    step: 1,
    "aria-label": "Frame of the parts",
    oninput: () => State.set({pframe: numbers()[slider.value]})
  });
  const where = h("span");
  const pictures = h("div", {class: "parts"});

  function render(element) {
    if (!partSets.length) return fill(element);
    if (drawn !== current()) frame(element);
    drawn = current();
    const {set, one} = current();
    slider.max = numbers().length - 1;
    slider.value = numbers().indexOf(at());
    slider.setAttribute("aria-valuetext", `frame ${at()}`);
    where.textContent = `Frame ${at()}`;
    const folder = `frames/${encodeURIComponent(set.clip)}/${encodeURIComponent(one.folder)}`;
    const names = one.parts.names[at()];
    while (pictures.children.length > names.length) pictures.lastChild.remove();
    names.forEach((name, index) => {
      if (!pictures.children[index]) pictures.append(h("figure", {}, h("img"), h("figcaption")));
      const [image, caption] = pictures.children[index].children;
      image.src = `${folder}/${at()}-${index}.webp`;
      image.alt = `${name} of frame ${at()}`;
      caption.textContent = name;
    });
  }

  /* All but the pictures of a frame. */
  function frame(element) {
    const {one} = current();
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
        h("label", {class: "field"}, where, slider)
      ),
      pictures,
      h(
        "p",
        {class: "note"},
        one.parts.longest_flow
          ? `Flows: red is to the right, yellow downwards, cyan to the left, blue upwards; full saturation at ${number(one.parts.longest_flow, 1)} pixels. `
          : "",
        "Weights: black is 0, white is 1. These pictures are compressed with loss."
      )
    );
  }

  window.Parts = {render};
})();
