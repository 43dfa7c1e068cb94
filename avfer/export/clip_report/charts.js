/* Charts over time, made with uPlot: one shared part of the clip, one cursor, a click that seeks. */
const RIGHT = 24; // px, margin
const LINE_WIDTH = 1.6; // px
const SPARSE = 2; // px between instants from which on uPlot draws the lines
const TIME_STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/* Return an element. Texts are set as text and never parsed as HTML. */
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") node.textContent = value;
    else if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/* Return a time as 0:01.24 or 1:02:03; `span`: seconds that are shown, which decide on the decimals. */
function timeText(seconds, span = 0) {
  const sign = seconds < -0.0005 ? "-" : "", decimals = span > 120 ? 0 : span > 0 && span < 1 ? 3 : 2;
  const total = Math.round(Math.abs(seconds) * 10 ** decimals) / 10 ** decimals;
  const hours = Math.floor(total / 3600), minutes = Math.floor(total / 60) % 60;
  const rest = (total % 60).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return `${sign}${hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${rest}`;
}

/* Return the label of a time in a short clip: "2.5 s". */
function secondsText(seconds) { return `${Number(seconds.toFixed(3))} s`.replace("-", "−"); }

/* The colours of the page, which change with the light or dark setting of the system and on paper. */
class Theme {
  constructor() { this.read(); }

  read() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["ink", "soft", "line", "ground", "card", "page", "others"]) this[name] = style.getPropertyValue(`--${name}`).trim();
    this.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  }
}

/* Return the points of a line of uPlot that have no neighbour to be joined with, null without any. */
function lonePoints(u, line) {
  const values = u.data[line], found = [];
  for (let k = 0; k < values.length; k++) if (values[k] !== null && (values[k - 1] ?? values[k + 1] ?? null) === null) found.push(k);
  return found.length ? found : null;
}

/* All charts of the page: they share the shown part of the clip (`view`), the playhead and the cursor. */
class ChartGroup {
  constructor(onSeek) {
    this.onSeek = onSeek;
    this.theme = new Theme();
    this.charts = [];
    this.view = { min: 0, max: 1 };
    this.limits = { min: 0, max: 1 };
    this.hover = null; // s, time below the mouse
    this.time = 0;
    this.onChange = () => {};
    this.pending = 0;
    this.resting = 0;
    this.hatching = null; // tile of the pattern that fills missing spans, in the colours of the theme
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const chart = this.charts.find((one) => one.host === entry.target);
        if (!chart) continue;
        chart.visible = entry.isIntersecting;
        if (chart.visible && chart.stale) chart.update();
        if (chart.visible) chart.movePlayhead(this.time);
      }
      this.onChange(); // the values of a chart were last written when it was in sight
    }, { rootMargin: "60px" });
    this.columns = null; // pixel columns of the last chart, which most others share
    this.measureAxis();
    this.sizes = new ResizeObserver(() => { this.measureAxis(); this.schedule(true); });
    this.sizes.observe(document.getElementById("charts"));
  }

  /* Set the width of the y axes; it is stored, as reading a size while drawing makes the browser lay out the page. */
  measureAxis() { this.axisWidth = document.documentElement.clientWidth < 700 ? 46 : 58; }

  /* Return the pixel columns of the shown part for a chart of a width in pixels. */
  columnsOf(clip, width) {
    const { min, max } = this.view, last = this.columns;
    if (!last || last.clip !== clip || last.min !== min || last.max !== max || last.width !== width) {
      this.columns = { clip, min, max, ...pixelColumns(clip, this.view, width) };
    }
    return this.columns;
  }

  add(chart) { this.charts.push(chart); this.seen.observe(chart.host); return chart; }

  remove(charts) {
    for (const chart of charts) { this.seen.unobserve(chart.host); chart.plot.destroy(); chart.host.remove(); }
    this.charts = this.charts.filter((chart) => !charts.includes(chart));
  }

  clear() { this.remove([...this.charts]); }

  /* Show a part of the clip, at least 0.2 s or five frames and within the clip. */
  show(min, max) {
    const whole = this.limits.max - this.limits.min, span = Math.min(whole, Math.max(0.2, max - min));
    const start = Math.min(Math.max(this.limits.min, min + (max - min - span) / 2), this.limits.max - span);
    this.view.min = start;
    this.view.max = start + span;
    this.schedule();
  }

  showAll() { this.show(this.limits.min, this.limits.max); }

  zoom(factor, centre = this.time) {
    const { min, max } = this.view, at = Math.min(Math.max(centre, min), max);
    this.show(at - (at - min) * factor, at + (max - at) * factor);
  }

  /* Draw what is visible in the next frame of the screen. */
  schedule(resized = false) {
    this.resized ||= resized;
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      for (const chart of this.charts) chart.stale = true;
      for (const chart of this.charts) if (chart.visible) chart.update(this.resized);
      this.resized = false;
      this.movePlayhead(this.time);
      this.onChange();
      this.drawRest();
    });
  }

  /* Draw what is out of sight while the browser has nothing else to do. */
  drawRest() {
    clearTimeout(this.resting);
    const chart = this.charts.find((one) => one.stale);
    if (chart) this.resting = setTimeout(() => { if (chart.stale) chart.update(); this.drawRest(); }, 150);
  }

  drawAll() {
    this.hatching = null;
    for (const chart of this.charts) chart.update(true);
  }

  /* Show the values at the playhead, as if the mouse had left the charts. */
  removeCursor() { for (const chart of this.charts) chart.plot.setCursor({ left: -10, top: -10 }); }

  movePlayhead(time) {
    this.time = time;
    for (const chart of this.charts) if (chart.visible) chart.movePlayhead(time);
  }
}

