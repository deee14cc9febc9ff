/* Bjontegaard differences of two curves, as bench/analysis/bjontegaard.py computes them. A test compares both.

   A curve is {label, points, rate, quality, used, hull, notes} with rates in bits per pixel, sorted by rate
   (curve_values of bench/report/curve_data.py). A metric is {label, direction}. A comparison that the data do not support throws an Error with the reason. */
"use strict";

(() => {
  const MIN_POINTS = 4;
  const PARTIAL = 0.5;

  /* Piecewise cubic of Fritsch and Butland: monotonic where the data are. x rises strictly. */
  class Pchip {
    constructor(x, y) {
      const n = x.length;
      const h = [],
        slope = [];
      for (let i = 0; i + 1 < n; i++) {
        h.push(x[i + 1] - x[i]);
        slope.push((y[i + 1] - y[i]) / h[i]);
      }
      this.x = x;
      this.y = y;
      this.d = new Array(n);
      if (n === 2) {
        this.d.fill(slope[0]);
        return;
      }
      for (let i = 1; i + 1 < n; i++) {
        const a = slope[i - 1],
          b = slope[i];
        if (a * b <= 0) {
          this.d[i] = 0;
          continue;
        }
        const w1 = 2 * h[i] + h[i - 1],
          w2 = h[i] + 2 * h[i - 1];
        this.d[i] = 1 / ((w1 / a + w2 / b) / (w1 + w2));
      }
      this.d[0] = Pchip.end(h[0], h[1], slope[0], slope[1]);
      this.d[n - 1] = Pchip.end(h[n - 2], h[n - 3], slope[n - 2], slope[n - 3]);
    }

    /* Derivative at an end: three-point formula, limited so that the shape is kept. */
    static end(h0, h1, m0, m1) {
      const d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1);
      if (Math.sign(d) !== Math.sign(m0)) return 0;
      if (Math.sign(m0) !== Math.sign(m1) && Math.abs(d) > 3 * Math.abs(m0)) return 3 * m0;
      return d;
    }

    get low() {
      return this.x[0];
    }

    get high() {
      return this.x[this.x.length - 1];
    }

    /* Coefficients of piece i in t = x - x[i]: y + d t + c t^2 + b t^3. */
    piece(i) {
      const h = this.x[i + 1] - this.x[i];
      const slope = (this.y[i + 1] - this.y[i]) / h;
      const t = (this.d[i] + this.d[i + 1] - 2 * slope) / h;
      return [this.y[i], this.d[i], (slope - this.d[i]) / h - t, t / h];
    }

    at(x) {
      let i = 0;
      while (i + 2 < this.x.length && x >= this.x[i + 1]) i++;
      const [a, b, c, d] = this.piece(i);
      const t = x - this.x[i];
      return a + t * (b + t * (c + t * d));
    }

    integrate(from, to) {
      let area = 0;
      for (let i = 0; i + 1 < this.x.length; i++) {
        const low = Math.max(from, this.x[i]),
          high = Math.min(to, this.x[i + 1]);
        if (high <= low) continue;
        const [a, b, c, d] = this.piece(i);
        const primitive = (t) => t * (a + t * (b / 2 + t * (c / 3 + (t * d) / 4)));
        area += primitive(high - this.x[i]) - primitive(low - this.x[i]);
      }
      return area;
    }
  }

  const log10 = (values) => values.map((value) => Math.log10(value));
  const rising = (curve, metric) => curve.quality.map((value) => metric.direction * value);
  const rateOverQuality = (curve, metric) => new Pchip(rising(curve, metric), log10(curve.rate));
  const qualityOverRate = (curve, metric) => new Pchip(log10(curve.rate), rising(curve, metric));

  /* The points of a curve at some of its positions. */
  function pick(curve, positions) {
    const at = (values) => positions.map((i) => values[i]);
    return {...curve, points: at(curve.points), rate: at(curve.rate), quality: at(curve.quality)};
  }

  function check(curve, minPoints = MIN_POINTS) {
    const n = curve.points.length;
    if (n < minPoints) {
      throw new Error(`${curve.label} has ${n} point${n === 1 ? "" : "s"}, ${minPoints} needed`);
    }
    if (curve.rate.some((rate) => rate <= 0)) throw new Error(`${curve.label} has a rate of zero`);
  }

  /* The points that BD-rates use, chosen by the analysis when the page was written. */
  function checked(anchor, test) {
    const curves = [anchor, test].map((curve) => {
      const kept = pick(curve, curve.hull ?? curve.used);
      try {
        check(kept);
      } catch (error) {
        throw new Error([error.message, ...curve.notes].join("; "));
      }
      return kept;
    });
    return [...curves, [...anchor.notes, ...test.notes]];
  }

  /* Mean of test(x) - anchor(x) over the interval where both are defined and that lies within `limits`. */
  function meanDifference(anchor, test, limits = [-Infinity, Infinity]) {
    const low = Math.max(anchor.low, test.low, limits[0]),
      high = Math.min(anchor.high, test.high, limits[1]);
    if (!(high > low)) return null;
    const area = test.integrate(low, high) - anchor.integrate(low, high);
    const narrower = Math.min(anchor.high - anchor.low, test.high - test.low);
    return {value: area / (high - low), low, high, share: (high - low) / narrower};
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /* Mean difference of rate at equal quality in percent; negative: `test` needs fewer bits.

     `range` is a pair of rates of the anchor. Only qualities that the anchor reaches between them count. */
  function bdRate(anchorCurve, testCurve, metric, range = null) {
    const [anchor, test, notes] = checked(anchorCurve, testCurve);
    let limits;
    if (range) {
      const quality = qualityOverRate(anchor, metric);
      limits = range.map((rate) => quality.at(clamp(Math.log10(rate), quality.low, quality.high)));
    }
    const delta = meanDifference(rateOverQuality(anchor, metric), rateOverQuality(test, metric), limits);
    if (!delta) throw new Error(range ? "no overlap in this range of rates" : "no overlap of qualities");
    const ends = [metric.direction * delta.low, metric.direction * delta.high].sort((a, b) => a - b);
    const value = 100 * (Math.pow(10, delta.value) - 1);
    return {value, low: ends[0], high: ends[1], share: delta.share, notes};
  }

  /* Mean difference of the metric at equal rate (BD-PSNR), between the rates of `range` where it is given. */
  function bdQuality(anchorCurve, testCurve, metric, range = null) {
    const [anchor, test, notes] = checked(anchorCurve, testCurve);
    const limits = range ? log10(range) : undefined;
    const delta = meanDifference(qualityOverRate(anchor, metric), qualityOverRate(test, metric), limits);
    if (!delta) throw new Error(range ? "no overlap in this range of rates" : "no overlap of rates");
    const value = metric.direction * delta.value;
    return {value, low: Math.pow(10, delta.low), high: Math.pow(10, delta.high), share: delta.share, notes};
  }

  function evaluate(curve, metric, functionOf, x) {
    const kept = pick(curve, curve.used);
    check(kept, 2);
    const f = functionOf(kept, metric);
    // The logarithm of an end point may lie outside by its last digit.
    if (x < f.low - 1e-9 || x > f.high + 1e-9) throw new Error(`${curve.label} has no points on both sides`);
    return f.at(clamp(x, f.low, f.high));
  }

  /* Value of the metric at a rate between the ends of a curve. */
  const qualityAt = (curve, metric, rate) =>
    metric.direction * evaluate(curve, metric, qualityOverRate, Math.log10(rate));

  /* Rate in bits per pixel at a value of the metric. */
  const rateAt = (curve, metric, quality) =>
    Math.pow(10, evaluate(curve, metric, rateOverQuality, metric.direction * quality));

  /* Mean of differences over clips: {value, clips, without}. Fewer than two clips have no mean. */
  function meanOverClips(deltas) {
    const names = Object.keys(deltas);
    const values = names.filter((name) => !(deltas[name] instanceof Error)).map((name) => deltas[name].value);
    const without = names.filter((name) => deltas[name] instanceof Error);
    if (values.length < 2) throw new Error(`no mean: no number on ${without.join(", ")}`);
    const notes = without.length
      ? [`mean over ${values.length} of ${names.length} clips: no number on ${without.join(", ")}`]
      : [];
    for (const name of names) {
      if (!(deltas[name] instanceof Error))
        notes.push(...deltas[name].notes.map((note) => `${name}: ${note}`));
    }
    const shares = names.map((name) => deltas[name].share).filter((share) => share !== undefined);
    const value = values.reduce((a, b) => a + b, 0) / values.length;
    return {value, share: Math.min(...shares), notes};
  }

  /* The notes of a difference, and a remark on a small common interval. */
  function remark(delta) {
    if (delta instanceof Error) return delta.message;
    const small = delta.share < PARTIAL ? [`partial overlap: ${Math.round(100 * delta.share)} %`] : [];
    return [...small, ...delta.notes].join("; ");
  }

  window.BD = {Pchip, bdRate, bdQuality, qualityAt, rateAt, meanOverClips, remark};
})();
