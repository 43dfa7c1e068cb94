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

/* Return the number of entries of a sorted array that are smaller than a value; `low`: of which that is known. */
function lowerBound(sorted, value, low = 0) {
  let high = sorted.length;
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

/* Return [times, values of the first line, ...] of each instant of a part, for uPlot. `lines` are {index, values, scale}:
   index null means one value for each instant. */
function linePoints(clip, lines, view) {
  const [first, last] = clip.part(view);
  return [Array.from(clip.instants.subarray(first, last)), ...lines.map(({ index, values, scale }) => {
    const out = new Array(last - first).fill(null), stop = index ? lowerBound(index, last) : last;
    for (let row = index ? lowerBound(index, first) : first; row < stop; row++) {
      if (values[row] !== MISSING) out[(index ? index[row] : row) - first] = values[row] / scale;
    }
    return out;
  })];
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
