/* The measured runs: the table of all points, and the dialog with files, commands and record of one run. */
"use strict";

(() => {
  const {h, fill, number, rate, dialog, copy, NONE} = Dom;
  const {runs, metrics, costs, series} = REPORT;
  const byId = new Map(runs.map((run) => [run.id, run]));
  const seriesById = new Map(series.map((one) => [one.id, one]));
  const label = (run) => seriesById.get(run.series)?.label ?? run.series;

  State.declare({sort: "", filter: "", run: ""});

  /* Runs of a point: of one clip, or of all with clip "mean". */
  const of = (name, point, clip) =>
    runs.filter(
      (run) => run.series === name && run.point === point && (clip === "mean" || run.clip === clip)
    );

  /* Mean over seeds, then over clips, as the curves have it. */
  function mean(group, value) {
    const clips = new Map();
    for (const run of group) {
      const one = value(run);
      if (one !== undefined && one !== null) clips.set(run.clip, [...(clips.get(run.clip) ?? []), one]);
    }
    const average = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    return clips.size ? average([...clips.values()].map(average)) : null;
  }

  function columns() {
    const several = REPORT.clips.length > 1;
    const text = (key, name, value) => ({key, label: name, value, text: value});
    const numeric = (one) => ({
      key: one.name,
      label: one.unit ? `${one.label} (${one.unit})` : one.label,
      value: (run) => run.values[one.name] ?? null,
      text: (run) => number(run.values[one.name], one.digits),
      right: true
    });
    return [
      {
        ...text("series", "Series", label),
        cell: (run) => [Chart.swatch(seriesById.get(run.series)), label(run)]
      },
      ...(several ? [text("clip", "Clip", (run) => run.clip)] : []),
      text("point", "Point", (run) => run.point),
      text("run", "Run", (run) => run.run),
      {
        key: "rate",
        label: "Rate (bpp)",
        value: (run) => run.rate,
        text: (run) => rate(run.rate),
        right: true
      },
      ...metrics.map(numeric),
      ...costs.map(numeric)
    ];
  }

  function render(element) {
    fill(
      element,
      h("h2", {}, "All points"),
      h(
        "p",
        {class: "note"},
        "Each row is one measured file. A row opens its record, stream, log and commands."
      ),
      Table.table({
        columns: columns(),
        rows: runs,
        caption: "All measured points",
        name: "the points",
        sort: "sort",
        filter: "filter",
        onrow: (run) => State.set({run: run.id})
      })
    );
  }

  const COMMANDS = {encode: "Encode", measure: "Decode and score"};

  function open(id) {
    const run = byId.get(id);
    if (!run) return;
    const record = h("div", {}, "Loading the record ...");
    const commands = h("div");
    const origin = run.tracked
      ? "Tracked stream of the repository; its record was measured elsewhere."
      : run.run.startsWith("reference")
        ? "Tracked stream of the repository, decoded and scored by this run."
        : "Encoded, decoded and scored by this run.";
    const box = dialog(
      `${label(run)}, ${run.point}, ${run.clip}`,
      h("p", {}, origin, " ", links(run)),
      numbers(run),
      h("h3", {}, "Make this number again"),
      command("Encode, decode and score", run.command),
      commands,
      h("h3", {}, "Files"),
      h(
        "ul",
        {class: "files"},
        Object.entries(run.files).map(([name, link]) =>
          h(
            "li",
            {},
            h("a", {href: link.split("/").map(encodeURIComponent).join("/")}, name),
            " ",
            h("code", {}, pathOf(link))
          )
        )
      ),
      h(
        "p",
        {class: "note"},
        "Links open where the page lies in its repository. The record is below in any case."
      ),
      record
    );
    box.addEventListener("close", () => State.set({run: ""}));
    loadRecords(({shared, runs: records}) => {
      const content = records[id];
      for (const source of [content.provenance, content.provenance.encode ?? {}]) {
        for (const name of ["packages", "machine"]) {
          if (Number.isInteger(source[name])) source[name] = shared[source[name]];
        }
      }
      fill(
        record,
        h("details", {}, h("summary", {}, "Record"), h("pre", {}, JSON.stringify(content, null, 1)))
      );
      const given = {encode: content.provenance.encode?.command, measure: content.provenance.command};
      fill(
        commands,
        Object.entries(given).map(([name, text]) => text && command(`${COMMANDS[name]}, as recorded`, text))
      );
    });
  }

  /* A link as a path in the working directory or the repository. */
  function pathOf(link) {
    const folder = REPORT.folders.find((one) => link.startsWith(`${one}/`));
    return folder === undefined ? link : link.slice(folder.length + 1);
  }

  /* Buttons to the other sections that show the series of a run on its clip. */
  function links(run) {
    const set = REPORT.frames.find((one) => one.clip === run.clip);
    const picture = set?.pictures.find((one) => one.series === run.series);
    const net = REPORT.bits.findIndex((one) => one.series === run.series && one.clip === run.clip);
    const go = (text, changes) =>
      h("button", {type: "button", class: "link", onclick: () => leave(changes)}, text);
    return [
      picture ? [go("Its frames", {tab: "frames", fclip: run.clip, a: "source", b: picture.id}), " "] : null,
      net >= 0 ? go("Its bits", {tab: "network", net}) : null
    ];
  }

  /* Close the dialog and show another section. */
  function leave(changes) {
    document.querySelector("dialog[open]").close();
    State.set({run: "", ...changes});
  }

  function command(title, text) {
    const button = h("button", {type: "button", onclick: () => copy(text, button)}, "Copy");
    return h("div", {class: "command"}, h("span", {}, title), button, h("code", {}, text));
  }

  function numbers(run) {
    const lines = [...metrics, ...costs].filter((one) => run.values[one.name] !== undefined);
    const cell = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
    return h(
      "dl",
      {class: "numbers"},
      cell("Rate", `${rate(run.rate)} bpp`),
      lines.map((one) => cell(one.label, `${number(run.values[one.name], one.digits)} ${one.unit}`))
    );
  }

  /* The records are a separate file, which is read when the first one is shown. */
  function loadRecords(then) {
    if (window.RECORDS) return then(RECORDS);
    const script = h("script", {src: "records.js", onload: () => then(RECORDS)});
    document.head.append(script);
  }

  State.onchange((changed) => changed.includes("run") && State.get("run") && open(State.get("run")));

  window.Runs = {render, open, of, mean, byId, seriesById, label, NONE};
})();
