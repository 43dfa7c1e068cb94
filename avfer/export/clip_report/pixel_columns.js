/* What each pixel column of a chart shows of the rows that lie in it. The work of a frame grows with the pixels of a chart
   and, owing to the blocks, hardly with the rows of the table. */
const BLOCK_BITS = 3, BLOCK = 1 << BLOCK_BITS; // rows whose smallest and largest value are stored together

/* Return the pixel columns of a part of a clip: `edges`, their width + 1 limits in s, and for each edge the first instant
   at or after it (`starts`). */
function pixelColumns(clip, view, width) {
  const edges = new Float64Array(width + 1), starts = new Int32Array(width + 1), step = (view.max - view.min) / width;
  for (let x = 0; x <= width; x++) {
    edges[x] = view.min + x * step;
    starts[x] = lowerBound(clip.instants, edges[x], x ? starts[x - 1] : 0);
  }
  return { edges, starts, width };
}

/* Return the first row at or after each instant of sorted `starts`; index null means one row for each instant. */
function rowStarts(index, starts) {
  if (index === null) return starts;
  const rows = new Int32Array(starts.length);
  for (let x = 0; x < rows.length; x++) rows[x] = lowerBound(index, starts[x], x ? rows[x - 1] : 0);
  return rows;
}

/* Return the smallest and largest value of each block of rows; low > high where a block has no value. */
function blockExtremes(values) {
  const count = Math.ceil(values.length / BLOCK), low = new Int16Array(count).fill(-MISSING - 1), high = new Int16Array(count).fill(MISSING);
  for (let row = 0; row < values.length; row++) {
    const value = values[row], block = row >> BLOCK_BITS;
    if (value === MISSING) continue;
    if (value < low[block]) low[block] = value;
    if (value > high[block]) high[block] = value;
  }
  return { low, high };
}

/* Return the largest value of the rows [from, to), MISSING without one; `high` is that of blockExtremes. */
function rowMaximum(values, high, from, to) {
  const first = (from + BLOCK - 1) >> BLOCK_BITS, last = to >> BLOCK_BITS, whole = first < last; // blocks within the rows
  let most = MISSING;
  for (let row = from; row < (whole ? first << BLOCK_BITS : to); row++) if (values[row] > most) most = values[row];
  for (let block = first; block < last; block++) if (high[block] > most) most = high[block];
  if (whole) for (let row = last << BLOCK_BITS; row < to; row++) if (values[row] > most) most = values[row];
  return most;
}

/* Return the smallest value of the rows [from, to), -MISSING - 1 without one; `low` is that of blockExtremes. */
function rowMinimum(values, low, from, to) {
  const first = (from + BLOCK - 1) >> BLOCK_BITS, last = to >> BLOCK_BITS, whole = first < last;
  let least = -MISSING - 1;
  for (let row = from; row < (whole ? first << BLOCK_BITS : to); row++) if (values[row] < least && values[row] !== MISSING) least = values[row];
  for (let block = first; block < last; block++) if (low[block] < least) least = low[block];
  if (whole) for (let row = last << BLOCK_BITS; row < to; row++) if (values[row] < least && values[row] !== MISSING) least = values[row];
  return least;
}

/* Return the smallest and largest value of a line in each pixel column, `low` > `high` where it has none. No peak is lost.
   The line joins neighbouring instants, so a column also holds the values at which the line crosses its edges. */
function lineColumns(clip, line, columns) {
  const { edges, starts, width } = columns, { index, values } = line, { instants } = clip, rows = rowStarts(index, starts);
  const low = new Float32Array(width), high = new Float32Array(width), blocks = (line.blocks ??= blockExtremes(values));
  for (let x = 0; x < width; x++) {
    low[x] = rowMinimum(values, blocks.low, rows[x], rows[x + 1]);
    high[x] = rowMaximum(values, blocks.high, rows[x], rows[x + 1]);
  }
  const widen = (x, value) => { if (value < low[x]) low[x] = value; if (value > high[x]) high[x] = value; };
  for (let x = 0; x <= width; x++) {
    const row = rows[x], instant = starts[x];
    if (row === 0 || row >= values.length || values[row - 1] === MISSING || values[row] === MISSING) continue;
    if (index && (index[row - 1] !== instant - 1 || index[row] !== instant)) continue;
    const share = (edges[x] - instants[instant - 1]) / (instants[instant] - instants[instant - 1]);
    const crossing = values[row - 1] + (values[row] - values[row - 1]) * share;
    if (x > 0) widen(x - 1, crossing);
    if (x < width) widen(x, crossing);
  }
  return { low, high };
}

/* Return the rows [from, to) that each pixel column shows: those that begin in it, else the one that lasts through it. */
function shownRows(index, columns) {
  const { starts, width } = columns, rows = rowStarts(index, starts), from = new Int32Array(width), to = new Int32Array(width);
  for (let x = 0; x < width; x++) {
    const row = rows[x], lasting = starts[x + 1] === starts[x] && row > 0 && (index === null || index[row - 1] === starts[x] - 1);
    from[x] = lasting ? row - 1 : row;
    to[x] = lasting ? row : rows[x + 1];
  }
  return { from, to };
}

/* Return the most frequent code of each pixel column, -1 without one. Codes are below `kinds`. */
function columnCodes(index, codes, kinds, columns) {
  const out = new Int16Array(columns.width).fill(-1), counts = new Int32Array(kinds), { from, to } = shownRows(index, columns);
  for (let x = 0; x < out.length; x++) {
    counts.fill(0);
    for (let row = from[x]; row < to[x]; row++) if (codes[row] >= 0) counts[codes[row]]++;
    let most = 0;
    for (let kind = 0; kind < kinds; kind++) if (counts[kind] > most) { most = counts[kind]; out[x] = kind; }
  }
  return out;
}

/* Return the largest value of each line and pixel column: Int16Array of lines.length rows, MISSING without one. The lines
   are of one person. */
function columnMaxima(lines, columns) {
  const { width } = columns, out = new Int16Array(lines.length * width).fill(MISSING), { from, to } = shownRows(lines[0].index, columns);
  lines.forEach((line, k) => {
    const { values } = line, { high } = (line.blocks ??= blockExtremes(values));
    for (let x = 0; x < width; x++) out[k * width + x] = rowMaximum(values, high, from[x], to[x]);
  });
  return out;
}
