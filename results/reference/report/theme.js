/* Light and dark colours. */
"use strict";

(() => {
  const NEXT = {auto: "dark", dark: "light", light: "auto"};
  let printing = false;

  State.declare({theme: "auto"});

  function apply() {
    const theme = printing ? "light" : State.get("theme");
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  State.beforeOthers((changed) => changed.includes("theme") && apply());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => State.refresh("theme"));

  // Paper is white: charts are drawn in the light colours before a page is printed.
  for (const event of ["beforeprint", "afterprint"]) {
    addEventListener(event, () => {
      printing = event === "beforeprint";
      State.refresh("theme");
    });
  }

  window.Theme = {apply, next: () => State.set({theme: NEXT[State.get("theme")] ?? "auto"})};
})();
