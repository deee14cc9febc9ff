/* Inside networks: bits by stage and tensor, parts of frames, PSNR and loss while fitting. */
"use strict";

(() => {
  const {h, fill} = Dom;
  const SECTIONS = [
    {module: Treemap, names: ["net"], element: h("section")},
    {module: Parts, names: ["part", "pframe"], element: h("section")},
    {module: Fits, names: ["fitx", "fity", "fitscale", "fitoff", "fitclip"], element: h("section")}
  ];
  let ready = false;

  function render(element) {
    fill(
      element,
      h("h2", {class: "offscreen"}, "Inside networks"),
      SECTIONS.map((section) => section.element)
    );
    ready = true;
    SECTIONS.forEach(({module, element: section}) => module.render(section));
  }

  State.onchange((changed) => {
    if (!ready || State.get("tab") !== "network") return;
    for (const {module, names, element} of SECTIONS) {
      if (changed.some((name) => ["theme", "tab"].includes(name) || names.includes(name)))
        module.render(element);
    }
  });

  window.Network = {render};
})();
