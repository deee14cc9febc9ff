/* Charts: a wrapper of Plotly with the page's colours, which also saves a chart as SVG and PNG. */
"use strict";

(() => {
  const {h, download} = Dom;
  const CONFIG = {displaylogo: false, displayModeBar: false, responsive: true, doubleClick: false};
  const FONT = "system-ui, sans-serif";

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = () => style("--dark") === "1";

  /* A series' colour; on a dark background dark colours are mixed with white. */
  function colour(hex, dark = isDark()) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const luminance = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    if (!dark || luminance > 0.45) return hex;
    const share = 0.55 * (1 - luminance / 0.45) + 0.15;
    const mixed = [r, g, b].map((level) => Math.round(level + (255 - level) * share));
    return `#${mixed.map((level) => level.toString(16).padStart(2, "0")).join("")}`;
  }

  /* Plotly reads tags and entities in texts. */
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function axis(title, options = {}) {
    return {
      title: {text: plain(title), standoff: 8},
      gridcolor: style("--grid"),
      linecolor: style("--faint"),
      zeroline: false,
      ticks: "outside",
      tickcolor: style("--faint"),
      automargin: true,
      exponentformat: "none",
      ...options
    };
  }

  /* Ticks of a logarithmic axis from 10^low to 10^high: the coarsest steps that give at least five. */
  const STEPS = [
    [1],
    [1, 2, 5],
    [1, 1.5, 2, 3, 4, 5, 7],
    [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9]
  ];
  function logTicks([low, high]) {
    const of = (steps) => {
      const ticks = [];
      for (let power = Math.floor(low); power <= high; power++) {
        for (const step of steps) {
          const value = Number(`${step}e${power}`);
          if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
        }
      }
      return ticks;
    };
    const tickvals = STEPS.map(of).find((ticks) => ticks.length >= 5) ?? of(STEPS[3]);
    return tickvals.length < 2 ? {} : {tickvals, ticktext: tickvals.map(String)};
  }

  function layout(options) {
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: {family: FONT, size: 13, color: style("--ink")},
      margin: {l: 56, r: 12, t: 10, b: 46},
      showlegend: false,
      hovermode: "closest",
      hoverdistance: 24,
      ...options
    };
  }

  const draw = (element, traces, options) => Plotly.react(element, traces, layout(options), CONFIG);

  /* Texts of a chart's image are black on white and have a legend, in both themes. */
  async function save(element, name, format) {
    const restyle = (trace) => ({...trace, name: trace.legend ?? trace.name, hoverinfo: "skip"});
    const light = {
      paper_bgcolor: "#fff",
      plot_bgcolor: "#fff",
      font: {family: FONT, size: 13, color: "#222"}
    };
    const legend = {orientation: "v", x: 1.02, y: 1, font: {size: 11}};
    const figure = {
      data: element.data.filter((trace) => trace.meta !== "overlay").map(restyle),
      layout: {
        ...element.layout,
        ...light,
        showlegend: element.data.length > 1,
        legend,
        shapes: [],
        autosize: false
      }
    };
    for (const key of ["xaxis", "yaxis"]) {
      figure.layout[key] = {
        ...figure.layout[key],
        gridcolor: "#e4e4e4",
        linecolor: "#888",
        tickcolor: "#888"
      };
    }
    const scale = format === "png" ? 2 : 1;
    const url = await Plotly.toImage(figure, {format, width: 1000, height: 560, scale});
    const [head, body] = [url.slice(0, url.indexOf(",")), url.slice(url.indexOf(",") + 1)];
    const text = head.endsWith("base64") ? atob(body) : decodeURIComponent(body);
    const data = format === "svg" ? text : Uint8Array.from(text, (character) => character.charCodeAt(0));
    const type = format === "svg" ? "image/svg+xml" : "image/png";
    download(`${name}.${format}`, new Blob([data], {type}));
  }

  const saveButtons = (element, name) =>
    h(
      "span",
      {class: "copies"},
      "Save as ",
      ["svg", "png"].map((format) =>
        h("button", {type: "button", onclick: () => save(element, name(), format)}, format.toUpperCase())
      )
    );

  /* A closed path of `count` corners around the middle of a swatch, the first of them above. With `inner`, it
     is a star whose inner corners have this share of the radius. */
  function corners(count, {inner = null, turn = 0} = {}) {
    const steps = inner === null ? count : 2 * count;
    const points = Array.from({length: steps}, (_, step) => {
      const radius = inner !== null && step % 2 ? 5 * inner : 5;
      const angle = ((turn + (360 * step) / steps - 90) * Math.PI) / 180;
      return `${(17 + radius * Math.cos(angle)).toFixed(2)} ${(6 + radius * Math.sin(angle)).toFixed(2)}`;
    });
    return `M${points.join("L")}z`;
  }

  /* Line and marker of a series as a small picture. */
  const PATHS = {
    pentagon: corners(5),
    hexagon: corners(6, {turn: 30}),
    hexagon2: corners(6),
    octagon: corners(8, {turn: 22.5}),
    star: corners(5, {inner: 0.4}),
    "star-diamond": corners(4, {inner: 0.35}),
    hexagram: corners(6, {inner: 0.58}),
    "y-up": "M17 6V1M17 6l4.300 2.500M17 6l-4.300 2.500",
    "y-down": "M17 6v5M17 6l4.300-2.500M17 6l-4.300-2.500",
    circle: "M13 6a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    square: "M13.5 2.5h7v7h-7z",
    "triangle-up": "M17 1.5l4.5 8h-9z",
    "triangle-down": "M17 10.5l4.5-8h-9z",
    "triangle-right": "M21.5 6l-8 4.5v-9z",
    "triangle-left": "M12.5 6l8-4.5v9z",
    diamond: "M17 1l5 5-5 5-5-5z",
    "diamond-tall": "M17 0.5l3.5 5.5-3.5 5.5-3.5-5.5z",
    cross: "M15.5 2h3v2.500h2.500v3h-2.500v2.500h-3v-2.500h-2.500v-3h2.500z",
    x: "M14 1.500l3 3 3-3 1.500 1.500-3 3 3 3-1.500 1.500-3-3-3 3-1.500-1.500 3-3-3-3z"
  };
  function swatch(series) {
    const hollow = series.symbol.endsWith("-open");
    const stroke = colour(series.colour);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", PATHS[series.symbol.replace(/-open$/, "")] ?? PATHS.circle);
    path.setAttribute("stroke", stroke);
    path.setAttribute("fill", hollow ? "var(--paper)" : stroke);
    const dash = series.dash === "solid" ? null : series.dash.replace(/px/g, "");
    return h(
      "svg",
      {class: "swatch", viewBox: "0 0 34 12", width: 34, height: 12, "aria-hidden": "true"},
      h("line", {
        x1: 0,
        x2: 34,
        y1: 6,
        y2: 6,
        stroke,
        "stroke-width": series.width,
        "stroke-dasharray": dash
      }),
      path
    );
  }

  window.Chart = {draw, axis, logTicks, colour, plain, style, isDark, saveButtons, save, swatch, PATHS};
})();
