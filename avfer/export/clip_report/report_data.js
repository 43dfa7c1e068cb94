/* The numbers of the page: decoding what avfer/export/clip_report/packed_arrays.py packed, and reading them by time. */
const MISSING = -32768;

/* Return the bytes behind a packed text. */
async function unpack(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/* Return the number of entries of a sorted array that are smaller than a value. */
function lowerBound(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/* The rows of one person: `index` has the instant of each row, `columns` the values by name. */
class Person {
  constructor(data) {
    Object.assign(this, data);
    this.packed = data.data;
    this.index = new Int32Array(0);
    this.columnScales = new Map(data.columns);
    this.columns = new Map();
    this.expression = new Int16Array(0);
  }

  /* Decode the rows; a second call returns the same promise. */
  load() {
    this.loading ??= unpack(this.packed).then((buffer) => {
      const rows = this.rows, steps = new Int32Array(buffer, 0, rows), index = new Int32Array(rows);
      for (let row = 0, instant = 0; row < rows; row++) index[row] = instant += steps[row];
      let offset = 4 * rows;
      for (const name of this.columnScales.keys()) {
        this.columns.set(name, new Int16Array(buffer, offset, rows));
        offset += 2 * rows;
      }
      this.expression = new Int16Array(buffer, offset, rows);
      this.index = index;
      this.packed = "";
    });
    return this.loading;
  }

  has(name) { return this.columnScales.has(name); }

  /* Return the row of an instant, -1 if the person has none there. */
  rowAt(instant) {
    const row = lowerBound(this.index, instant);
    return this.index[row] === instant ? row : -1;
  }

  /* Return a value at an instant, null if it is missing. */
  valueAt(name, instant) {
    const row = this.rowAt(instant), column = this.columns.get(name);
    return row < 0 || !column || column[row] === MISSING ? null : column[row] / this.columnScales.get(name);
  }
}

/* A clip: the times of its instants, its people, and which instants have values. */
class ClipModel {
  constructor(data) {
    Object.assign(this, data);
    this.people = data.people.map((person) => new Person(person));
    this.instants = new Float64Array(0);
    this.codes = new Uint8Array(0);
    this.speechValues = null;
  }

  load() {
    this.loading ??= Promise.all([unpack(this.times.steps), unpack(this.status.codes), this.speech && unpack(this.speech)])
      .then(([steps, codes, speech]) => {
        const deltas = new Int32Array(steps);
        this.codes = new Uint8Array(codes);
        this.speechValues = speech && new Int16Array(speech);
        this.instants = new Float64Array(this.codes.length);
        for (let i = 0, time = Math.round(this.times.first * 1e6); i < this.instants.length; i++) {
          this.instants[i] = time / 1e6;
          if (i < deltas.length) time += deltas[i];
        }
      });
    return this.loading;
  }

  /* Return the instant that is shown at a time: the last one that has begun. */
  instantAt(time) { return Math.max(0, lowerBound(this.instants, time + 1e-6) - 1); }

  /* Return the instant whose time is nearest. */
  nearest(time) {
    const after = Math.min(lowerBound(this.instants, time), this.instants.length - 1), before = Math.max(0, after - 1);
    return time - this.instants[before] < this.instants[after] - time ? before : after;
  }

  /* Return the end of an instant in seconds. */
  stopOf(instant) { return instant + 1 < this.instants.length ? this.instants[instant + 1] : this.stop; }

  /* Return first and last (excluded) instant of a part, with one more on each side, so that lines reach the edges. */
  part(view) {
    const first = Math.max(0, lowerBound(this.instants, view.min) - 1);
    return [first, Math.min(this.instants.length, lowerBound(this.instants, view.max) + 1)];
  }
}

/* Return [times, values of the first line, ...] for uPlot. `lines` are {index, values, scale}: index null means one value
   for each instant. Up to two instants a pixel are all drawn; more are reduced to the smallest and the largest value of
   each pixel, in their order, so that no peak is lost. */
function linePoints(clip, lines, view, width) {
  const [first, last] = clip.part(view), count = last - first;
  if (count <= 2 * width) {
    const times = Array.from(clip.instants.subarray(first, last));
    return [times, ...lines.map((line) => {
      const out = new Array(count).fill(null);
      eachRow(line.index, first, last, (row, instant) => {
        if (line.values[row] !== MISSING) out[instant - first] = line.values[row] / line.scale;
      });
      return out;
    })];
  }
  const times = new Array(2 * width), step = count / width;
  for (let bin = 0; bin < width; bin++) {
    times[2 * bin] = clip.instants[first + Math.floor(bin * step)];
    times[2 * bin + 1] = clip.instants[first + Math.floor((bin + 0.5) * step)];
  }
  return [times, ...lines.map((line) => extremes(line, first, last, width))];
}

function extremes(line, first, last, width) {
  const { index, values, scale } = line, factor = width / (last - first), out = new Array(2 * width).fill(null);
  const start = index ? lowerBound(index, first) : first, stop = index ? lowerBound(index, last) : last;
  for (let row = start; row < stop;) {
    const bin = Math.floor(((index ? index[row] : row) - first) * factor), end = first + (bin + 1) / factor;
    let low = 32767, high = MISSING, lowRow = 0, highRow = 0;
    do {
      const value = values[row];
      if (value !== MISSING) {
        if (value < low) { low = value; lowRow = row; }
        if (value > high) { high = value; highRow = row; }
      }
      row++;
    } while (row < stop && (index ? index[row] : row) < end);
    if (high === MISSING || bin >= width) continue;
    const rising = lowRow <= highRow;
    out[2 * bin] = (rising ? low : high) / scale;
    out[2 * bin + 1] = (rising ? high : low) / scale;
  }
  return out;
}

/* Call a function with row and instant of each row between two instants. */
function eachRow(index, first, last, visit) {
  if (index === null) {
    for (let instant = first; instant < last; instant++) visit(instant, instant);
    return;
  }
  for (let row = lowerBound(index, first); row < index.length && index[row] < last; row++) visit(row, index[row]);
}

/* Return the rows [start, stop) of a part and the pixel columns [from, to) that each of them covers. */
function rowCells(clip, index, view, width) {
  const [first, last] = clip.part(view), factor = width / (view.max - view.min), { instants } = clip;
  const start = index ? lowerBound(index, first) : first, stop = index ? lowerBound(index, last) : last;
  const from = new Int32Array(stop - start), to = new Int32Array(stop - start);
  for (let row = start; row < stop; row++) {
    const instant = index ? index[row] : row, end = instant + 1 < instants.length ? instants[instant + 1] : clip.stop;
    const left = Math.floor((instants[instant] - view.min) * factor), right = Math.max(left + 1, Math.floor((end - view.min) * factor));
    from[row - start] = Math.max(0, left);
    to[row - start] = Math.min(width, right);
  }
  return { start, stop, from, to };
}

/* Return the most frequent code of each pixel column, -1 without one. Codes are below `kinds`. */
function columnCodes(clip, index, codes, kinds, view, width) {
  const counts = new Uint16Array(width * kinds), out = new Int16Array(width).fill(-1);
  const { start, stop, from, to } = rowCells(clip, index, view, width);
  for (let row = start; row < stop; row++) {
    if (codes[row] >= 0) for (let x = from[row - start]; x < to[row - start]; x++) counts[x * kinds + codes[row]]++;
  }
  for (let x = 0; x < width; x++) {
    let most = 0;
    for (let kind = 0; kind < kinds; kind++) if (counts[x * kinds + kind] > most) { most = counts[x * kinds + kind]; out[x] = kind; }
  }
  return out;
}

/* Return the largest value of each column and pixel: Int16Array of names.length rows, MISSING without one. */
function columnMaxima(clip, person, names, view, width) {
  const out = new Int16Array(names.length * width).fill(MISSING), { start, stop, from, to } = rowCells(clip, person.index, view, width);
  names.forEach((name, k) => {
    const column = person.columns.get(name), shift = k * width;
    for (let row = start; row < stop; row++) {
      const value = column[row], right = shift + to[row - start];
      for (let x = shift + from[row - start]; x < right; x++) if (value > out[x]) out[x] = value;
    }
  });
  return out;
}

/* Return the spans [start, stop] in seconds in which a person has no value in a column. */
function missingSpans(clip, person, name) {
  const spans = [], column = person.columns.get(name);
  let next = 0; // first instant that is not yet covered
  for (let row = 0; row < person.index.length; row++) {
    if (!column || column[row] === MISSING) continue;
    const instant = person.index[row];
    if (instant > next) spans.push([clip.instants[next], clip.instants[instant]]);
    next = instant + 1;
  }
  if (next < clip.instants.length) spans.push([clip.instants[next], clip.stop]);
  return spans;
}
