/* Comparison of the visible series with an anchor: BD-rates, quality at one rate, times. */
"use strict";

(() => {
  const {h, fill, number, rate, NONE} = Dom;
  const {condition, clips, bd} = REPORT;
  const {seriesById} = Runs;
  const {metric, clip, curveOf, measured, visible, range, positive} = Selection;

  /* Comparison of each visible series with the anchor, on the clip or as the mean over clips. */
  function comparisons() {
    const anchor = State.get("anchor"),
      limits = range(),
      at = positive(State.get("at"));
    const names = clip() === "mean" ? clips.map((one) => one.name) : [clip()];
    return visible().map((curve) => {
      const row = {series: curve.series, curve};
      for (const [key, difference] of [
        ["rate", BD.bdRate],
        ["quality", BD.bdQuality]
      ]) {
        row[key] = overClips(names, (name) => {
          const pair = [curveOf(name, anchor), curveOf(name, curve.series)];
          if (!pair[0])
            throw new Error(`${seriesById.get(anchor)?.label ?? "the anchor"} has no ${metric().label}`);
          if (!pair[1]) throw new Error(`${curve.label} has no ${metric().label}`);
          return difference(...pair, metric(), limits);
        });
      }
      const ofSuite = bd.find(
        (one) => one.series === curve.series && one.clip === clip() && one.metric === metric().name
      );
      row.interval = !limits && anchor === condition.anchor ? (ofSuite?.interval ?? null) : null;
      const reference = curveOf(clip(), anchor);
      row.at = at ? attempt(() => BD.qualityAt(curve, metric(), at)) : null;
      row.needs = row.at !== null && reference ? attempt(() => BD.rateAt(reference, metric(), row.at)) : null;
      for (const key of ["encode_wall_s", "decode_wall_s"]) {
        row[key] = Runs.mean(nearest(curve, at), (run) => run.values[key]);
      }
      return row;
    });
  }

  function overClips(names, difference) {
    const deltas = {};
    for (const name of names) {
      try {
        deltas[name] = difference(name);
      } catch (error) {
        deltas[name] = error;
      }
    }
    if (names.length === 1) return deltas[names[0]];
    try {
      return BD.meanOverClips(deltas);
    } catch (error) {
      return error;
    }
  }

  function attempt(compute) {
    try {
      return compute();
    } catch {
      return null;
    }
  }

  /* Runs of the point of a curve that is nearest to a rate by ratio. */
  function nearest(curve, at) {
    const target = at ?? curve.rate[Math.floor(curve.rate.length / 2)];
    const distance = curve.rate.map((value) => Math.abs(Math.log(value / target)));
    return Runs.of(curve.series, curve.points[distance.indexOf(Math.min(...distance))], clip());
  }

  function render(element) {
    const anchor = seriesById.get(State.get("anchor"));
    const at = positive(State.get("at")),
      one = metric();
    if (!anchor) return;
    const value = (key) => (row) =>
      row[key] instanceof Error || row[key] === null ? null : (row[key].value ?? row[key]);
    const unit = one.unit ? ` (${one.unit})` : "";
    const columns = [
      {
        key: "series",
        label: "Series",
        value: (row) => seriesById.get(row.series).label,
        text: (row) => seriesById.get(row.series).label,
        cell: (row) => [Chart.swatch(seriesById.get(row.series)), seriesById.get(row.series).label]
      },
      {
        key: "bd",
        label: "BD-rate (%)",
        right: true,
        value: value("rate"),
        text: (row) => number(value("rate")(row), 1, {sign: true}),
        title: "Mean difference of rate at equal quality; negative: fewer bits"
      },
      {
        key: "bdq",
        label: `BD-${one.label}${unit}`,
        right: true,
        value: value("quality"),
        text: (row) => number(value("quality")(row), one.digits, {sign: true}),
        title: "Mean difference of the metric at equal rate"
      }
    ];
    const rows = comparisons();
    if (rows.some((row) => row.interval)) {
      columns.splice(2, 0, {
        key: "interval",
        label: "95 % interval",
        right: true,
        value: (row) => row.interval?.[0] ?? null,
        text: (row) =>
          row.interval ? row.interval.map((end) => number(end, 1, {sign: true})).join(" to ") : NONE
      });
    }
    if (at) {
      columns.push({
        key: "at",
        label: `${one.label} at ${rate(at)} bpp`,
        right: true,
        value: value("at"),
        text: (row) => number(row.at, one.digits)
      });
      columns.push({
        key: "needs",
        label: "Anchor needs (bpp)",
        right: true,
        value: value("needs"),
        text: (row) => rate(row.needs),
        title: "Rate at which the anchor has that quality"
      });
    }
    for (const [key, label] of [
      ["encode_wall_s", "Encode (s)"],
      ["decode_wall_s", "Decode (s)"]
    ]) {
      columns.push({
        key,
        label,
        right: true,
        value: value(key),
        text: (row) => number(row[key], key[0] === "e" ? 1 : 2),
        title: "Of the point nearest to the rate; other jobs may have run at the same time"
      });
    }
    const remark = (row) =>
      BD.remark(row.rate) ||
      (row.quality instanceof Error ? `BD-${one.label}: ${row.quality.message}` : "");
    if (rows.some(remark)) {
      columns.push({key: "remark", label: "Remark", long: true, value: remark, text: remark});
    }
    const limits = range();
    const scope = limits
      ? `over the qualities that the anchor reaches from ${limits[0] > 1e-9 ? rate(limits[0]) : "its lowest rate"} to ${limits[1] < 1e9 ? `${rate(limits[1])} bpp` : "its highest rate"}`
      : "over all common qualities, as in bd_rate.csv";
    fill(
      element,
      h("h3", {}, `Against ${anchor.label}`),
      h("p", {class: "note"}, answer(rows, at, one), `BD-rate ${scope}; negative: fewer bits.`),
      Table.table({
        columns,
        rows,
        caption: `BD-rates against ${anchor.label}`,
        name: "the comparison",
        sort: "rdsort",
        rowClass: (row) => (row.series === anchor.id ? "anchor" : null),
        onrow: (row) => openNearest(row.curve, at)
      })
    );
  }

  /* The sentence on the best series at the chosen rate. */
  function answer(rows, at, one) {
    const ranked = rows
      .filter((row) => row.at !== null && measured(row.series))
      .sort((a, b) => one.direction * (b.at - a.at));
    if (!at || !ranked.length) return "";
    const [first, second] = ranked;
    const lead = second
      ? `, ${number(Math.abs(first.at - second.at), one.digits)} ${one.unit || "units"} ahead of ${seriesById.get(second.series).label}`
      : "";
    return `At ${rate(at)} bpp, ${seriesById.get(first.series).label} is best: ${number(first.at, one.digits)} ${one.unit}${lead}. `;
  }

  function openNearest(curve, at) {
    const [run] = nearest(curve, at);
    if (run) State.set({run: run.id});
  }

  window.Comparison = {render, rows: comparisons};
})();
