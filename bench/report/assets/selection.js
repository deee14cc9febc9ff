/* What the rate-distortion explorer shows: the metric, the clip, the curves and the range of rates in the URL. */
"use strict";

(() => {
  const {number, rate} = Dom;
  const {condition, clips, metrics, series, curves} = REPORT;
  const metricOf = new Map(metrics.map((one) => [one.name, one]));
  const {seriesById} = Runs;
  const headline = metricOf.has(condition.headline) ? condition.headline : (metrics[0]?.name ?? "");
  const isControl = (name) => seriesById.get(name).kind === "control";
  const measured = (name) => !["reported", "user"].includes(seriesById.get(name).group);

  const anchors = [
    ...new Set(series.filter((one) => measured(one.id) && !isControl(one.id)).map((one) => one.id))
  ];
  /* The view at the start is the one with most series: the mean over clips, where every clip has them. */
  const drawable = (all) => all.filter((curve) => curve.points.length && !isControl(curve.series));
  const seriesOn = (name) => drawable(curves[headline]?.[name] ?? []).length;
  const views = [...(clips.length > 1 ? ["mean"] : []), ...clips.map((one) => one.name)];
  const fullest = views.reduce((best, name) => (seriesOn(name) > seriesOn(best) ? name : best));
  State.declare({
    metric: headline,
    clip: fullest,
    x: "log",
    y: "linear",
    off: "",
    bands: "1",
    anchor: condition.anchor && anchors.includes(condition.anchor) ? condition.anchor : (anchors[0] ?? ""),
    lo: "",
    hi: "",
    at: condition.rate ? String(condition.rate) : "",
    zoom: "",
    pins: "",
    rdsort: ""
  });

  const axisLabel = (metric) => (metric.unit ? `${metric.label} (${metric.unit})` : metric.label);
  const metric = () => metricOf.get(State.get("metric")) ?? metricOf.get(headline);
  const clip = () => (curves[metric().name][State.get("clip")] ? State.get("clip") : fullest);
  const curvesOf = (name) => curves[metric().name][name];
  const shown = () => drawable(curvesOf(clip()));

  /* Labels of the series that the mean over clips leaves out, because a clip lacks them. */
  function leftOut() {
    if (clip() !== "mean") return [];
    const inMean = new Set(shown().map((curve) => curve.series));
    const onClips = drawable(clips.flatMap((one) => curvesOf(one.name)));
    const missing = onClips.filter((one) => measured(one.series) && !inMean.has(one.series));
    return [...new Set(missing.map((one) => one.label))];
  }

  const visible = () => shown().filter((curve) => !State.has("off", curve.series));
  const positive = (text) => (Number(text) > 0 ? Number(text) : null);

  /* The range of rates that BD-rates cover, or null for all of them. */
  function range() {
    const low = positive(State.get("lo")),
      high = positive(State.get("hi"));
    if (low === null && high === null) return null;
    return [low ?? 1e-9, high ?? 1e9];
  }

  /* The curve of a series on a clip; undefined without points. */
  const curveOf = (clipName, name) =>
    curvesOf(clipName).find((curve) => curve.series === name && curve.points.length);

  /* All numbers of one point: [name, text] pairs. */
  function facts(name, point) {
    const curve = curvesOf(clip()).find((one) => one.series === name);
    const index = curve ? curve.points.indexOf(point) : -1;
    const group = Runs.of(name, point, clip());
    const lines = [];
    if (index >= 0) lines.push(["Rate (bpp)", rate(curve.rate[index])]);
    if (!group.length && index >= 0)
      lines.push([axisLabel(metric()), number(curve.quality[index], metric().digits)]);
    for (const one of [...metrics, ...REPORT.costs]) {
      const value = Runs.mean(group, (run) => run.values[one.name]);
      if (value !== null) lines.push([axisLabel(one), number(value, one.digits)]);
    }
    if (group.length > 1) lines.push(["Runs of this mean", String(group.length)]);
    return lines;
  }

  window.Selection = {
    anchors,
    metricOf,
    axisLabel,
    measured,
    metric,
    clip,
    curvesOf,
    curveOf,
    shown,
    leftOut,
    visible,
    range,
    positive,
    facts
  };
})();
