/* The page: heading, tabs, theme, keyboard. */
"use strict";

(() => {
  const {h, fill, dialog, copy} = Dom;
  const TABS = [
    ["rd", "Rate and quality", RD],
    ["frames", "Frames", Frames],
    ["network", "Inside networks", Network],
    ["points", "All points", Runs],
    ["trust", "Trust", Trust]
  ];
  State.declare({tab: "rd"});
  State.start();
  Theme.apply();

  const main = document.getElementById("main");
  const panels = new Map();
  const name = () => (TABS.some(([id]) => id === State.get("tab")) ? State.get("tab") : "rd");

  function drawTabs() {
    fill(
      document.getElementById("tabs"),
      TABS.map(([id, label], index) =>
        h(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${id}`,
            "aria-controls": `panel-${id}`,
            "aria-selected": String(id === name()),
            tabindex: id === name() ? 0 : -1,
            title: `Key ${index + 1}`,
            onclick: () => State.set({tab: id})
          },
          label
        )
      )
    );
  }

  function show() {
    drawTabs();
    for (const [id, , module] of TABS) {
      if (id === name() && !panels.has(id)) {
        const panel = h("section", {
          id: `panel-${id}`,
          role: "tabpanel",
          "aria-labelledby": `tab-${id}`,
          class: "panel"
        });
        panels.set(id, panel);
        main.append(panel);
        module.render(panel);
      }
      if (panels.has(id)) panels.get(id).hidden = id !== name();
    }
  }

  function drawHead() {
    document.title = `${REPORT.condition.name}: report`;
    document.getElementById("title").textContent = REPORT.condition.name;
    document.getElementById("subtitle").textContent = REPORT.condition.title;
    const link = h(
      "button",
      {type: "button", title: "Copy a link to this view", onclick: () => copy(location.href, link)},
      "Copy link"
    );
    const theme = h("button", {type: "button", onclick: Theme.next}, "Theme");
    const update = () => (theme.textContent = `Theme: ${State.get("theme")}`);
    State.onchange(update);
    update();
    fill(
      document.getElementById("actions"),
      link,
      theme,
      h("button", {type: "button", onclick: help}, "Keys")
    );
    fill(
      document.getElementById("foot"),
      `Written by neural-video-bench ${REPORT.suite}. This page loads nothing from a network. Charts: plotly.js (MIT licence, vendor/plotly.LICENSE).`
    );
  }

  function help() {
    const keys = [
      ["1 to 5", "sections"],
      ["\u2190 \u2192", "previous and next frame (Frames), tabs (when one has the focus)"],
      ["Space", "play frames"],
      ["b", "blink between A and B"],
      ["s d f x g", "side by side, wipe, flicker, difference, all"],
      ["w", "worst frame"],
      ["+ - 0", "zoom in, zoom out, whole picture"],
      ["l", "rate axis linear or log"],
      ["t", "theme"],
      ["?", "this list"]
    ];
    dialog(
      "Keys",
      h(
        "dl",
        {class: "facts"},
        keys.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)))
      )
    );
  }

  const KEYS = {
    t: Theme.next,
    l: () => name() === "rd" && State.set({x: State.get("x") === "log" ? "linear" : "log", zoom: ""}),
    "?": help
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("input:not([type=range]):not([type=checkbox]), select, textarea")) return;
    if (target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
    if (target.matches("button, a") && event.key === " ") return;
    if (target.getAttribute("role") === "tab" && event.key.startsWith("Arrow")) {
      const at = TABS.findIndex(([id]) => id === name());
      const next = TABS[(at + (event.key === "ArrowRight" ? 1 : TABS.length - 1)) % TABS.length][0];
      State.set({tab: next});
      document.getElementById(`tab-${next}`).focus();
      return;
    }
    const tab = TABS[Number(event.key) - 1];
    const ofFrames = name() === "frames" ? Frames.keys[event.key] : null;
    const action = ofFrames ?? (event.key !== " " && tab ? () => State.set({tab: tab[0]}) : KEYS[event.key]);
    if (action) {
      event.preventDefault();
      action();
    }
  });

  State.beforeOthers((changed) => changed.includes("tab") && show());
  drawHead();
  show();
  if (State.get("run")) Runs.open(State.get("run"));
  document.documentElement.dataset.ready = "1";
})();
