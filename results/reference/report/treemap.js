/* Bits of a fitted network by stage and tensor, as a treemap and a table. */
"use strict";

(() => {
  const {h, fill, number, rate, select} = Dom;
  const {bits} = REPORT;

  State.declare({net: "0"});

  const map = h("div", {class: "treemap"});
  const network = () => bits[Number(State.get("net"))] ?? bits[0];

  function render(element) {
    if (!bits.length)
      return fill(
        element,
        h("h3", {}, "Bits by stage and tensor"),
        h("p", {class: "note"}, "No fitted network is among the points.")
      );
    const one = network();
    const name = (item) =>
      `${item.label}, ${item.point}, ${rate(item.rate)} bpp${REPORT.clips.length > 1 ? `, ${item.clip}` : ""}`;
    const total = one.tensors.reduce((sum, tensor) => sum + tensor.bits, 0);
    fill(
      element,
      h("h3", {}, "Bits by stage and tensor"),
      h(
        "div",
        {class: "controls"},
        select(
          "Network",
          bits.map((item, index) => [String(index), name(item)]),
          State.get("net"),
          (value) => State.set({net: value})
        )
      ),
      map,
      Table.table({
        columns: [
          {key: "name", label: "Tensor", value: (row) => row.name, text: (row) => row.name},
          {key: "shape", label: "Shape", value: (row) => row.shape, text: (row) => row.shape},
          {
            key: "weights",
            label: "Weights",
            right: true,
            value: (row) => row.weights,
            text: (row) => number(row.weights, 0)
          },
          {
            key: "bits",
            label: "Bits",
            right: true,
            value: (row) => row.bits,
            text: (row) => number(row.bits, 0)
          },
          {
            key: "per",
            label: "Bits per weight",
            right: true,
            value: (row) => row.bits / row.weights,
            text: (row) => number(row.bits / row.weights, 2)
          },
          {
            key: "share",
            label: "Share (%)",
            right: true,
            value: (row) => 100 * row.share,
            text: (row) => number(100 * row.share, 1)
          }
        ],
        rows: one.tensors,
        caption: `Bits of the tensors of ${name(one)}`,
        name: "the bits"
      }),
      h(
        "p",
        {class: "note"},
        `${number(total, 0)} bits of weights. Each tensor is coded separately here, without quantiser ranges and configuration.`
      )
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
      return Math.max(
        ...row.map((one) =>
          Math.max((side * side * one.area) / (sum * sum), (sum * sum) / (side * side * one.area))
        )
      );
    };
    while (queue.length) {
      const side = Math.min(w, height);
      const row = [queue.shift()];
      while (queue.length && ratio([...row, queue[0]], side) <= ratio(row, side)) row.push(queue.shift());
      const thickness = row.reduce((all, one) => all + one.area, 0) / side;
      let at = 0;
      for (const one of row) {
        const length = one.area / thickness;
        placed.push({
          item: one.item,
          ...(w >= height ? {x, y: y + at, w: thickness, h: length} : {x: x + at, y, w: length, h: thickness})
        });
        at += length;
      }
      if (w >= height) {
        x += thickness;
        w -= thickness;
      } else {
        y += thickness;
        height -= thickness;
      }
    }
    return placed;
  }

  const HUES = [
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#999933",
    "#882255",
    "#44AA99",
    "#8C510A"
  ];

  function drawMap(one, total) {
    const W = 960,
      H = 340,
      HEAD = 18;
    const members = (stage) =>
      one.tensors.filter((tensor) => tensor.name === stage.name || tensor.name.startsWith(`${stage.name}.`));
    const hasRoom = (text, width) => text.length * 6.6 < width - 8;
    const share = (item) => `${number((100 * item.bits) / total, 1)} %`;
    const label = (text, x, y, width) => (hasRoom(text, width) ? h("text", {x: x + 4, y}, text) : null);
    const cells = squarify(
      one.stages.filter((stage) => stage.bits > 0),
      {x: 0, y: 0, w: W, h: H}
    ).map((stage) => {
      const hue = HUES[one.stages.indexOf(stage.item) % HUES.length];
      const headed = stage.h > 44 && stage.w > 60;
      const inner = {
        x: stage.x + 2,
        y: stage.y + (headed ? HEAD : 2),
        w: Math.max(stage.w - 4, 0.1),
        h: Math.max(stage.h - (headed ? HEAD + 2 : 4), 0.1)
      };
      const tensors = squarify(
        members(stage.item).filter((tensor) => tensor.bits > 0),
        inner
      ).map((tensor) =>
        h(
          "g",
          {},
          h("rect", {
            x: tensor.x,
            y: tensor.y,
            width: tensor.w,
            height: tensor.h,
            fill: hue,
            class: "tensor"
          }),
          h(
            "title",
            {},
            `${tensor.item.name} (${tensor.item.shape}): ${number(tensor.item.bits, 0)} bits, ${share(tensor.item)}, ${number(tensor.item.bits / tensor.item.weights, 2)} bits per weight`
          ),
          tensor.h > 16
            ? label(
                tensor.item.name.slice(stage.item.name.length + 1) || tensor.item.name,
                tensor.x,
                tensor.y + 14,
                tensor.w
              )
            : null,
          tensor.h > 32 ? label(share(tensor.item), tensor.x, tensor.y + 29, tensor.w) : null
        )
      );
      return h(
        "g",
        {},
        h("rect", {x: stage.x, y: stage.y, width: stage.w, height: stage.h, fill: hue, class: "stage-box"}),
        h("title", {}, `${stage.item.name}: ${number(stage.item.bits, 0)} bits, ${share(stage.item)}`),
        headed
          ? (label(`${stage.item.name} ${share(stage.item)}`, stage.x, stage.y + 13, stage.w) ??
              label(stage.item.name, stage.x, stage.y + 13, stage.w))
          : null,
        tensors
      );
    });
    fill(
      map,
      h(
        "svg",
        {
          viewBox: `0 0 ${W} ${H}`,
          role: "img",
          "aria-label": "Treemap of the bits; the table below has the same numbers"
        },
        cells
      )
    );
  }

  window.Treemap = {render, squarify};
})();
