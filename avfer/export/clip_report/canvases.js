/* Canvases without uPlot: the boxes on the video, the overview of the clip, the valence-arousal plane. */
const TRAIL = 2; // s, of the path in the plane that is drawn strongly
const LABEL_HEIGHT = 17; // px, of the name on a face
const PLANE_POINTS = 1500; // of the path in the plane; longer parts are drawn as dots

/* Return the cleared context of a canvas with its size in CSS pixels. */
function canvasOf(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, context = canvas.getContext("2d");
  const columns = Math.round(width * devicePixelRatio), rows = Math.round(height * devicePixelRatio);
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

/* Return the colour of text on a colour such as "#e69f00": black on light colours, else white. */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}

/* Return the people of the page, the chosen one on top of the others. */
function peopleToDraw() { return [...shownPeople().filter((person) => person !== chosen), ...(chosen ? [chosen] : [])]; }

function drawBoxes() {
  if (!clip || byId("screen").hidden) return;
  const [context, width, height] = canvasOf(byId("boxes")), instant = currentInstant();
  const across = width / (clip.video.width || player.video.videoWidth), down = height / (clip.video.height || player.video.videoHeight);
  if (instant === null) return;
  context.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
  const widthOf = (text) => context.measureText(text).width + 8, faces = [];
  for (const person of peopleToDraw()) {
    const box = ["face_x1", "face_y1", "face_x2", "face_y2"].map((name) => person.valueAt(name, instant));
    if (!box.includes(null)) faces.push({ person, label: person.label, x: box[0] * across, y: box[1] * down, right: box[2] * across, bottom: box[3] * down });
  }
  const labels = shortLabels(faces, widthOf);
  faces.forEach(({ person, x, y, right, bottom }, k) => {
    context.strokeStyle = context.fillStyle = person.colour;
    context.lineWidth = person === chosen ? 3 : 1.5;
    context.strokeRect(x, y, right - x, bottom - y);
    const top = Math.max(0, y - LABEL_HEIGHT), left = Math.max(0, Math.min(x - 1, width - widthOf(labels[k])));
    context.fillRect(left, top, widthOf(labels[k]), LABEL_HEIGHT);
    context.fillStyle = inkOn(person.colour);
    context.fillText(labels[k], left + 4, top + 13);
  });
}

/* Return the label of each face {label, x, y}, or its number alone where it would cover another label ("1" for "person 1").
   widthOf(text): of a label in px */
function shortLabels(faces, widthOf) {
  const covers = (one, other) => one !== other && Math.abs(one.y - other.y) < LABEL_HEIGHT
    && one.x < other.x + widthOf(other.label) && other.x < one.x + widthOf(one.label);
  return faces.map((face) => (faces.some((other) => covers(face, other)) ? face.label.split(" ").pop() : face.label));
}

function drawOverview() {
  const [context, width, height] = canvasOf(byId("overview").querySelector("canvas")), whole = group.limits;
  if (!chosen || !chosen.index.length || !clip.instants.length) return moveOverview(); // or not loaded yet
  const columns = pixelColumns(clip, whole, Math.max(1, Math.round(width)));
  const codes = columnCodes(chosen.index, chosen.expression, Math.max(1, clip.expressions.length), columns);
  for (let x = 0; x < codes.length; x++) {
    if (codes[x] < 0) continue;
    context.fillStyle = clip.expressions[codes[x]].colour;
    context.fillRect(x, height - 10, 1, 10);
  }
  if (chosen.has("valence")) {
    const line = lineOf(chosen, "valence"), { low, high } = lineColumns(clip, line, columns), y = (value) => 2 + ((1 - value / line.scale) / 2) * (height - 14);
    context.fillStyle = group.theme.soft;
    for (let x = 0; x < low.length; x++) if (low[x] <= high[x]) context.fillRect(x, y(high[x]) - 0.5, 1, y(low[x]) - y(high[x]) + 1);
  }
  return moveOverview();
}

function moveOverview() {
  const box = byId("overview"), { min, max } = group.limits, place = (time) => ((time - min) / (max - min)) * 100;
  const frame = box.querySelector(".window"), zoomed = group.view.max - group.view.min < (max - min) * 0.9999;
  frame.hidden = !zoomed;
  frame.style.left = `${place(group.view.min)}%`;
  frame.style.width = `${Math.max(1, place(group.view.max) - place(group.view.min))}%`;
  box.querySelector(".playhead").style.transform = `translateX(${((place(player.time) / 100) * box.querySelector("canvas").width) / devicePixelRatio}px)`;
}

