/* What supports the numbers: controls, environments, seeds, skipped points, and what was measured elsewhere. */
"use strict";

(() => {
  const {h, fill, rate} = Dom;
  const {trust, series, runs, condition} = REPORT;

  const list = (items) =>
    h(
      "ul",
      {},
      items.map((item) => h("li", {}, item))
    );

  function render(element) {
    const tracked = runs.filter((run) => run.tracked).length;
    const others = series.filter((one) => ["reported", "user"].includes(one.group));
    const missing = trust.planned - trust.measured;
    const card = (value, text, state = "") =>
      h("div", {class: `card ${state}`}, h("b", {}, value), " ", text);
    fill(
      element,
      h("h2", {}, "What supports these numbers"),
      h(
        "p",
        {},
        "Every number comes from one path: the encoder writes one file, a separate process that sees only this file decodes it to 8-bit frames, and those frames are scored. The rate is the size of the file."
      ),
      h(
        "div",
        {class: "cards"},
        card(`${trust.measured} of ${trust.planned}`, "points measured", missing ? "warn" : "good"),
        card(trust.controls.length, "controls passed", trust.controls.length ? "good" : "warn"),
        card(trust.skipped.length, "points skipped"),
        trust.seeds.length
          ? card(
              trust.seeds.length,
              trust.seeds.length === 1 ? `seed (${trust.seeds[0]})` : `seeds (${trust.seeds.join(", ")})`
            )
          : null,
        card(
          trust.repeated ? `${trust.repeatable} of ${trust.repeated}` : "none",
          "repeated decodes with equal frames",
          trust.repeated === trust.repeatable ? "" : "warn"
        )
      ),
      h("h3", {}, "Controls"),
      trust.controls.length
        ? list(
            trust.controls.map(
              (one) =>
                `${one.label} on ${one.clip}: expected ${one.expected}; measured ${one.measured} at ${rate(one.rate)} bpp. A control with another result has no record.`
            )
          )
        : h("p", {class: "note"}, "This condition has no control codecs, or they are not measured yet."),
      h("h3", {}, "Measured here and elsewhere"),
      list([
        `${runs.length - tracked} records are of this run${tracked ? `; ${tracked} are tracked records, which another machine measured` : ""}.`,
        others.length
          ? [
              `${others.length} curves were not measured by this suite. They are drawn thin and dashed, and no mean contains them:`,
              list(others.map((one) => one.note || one.label))
            ]
          : "No published curves are shown."
      ]),
      trust.programs.length
        ? [
            h("h3", {}, "Programs outside the suite"),
            list(
              trust.programs.map(
                (one) =>
                  `${one.label}: ${one.programs}. ${one.files ? `Files: ${one.files}. ` : ""}Isolation of the encoder: ${one.encode_isolation}; of the decoder: ${one.decode_isolation}.`
              )
            )
          ]
        : null,
      h("h3", {}, "Skipped and missing"),
      missing ? h("p", {}, `${missing} planned points have no record yet.`) : null,
      trust.skipped.length
        ? list(trust.skipped.map((one) => `${one.label}, ${one.point}, ${one.clip}: ${one.reason}`))
        : h("p", {}, "No point was skipped."),
      trust.absent.length
        ? [
            h("p", {}, "Metrics without a value:"),
            list(trust.absent.map((one) => `${one.metric}: ${one.reason} (${one.records} records)`))
          ]
        : null,
      h("h3", {}, trust.environments.length === 1 ? "Environment" : "Environments"),
      trust.environments.map((one) =>
        h(
          "div",
          {class: "environment"},
          h("p", {}, `${one.records} records`),
          h(
            "dl",
            {class: "facts"},
            Object.entries(one.fields)
              .filter(([, text]) => text)
              .map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))
          )
        )
      ),
      trust.notes.length ? [h("h3", {}, "Notes"), list(trust.notes)] : null,
      h("h3", {}, "The condition"),
      h("p", {}, h("b", {}, condition.name), ": ", condition.title, ". ", condition.description),
      h(
        "p",
        {class: "note"},
        "Check any tracked stream again with ",
        h("code", {}, "python -m bench verify results/reference"),
        "."
      )
    );
  }

  window.Trust = {render};
})();
