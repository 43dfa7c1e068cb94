/* Drawing on a chart beside uPlot: dense curves, spans without values, ribbons of colours, heat maps. */
/* Return a small canvas with slanted lines. */
function hatchTile(theme) {
  const tile = document.createElement("canvas"), side = Math.round(6 * devicePixelRatio), pen = tile.getContext("2d");
  tile.width = tile.height = side;
  pen.fillStyle = theme.ground;
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = theme.line;
  pen.lineWidth = devicePixelRatio;
  for (const shift of [-side, 0, side]) { pen.moveTo(shift, side); pen.lineTo(shift + side, 0); }
  pen.stroke();
  return tile;
}

/* Return a function that fills spans of time [start, stop] with a hatching. */
function hatchSpans(group, spans) {
  return (u, context) => {
    const shown = spans().filter(([start, stop]) => stop >= group.view.min && start <= group.view.max);
    if (!shown.length) return;
    group.hatching ??= hatchTile(group.theme);
    context.fillStyle = context.createPattern(group.hatching, "repeat");
    for (const [start, stop] of shown) {
      const left = u.valToPos(Math.max(start, group.view.min), "x", true), right = u.valToPos(Math.min(stop, group.view.max), "x", true);
      context.fillRect(left, u.bbox.top, Math.max(1, right - left), u.bbox.height);
    }
  };
}

/* Draw lines as a bar in each pixel column, from their smallest to their largest value there: many times faster than a
   stroked path, whose cost grows with every turn of the line; steep parts are a little thinner. */
function drawCurves(u, context, clip, lines, columns) {
  const { left, top, height } = u.bbox, zero = u.valToPos(0, "y", true), one = u.valToPos(1, "y", true);
  for (const line of lines) {
    const { low, high } = lineColumns(clip, line, columns), step = (one - zero) / line.scale, half = ((line.width || LINE_WIDTH) * devicePixelRatio) / 2;
    if (line.fill) {
      context.fillStyle = line.fill;
      for (let x = 0; x < low.length; x++) if (low[x] <= high[x]) context.fillRect(left + x, zero + low[x] * step, 1, top + height - zero - low[x] * step);
    }
    context.fillStyle = line.colour;
    for (let x = 0; x < low.length; x++) if (low[x] <= high[x]) context.fillRect(left + x, zero + high[x] * step - half, 1, (low[x] - high[x]) * step + 2 * half);
  }
}

/* Return a function that paints a ribbon of colours between two heights (shares of the chart). */
function ribbon(group, clip, index, codes, colours, top = 0, bottom = 1) {
  return (u, context) => {
    const width = Math.round(u.bbox.width), found = columnCodes(index, codes(), colours.length, group.columnsOf(clip, width));
    const y = u.bbox.top + top * u.bbox.height, height = (bottom - top) * u.bbox.height;
    context.fillStyle = group.theme.ground;
    context.fillRect(u.bbox.left, y, width, height);
    for (let x = 0; x < width;) {
      const first = x, code = found[x];
      while (x < width && found[x] === code) x++;
      if (code < 0) continue;
      context.fillStyle = typeof colours[code] === "function" ? colours[code]() : colours[code];
      context.fillRect(u.bbox.left + first, y, x - first, height);
    }
  };
}

/* Return a function that paints lines, each of an action unit of one person, as a heat map, the first one at the top. */
function heatMap(group, clip, lines, palette) {
  const picture = document.createElement("canvas"), pen = picture.getContext("2d"), scale = 255 / lines[0].scale;
  let image = null, pixels = null;
  return (u, context) => {
    const width = Math.round(u.bbox.width / devicePixelRatio), values = columnMaxima(lines, group.columnsOf(clip, width));
    if (!image || image.width !== width) {
      Object.assign(picture, { width, height: lines.length });
      image = pen.createImageData(width, lines.length);
      pixels = new Uint32Array(image.data.buffer);
    }
    for (let k = 0; k < values.length; k++) {
      pixels[k] = values[k] === MISSING ? 0 : palette[Math.max(0, Math.min(255, Math.round(values[k] * scale)))];
    }
    pen.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  };
}

/* Return 256 colours between colours such as "#440154", each as a pixel of ImageData. */
function gradient(colours) {
  const parts = colours.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  const bytes = new Uint8ClampedArray(1024);
  for (let k = 0; k < 256; k++) {
    const place = (k / 255) * (parts.length - 1), low = Math.min(Math.floor(place), parts.length - 2);
    bytes.set([...parts[low].map((value, c) => value + (parts[low + 1][c] - value) * (place - low)), 255], 4 * k);
  }
  return new Uint32Array(bytes.buffer);
}