function drawPlane() {
  const canvas = byId("plane"), shown = chosen && chosen.has("valence") && chosen.has("arousal");
  byId("plane-section").hidden = !shown;
  if (!shown || !chosen.index.length) return;
  const [context, width, height] = canvasOf(canvas), edge = 22, { theme } = group;
  if (width < 3 * edge) return; // not laid out yet
  const x = (valence) => edge + ((valence + 1) / 2) * (width - 2 * edge), y = (arousal) => edge + ((1 - arousal) / 2) * (height - 2 * edge);
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(x(-1), y(1), x(1) - x(-1), y(-1) - y(1));
  context.beginPath();
  context.ellipse(x(0), y(0), x(1) - x(0), y(0) - y(1), 0, 0, 2 * Math.PI);
  for (const [from, to] of [[[-1, 0], [1, 0]], [[0, -1], [0, 1]]]) { context.moveTo(x(from[0]), y(from[1])); context.lineTo(x(to[0]), y(to[1])); }
  context.stroke();
  context.fillStyle = theme.soft;
  context.font = theme.font;
  context.textAlign = "center";
  context.fillText("excited", width / 2, 15);
  context.fillText("calm", width / 2, height - 7);
  for (const [text, at, turn] of [["unpleasant", 12, -1], ["pleasant", width - 12, 1]]) {
    context.save();
    context.translate(at, height / 2);
    context.rotate((turn * Math.PI) / 2);
    context.fillText(text, 0, 4);
    context.restore();
  }
  planePath ??= { ...group.view, ...planePoints(group.view) };
  if (planePath.sparse) {
    context.fillStyle = `${chosen.colour}40`;
    for (const [, valence, arousal] of planePath.points) context.fillRect(x(valence) - 1.5, y(arousal) - 1.5, 3, 3);
  } else strokePath(context, planePath.points, x, y, chosen.colour + theme.others, 1.2);
  strokePath(context, planePoints({ min: player.time - TRAIL, max: player.time + 1e-6 }).points, x, y, chosen.colour, 2.4);
  const instant = currentInstant();
  for (const person of peopleToDraw()) {
    const valence = person.valueAt("valence", instant), arousal = person.valueAt("arousal", instant);
    if (valence === null || arousal === null) continue;
    context.beginPath();
    context.arc(x(valence), y(arousal), person === chosen ? 6 : 4, 0, 2 * Math.PI);
    context.fillStyle = person.colour;
    context.strokeStyle = theme.card;
    context.lineWidth = 2;
    context.fill();
    context.stroke();
  }
  fillText(byId("plane-caption"), clip.video.still ? "The point of the chosen face is larger." : `${chosen.label}: path of the part shown in the curves; the last ${TRAIL} s before the cursor are drawn strongly.`);
}

/* Return [instant, valence, arousal] of the rows of the chosen person in a part that have both; `sparse`: of more than
   PLANE_POINTS rows, of which about that many are returned. */
function planePoints(view) {
  const points = [], valences = chosen.columns.get("valence"), arousals = chosen.columns.get("arousal"), { index } = chosen;
  const start = lowerBound(index, lowerBound(clip.instants, view.min)), stop = lowerBound(index, lowerBound(clip.instants, view.max));
  const step = Math.max(1, Math.floor((stop - start) / PLANE_POINTS)), scale = chosen.columnScales.get("valence");
  for (let row = start; row < stop; row += step) {
    if (valences[row] !== MISSING && arousals[row] !== MISSING) points.push([index[row], valences[row] / scale, arousals[row] / scale]);
  }
  return { points, sparse: step > 1 };
}

/* Draw a path through points, broken where instants lack values. */
function strokePath(context, points, x, y, colour, width) {
  context.beginPath();
  points.forEach(([instant, valence, arousal], k) => {
    if (k && points[k - 1][0] === instant - 1) context.lineTo(x(valence), y(arousal)); else context.moveTo(x(valence), y(arousal));
  });
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.stroke();
}