/* One chart of a group.
   lines(): [{index, values, scale, colour, width, fill}]; uPlot draws them where instants are far apart, drawCurves where
   they are dense; ground(u, context): own drawing below; range: of the y axis; marks: [value, text] on it; showTimes:
   whether the times are written below; read(instant, y): text of the values at an instant. */
class TimeChart {
  constructor(group, clip, host, options) {
    Object.assign(this, { group, clip, host, options, visible: false, stale: true, dense: false }); // drawn once it is visible
    this.lines = options.lines ? options.lines() : [];
    this.plot = new uPlot(this.settings(), [[], ...this.lines.map(() => [])], host);
    this.playhead = element("div", { class: "playhead" });
    this.plot.over.append(this.playhead);
    this.listen();
  }

  get width() { return Math.max(240, Math.floor(this.host.clientWidth)); }

  /* Return what uPlot draws; `dense` curves are drawn by drawCurves, as uPlot's lines through many points are slow. */
  points() {
    const { view, axisWidth } = this.group, [first, last] = this.clip.part(view);
    this.dense = last - first > Math.max(50, this.plot.width - axisWidth - RIGHT) / SPARSE;
    return this.dense || !this.lines.length ? [[view.min, view.max], ...this.lines.map(() => [null, null])] : linePoints(this.clip, this.lines, view);
  }

  settings() {
    const { theme, view } = this.group, options = this.options, marks = options.marks || [];
    return {
      width: this.width, height: options.height + (options.showTimes === false ? 0 : 28),
      padding: [options.showTimes === false ? 1 : 6, RIGHT, options.showTimes === false ? 1 : 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "time", scales: ["x", null] }, y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: () => [view.min, view.max] }, y: { range: () => options.range } },
      axes: [
        { show: options.showTimes !== false, size: 28, gap: 8, space: 64, incrs: TIME_STEPS, stroke: () => theme.soft, font: theme.font,
          grid: { show: options.grid !== false, stroke: () => theme.line, width: 1 }, ticks: { show: false },
          values: (u, splits) => splits.map((at) => (this.group.limits.max < 120 ? secondsText(at) : timeText(at, view.max - view.min))) },
        { size: () => this.group.axisWidth, gap: 6, stroke: () => theme.soft, font: theme.font, ticks: { show: false },
          splits: () => marks.map(([at]) => at), values: () => marks.map(([, text]) => text), filter: (u, splits) => splits,
          grid: { show: options.grid !== false, stroke: () => theme.line, width: 1 } },
      ],
      series: [{}, ...this.lines.map((line) => ({
        stroke: line.colour, width: line.width || LINE_WIDTH, fill: line.fill, spanGaps: false,
        points: { show: false, filter: lonePoints, size: 7, fill: line.colour, width: 0 },
      }))],
      hooks: {
        drawClear: [(u) => options.ground && this.paint(u, options.ground)],
        draw: [(u) => this.dense && this.paint(u, (plot, context) => drawCurves(plot, context, this.clip, this.lines, this.group.columnsOf(this.clip, Math.round(u.bbox.width))))],
        setSelect: [(u) => this.select(u)],
        setCursor: [(u) => this.point(u)],
      },
    };
  }

  paint(u, draw) {
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    u.ctx.clip();
    draw(u, u.ctx);
    u.ctx.restore();
  }

  select(u) {
    if (u.select.width < 4) return;
    const min = u.posToVal(u.select.left, "x"), max = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.group.show(min, max);
  }

  point(u) {
    this.group.hover = u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null;
    this.group.onChange();
  }

  listen() {
    const over = this.plot.over;
    let pressed = 0, isFinger = false;
    over.addEventListener("pointerdown", (event) => { isFinger = event.pointerType === "touch"; });
    over.addEventListener("mousedown", (event) => { pressed = event.clientX; });
    over.addEventListener("click", (event) => {
      if (isFinger) this.group.removeCursor(); // unlike a mouse, it does not stay above the chart
      if (Math.abs(event.clientX - pressed) > 3) return;
      this.group.onSeek(this.plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x"));
    });
    over.addEventListener("dblclick", () => this.group.showAll());
    over.addEventListener("wheel", (event) => {
      const { min, max } = this.group.view, sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.ctrlKey || event.metaKey) {
        this.group.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x"));
      } else if (sideways && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
        const shift = (max - min) * Math.sign(sideways) * 0.1;
        this.group.show(min + shift, max + shift);
      } else return;
      event.preventDefault();
    }, { passive: false });
  }

  update(resized = false) {
    this.stale = false;
    if (resized && this.plot.width !== this.width) this.plot.setSize({ width: this.width, height: this.plot.height });
    this.plot.setData(this.points(), true);
    if (resized) this.plot.redraw(false, true);
  }

  movePlayhead(time) {
    const { min, max } = this.group.view, inside = time >= min - 1e-6 && time <= max + 1e-6;
    this.playhead.hidden = !inside;
    if (inside) this.playhead.style.transform = `translateX(${(((time - min) / (max - min)) * this.plot.bbox.width) / devicePixelRatio}px)`;
  }

  /* Write the values at the cursor, or at the playhead. */
  showValues(instant) {
    if (!this.options.readout) return;
    const y = this.group.hover !== null && this.plot.cursor.top >= 0 ? this.plot.posToVal(this.plot.cursor.top, "y") : null;
    fillText(this.options.readout, instant === null ? "" : this.options.read(instant, y));
  }
}
