/* The page: builds the charts of a clip, and connects them with the player, the mouse and the keyboard. */
const PEOPLE_PER_PAGE = 12;
const FACE_HEIGHT = 40, RIBBON_HEIGHT = 16; // px, in the lane of a person
const UNIT_HEIGHT = 14; // px, of an action unit
const TRAIL = 2; // s, of the path in the plane that is drawn strongly
const PLANE_POINTS = 1500; // of the path in the plane; longer parts are drawn as dots
const ANGLES = [["yaw_deg", "Yaw", "+ to the right"], ["pitch_deg", "Pitch", "+ up"], ["roll_deg", "Roll", "+ clockwise"]];
const GAZE = [["gaze_yaw_deg", "Yaw", "+ to the right"], ["gaze_pitch_deg", "Pitch", "+ up"]];

const report = JSON.parse(document.getElementById("report-data").textContent);
const palette = gradient(report.viridis);
const byId = (id) => document.getElementById(id);
const group = new ChartGroup((time) => player.seek(clip.instants.length ? clip.instants[clip.nearest(time)] : time));
const player = new Player(showTime);
let clip = null, chosen = null, page = 0, planePath = null, panels = [], lanes = [], videoUrl = null;

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
const percent = (share) => `${Math.round(100 * share)} %`;
const fillText = (node, text) => { node.textContent = text; };

/* ---- the clip ---- */

async function openClip(number) {
  group.clear();
  clip = new ClipModel(report.clips[number]);
  chosen = null;
  page = 0;
  document.title = `${clip.name} – avfer`;
  fillText(document.querySelector("h1"), clip.name);
  fillText(document.querySelector(".lead"), clip.lead);
  group.limits = { min: clip.start, max: clip.stop };
  Object.assign(group.view, group.limits);
  showTexts();
  openVideo(number);
  const opened = clip;
  await opened.load();
  if (opened !== clip) return;
  byId("people-search").value = "";
  await choose(clip.people[0] || null);
  byId("clip-before").disabled = number === 0;
  byId("clip-after").disabled = number === report.clips.length - 1;
}

function openVideo(number) {
  const { video } = clip, notes = byId("video-notes"), screen = byId("screen"), stored = byId(`video-${number}`);
  notes.replaceChildren(...video.notes.map((note) => element("p", { class: "warning", text: note })));
  if (videoUrl) URL.revokeObjectURL(videoUrl);
  videoUrl = null;
  if (stored) {
    const letters = atob(stored.textContent), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    videoUrl = URL.createObjectURL(new Blob([bytes], { type: video.kind }));
  }
  screen.style.aspectRatio = video.width ? `${video.width} / ${video.height}` : "";
  screen.classList.toggle("sound", !video.width);
  byId("choose-video").hidden = Boolean(stored || video.reference);
  screen.hidden = true;
  player.open(stored ? videoUrl : video.reference || null, video.offset, group.limits);
}

player.onReady = () => {
  byId("screen").hidden = !clip.video.width;
  byId("choose-video").hidden = true;
  document.querySelector(".player").classList.toggle("has-picture", Boolean(clip.video.width));
  byId("video-notes").querySelectorAll(".load-fault").forEach((note) => note.remove());
  drawBoxes();
};

player.onFault = () => {
  byId("screen").hidden = true;
  const text = `The browser cannot show ${clip.video.name}: the file was moved or is in a format that it does not play.` +
    " Choose the file below, or make the page again with avfer report TABLE --transcode.";
  byId("video-notes").querySelectorAll(".load-fault").forEach((note) => note.remove());
  byId("video-notes").append(element("p", { class: "warning load-fault", text }));
  byId("choose-video").hidden = false;
};

/* ---- people ---- */

function foundPeople() {
  const words = byId("people-search").value.trim().toLowerCase();
  const matches = (person) => !words || person.label.toLowerCase().includes(words) || person.tracks.some((track) => `track ${track}`.includes(words));
  return clip.people.filter(matches);
}

function shownPeople() { return foundPeople().slice(page * PEOPLE_PER_PAGE, (page + 1) * PEOPLE_PER_PAGE); }

/* Choose a person, whose curves are drawn strongly and whose measures are shown; its page of people is opened. */
async function choose(person) {
  chosen = person;
  const place = foundPeople().indexOf(person);
  if (place >= 0) page = Math.floor(place / PEOPLE_PER_PAGE);
  await showPeople();
}

async function showPeople() {
  const opened = clip, people = shownPeople(), found = foundPeople(), pages = Math.ceil(found.length / PEOPLE_PER_PAGE);
  await Promise.all([...people, ...(chosen ? [chosen] : [])].map((person) => person.load()));
  if (opened !== clip) return;
  byId("people-controls").hidden = clip.people.length <= PEOPLE_PER_PAGE;
  const first = page * PEOPLE_PER_PAGE;
  fillText(byId("people-page"), found.length ? `${first + 1} to ${first + people.length} of ${found.length}` : "no person found");
  byId("people-before").disabled = page === 0;
  byId("people-after").disabled = page >= pages - 1;
  buildLanes(people);
  buildPanels(people);
  showPeopleTable(people);
  planePath = null;
  drawOverview();
  group.schedule();
}

function personText(person) {
  const parts = [`${percent(person.share)} of the clip`];
  if (person.tracks.length > 1) parts.push(`tracks ${person.tracks.slice(0, 8).join(", ")}${person.tracks.length > 8 ? ", …" : ""}`);
  if (person.expressions.length) parts.push(person.expressions.slice(0, 2).map(([name, share]) => `${name} ${percent(share)}`).join(", "));
  return parts.join(" · ");
}

function buildLanes(people) {
  group.remove(lanes.filter((lane) => group.charts.includes(lane)));
  lanes = [];
  byId("lanes").replaceChildren();
  if (!people.length) byId("lanes").append(element("p", { class: "empty", text: clip.people.length ? "No person has this name." : "No values were predicted; see Coverage for the reasons." }));
  people.forEach((person, number) => {
    const host = element("div", { class: "panel" }), readout = element("output");
    const button = element("button", { type: "button", onclick: () => choose(person), "aria-pressed": String(person === chosen) },
      element("strong", { class: "name", text: person.label }), element("span", { text: personText(person) }), element("span", { class: "spring" }), readout);
    byId("lanes").append(element("div", { class: person === chosen ? "lane chosen" : "lane", "--lane": person.colour }, button, host));
    const faces = person.faces.map(([time, source]) => { const image = new Image(); image.onload = () => group.schedule(); image.src = source; return [time, image]; });
    const height = (faces.length ? FACE_HEIGHT : 0) + RIBBON_HEIGHT, split = faces.length ? FACE_HEIGHT / height : 0;
    const band = ribbon(group, clip, person.index, () => person.expression, clip.expressions.map((one) => one.colour), split, 1);
    lanes.push(group.add(new TimeChart(group, clip, host, {
      height: height + 2, range: [0, 1], grid: false, showTimes: number === people.length - 1, readout,
      ground: (u, context) => { band(u, context); drawFaces(u, context, faces, split * u.bbox.height); },
      read: (instant) => {
        const row = person.rowAt(instant);
        return row >= 0 && person.expression[row] >= 0 ? clip.expressions[person.expression[row]].name : "";
      },
    })));
  });
  const names = new Set(people.flatMap((person) => person.expressions.map(([name]) => name)));
  byId("expression-key").replaceChildren(...clip.expressions.filter((one) => names.has(one.name))
    .map((one) => element("li", {}, swatch(one.colour), one.name)));
}

function swatch(colour) { const box = element("span"); box.style.background = colour; return box; }

function drawFaces(u, context, faces, height) {
  let free = -Infinity;
  for (const [time, image] of faces) {
    const middle = u.valToPos(time, "x", true), x = Math.min(Math.max(middle - height / 2, u.bbox.left), u.bbox.left + u.bbox.width - height);
    if (x < free || !image.complete || Math.abs(middle - height / 2 - x) > height) continue;
    context.drawImage(image, x, u.bbox.top, height - 1, height - 2);
    free = x + height;
  }
}

/* ---- curves ---- */

function buildPanels(people) {
  group.remove(panels.filter((panel) => group.charts.includes(panel)));
  panels = [];
  byId("panels").replaceChildren();
  const gaps = chosen && clip.instants.length ? missingSpans(clip, chosen, "valence") : [];
  if (people.some((person) => person.has("valence") || person.has("arousal"))) {
    const key = element("ul", { class: "key" }, element("li", {}, element("span", { class: "hatch" }), `no value for ${chosen ? chosen.label : "this person"}`));
    const box = section("Valence and arousal", key);
    affectPanel(box, key, "Valence", "valence", "unpleasant (−1) to pleasant (+1)", people, gaps);
    affectPanel(box, key, "Arousal", "arousal", "calm (−1) to excited (+1)", people, gaps);
  }
  if (!chosen) return;
  const own = (column) => chosen.has(column);
  if (clip.units.some((unit) => own(unit.column))) unitPanel(clip.units.filter((unit) => own(unit.column)));
  anglePanels("Head pose", ANGLES.filter(([column]) => own(column)));
  anglePanels("Gaze", GAZE.filter(([column]) => own(column)));
  speechPanel();
  coveragePanel();
}

function section(title, ...children) {
  const box = element("section", {}, element("h2", { text: title }), ...children);
  byId("panels").append(box);
  return box;
}

/* Add a chart with its heading to a section, above `before`. */
function addPanel(box, before, title, hint, options) {
  const readout = element("output"), host = element("div", { class: "panel" });
  const head = element("div", { class: "panel-head" }, element("h3", { text: title }), hint ? element("span", { class: "hint", text: hint }) : null, readout);
  const panel = element("div", { class: "panel" }, head, host);
  if (before) box.insertBefore(panel, before); else box.append(panel);
  panels.push(group.add(new TimeChart(group, clip, host, { ...options, readout })));
}

function lineOf(person, column, colour, rest = {}) {
  return { index: person.index, values: person.columns.get(column), scale: person.columnScales.get(column), colour, ...rest };
}

function affectPanel(box, before, title, column, hint, people, gaps) {
  const drawn = people.filter((person) => person.has(column) && person !== chosen);
  if (chosen && chosen.has(column)) drawn.push(chosen); // on top
  addPanel(box, before, title, hint, {
    height: 132, range: [-1, 1], marks: [[-1, "−1"], [-0.5, "−0.5"], [0, "0"], [0.5, "+0.5"], [1, "+1"]],
    lines: () => drawn.map((person) => lineOf(person, column, person.colour + (person === chosen ? "" : "99"), { width: person === chosen ? 2.2 : 1.2 })),
    ground: hatchSpans(group, () => gaps),
    read: (instant) => drawn.length > 4 && chosen ? readValue(chosen, column, instant) : drawn.map((person) => readValue(person, column, instant)).filter(Boolean).join(" · "),
  });
}

function readValue(person, column, instant) {
  const value = person.valueAt(column, instant);
  return value === null ? "" : `${clip.people.length > 1 ? `${person.label} ` : ""}${signed(value)}`;
}

function unitPanel(units) {
  const scale = element("p", { class: "scale" }, "0", element("span"), "1", element("span", { class: "hatch" }), "no value");
  scale.querySelector("span").style.background = `linear-gradient(to right, ${report.viridis.join(",")})`;
  scale.querySelector(".hatch").style.width = "14px";
  const box = section(clip.unitTitle, scale), names = units.map((unit) => unit.column), count = units.length;
  const gaps = missingSpans(clip, chosen, names[0]), ground = hatchSpans(group, () => [[clip.start, clip.stop]]);
  addPanel(box, scale, chosen.label, "zoomed out: the largest value within each pixel", {
    height: UNIT_HEIGHT * count, range: [0, count], grid: false,
    marks: units.map((unit, k) => [count - k - 0.5, unit.name]).reverse(),
    ground: (u, context) => { if (gaps.length) ground(u, context); heatMap(group, clip, chosen, names, palette)(u, context); },
    read: (instant, y) => {
      const listed = y === null ? strongest(units, instant) : [units[Math.max(0, Math.min(count - 1, Math.floor(count - y)))]];
      return listed.map((unit) => {
        const value = chosen.valueAt(unit.column, instant);
        return value === null ? "" : `${unit.name}${y === null ? "" : ` ${unit.text}`} ${value.toFixed(2)}`;
      }).filter(Boolean).join(" · ");
    },
  });
}

function strongest(units, instant) {
  const value = (unit) => chosen.valueAt(unit.column, instant) ?? -1;
  return [...units].sort((a, b) => value(b) - value(a)).slice(0, 3);
}

function anglePanels(title, columns) {
  if (!columns.length) return;
  const most = columns.map(([column]) => largest(chosen.columns.get(column)) / chosen.columnScales.get(column));
  const limit = Math.max(15, 15 * Math.ceil(Math.max(...most) / 15)), gaps = missingSpans(clip, chosen, columns[0][0]);
  const box = section(`${title}, ${chosen.label}`, element("p", { class: "note", text: "Degrees relative to the camera, with directions as seen in the picture." }));
  for (const [column, name, direction] of columns) {
    addPanel(box, null, name, direction, {
      height: 76, range: [-limit, limit], marks: [[-limit, `−${limit}°`], [0, "0°"], [limit, `+${limit}°`]],
      lines: () => [lineOf(chosen, column, chosen.colour)],
      ground: hatchSpans(group, () => gaps),
      read: (instant) => {
        const value = chosen.valueAt(column, instant);
        return value === null ? "" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}°`;
      },
    });
  }
}

/* Return the largest distance of the values from 0. */
function largest(values) {
  let most = 0;
  for (let row = 0; row < values.length; row++) if (values[row] !== MISSING && Math.abs(values[row]) > most) most = Math.abs(values[row]);
  return most;
}

const SHARES = [[0, "0"], [0.5, "0.5"], [1, "1"]];

function speechPanel() {
  const speech = clip.speechValues, speaking = chosen.has("speaking");
  if (!speech && !speaking) return;
  const box = section("Speech"), soft = group.theme.soft;
  if (speech) addPanel(box, null, "Somebody speaks", "probability", {
    height: 64, range: [0, 1], marks: SHARES, lines: () => [{ index: null, values: speech, scale: report.scale, colour: soft, fill: `${soft}55` }],
    read: (instant) => speech[instant] === MISSING ? "" : (speech[instant] / report.scale).toFixed(2),
  });
  if (speaking) scorePanel(box, `${chosen.label} speaks`, "speaking", "probability");
}

function scorePanel(box, title, column, hint) {
  const gaps = missingSpans(clip, chosen, column);
  addPanel(box, null, title, hint, {
    height: 64, range: [0, 1], marks: SHARES, lines: () => [lineOf(chosen, column, chosen.colour, { fill: `${chosen.colour}33` })],
    ground: hatchSpans(group, () => gaps),
    read: (instant) => { const value = chosen.valueAt(column, instant); return value === null ? "" : value.toFixed(2); },
  });
}

function coveragePanel() {
  const box = section("Quality and coverage"), states = clip.status.states;
  if (chosen.has("quality")) scorePanel(box, `Quality of the face, ${chosen.label}`, "quality", "1: large, sharp, frontal");
  if (chosen.has("eye_closed")) scorePanel(box, `Closure of the eyes, ${chosen.label}`, "eye_closed", "1: closed");
  addPanel(box, null, "Where values were read", "", {
    height: 18, range: [0, 1], grid: false,
    ground: ribbon(group, clip, null, () => clip.codes, states.map((state) => () => state.colour)),
    read: (instant) => states[clip.codes[instant]].name,
  });
  box.append(element("ul", { class: "key" }, ...states.filter((state) => state.count).map((state) => element("li", {}, swatch(state.colour), `${state.name}: ${state.text}`))));
}

/* ---- time ---- */

function currentInstant() { return clip && clip.instants.length ? clip.instantAt(player.time) : null; }

function showTime(time) {
  if (!clip) return;
  const { min, max } = group.view;
  if (player.playing && (time > max || time < min)) group.show(time, time + max - min);
  group.movePlayhead(time);
  fillText(byId("clock"), `${timeText(time)} / ${timeText(clip.stop, clip.stop)}`);
  moveOverview();
  showValues();
  drawPlane();
  drawBoxes();
}

function showValues() {
  const instant = group.hover === null ? currentInstant() : clip.instants.length ? clip.nearest(group.hover) : null;
  for (const chart of group.charts) if (chart.visible) chart.showValues(instant);
}

group.onChange = () => {
  if (!clip) return;
  showValues();
  fillText(byId("part"), `${timeText(group.view.min, clip.stop)} to ${timeText(group.view.max, clip.stop)}`);
  byId("zoom-out").disabled = byId("zoom-all").disabled = group.view.max - group.view.min >= group.limits.max - group.limits.min - 1e-6;
  if (planePath?.min !== group.view.min || planePath?.max !== group.view.max) { planePath = null; drawPlane(); moveOverview(); }
};

player.onPlaying = (playing) => {
  fillText(byId("play"), playing ? "❚❚" : "▶");
  byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
};

/* ---- canvases of our own: boxes on the video, overview, plane ---- */

/* Return the cleared context of a canvas with its size in CSS pixels. */
function canvasOf(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, context = canvas.getContext("2d");
  const columns = Math.round(width * devicePixelRatio), rows = Math.round(height * devicePixelRatio);
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

function drawBoxes() {
  if (!clip || !player.hasVideo || !clip.video.width) return;
  const [context, width] = canvasOf(byId("boxes")), scale = width / clip.video.width, instant = currentInstant();
  if (instant === null) return;
  context.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
  for (const person of new Set([...shownPeople(), chosen])) {
    const [x1, y1, x2, y2] = person ? ["face_x1", "face_y1", "face_x2", "face_y2"].map((name) => person.valueAt(name, instant)) : [null];
    if (x1 === null || y2 === null) continue;
    context.strokeStyle = context.fillStyle = person.colour;
    context.lineWidth = person === chosen ? 3 : 1.5;
    context.strokeRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale);
    const label = person.label, wide = context.measureText(label).width + 8, top = Math.max(0, y1 * scale - 17);
    context.fillRect(x1 * scale - 1, top, wide, 17);
    context.fillStyle = "#fff";
    context.fillText(label, x1 * scale + 3, top + 13);
  }
}

function drawOverview() {
  const [context, width, height] = canvasOf(byId("overview").querySelector("canvas")), whole = group.limits;
  if (!chosen || !clip.instants.length) return moveOverview();
  const codes = columnCodes(clip, chosen.index, chosen.expression, Math.max(1, clip.expressions.length), whole, Math.max(1, Math.round(width)));
  for (let x = 0; x < codes.length; x++) {
    if (codes[x] < 0) continue;
    context.fillStyle = clip.expressions[codes[x]].colour;
    context.fillRect(x, height - 10, 1, 10);
  }
  if (chosen.has("valence")) {
    const [times, values] = linePoints(clip, [lineOf(chosen, "valence")], whole, Math.max(1, Math.round(width)));
    context.beginPath();
    times.forEach((time, k) => {
      if (values[k] === null) return;
      const x = ((time - whole.min) / (whole.max - whole.min)) * width, y = 2 + ((1 - values[k]) / 2) * (height - 14);
      if (k && values[k - 1] !== null) context.lineTo(x, y); else context.moveTo(x, y);
    });
    context.strokeStyle = group.theme.soft;
    context.stroke();
  }
  return moveOverview();
}

function moveOverview() {
  const box = byId("overview"), { min, max } = group.limits, place = (time) => ((time - min) / (max - min)) * 100;
  const frame = box.querySelector(".window"), zoomed = group.view.max - group.view.min < (max - min) * 0.9999;
  frame.hidden = !zoomed;
  frame.style.left = `${place(group.view.min)}%`;
  frame.style.width = `${Math.max(1, place(group.view.max) - place(group.view.min))}%`;
  box.querySelector(".playhead").style.transform = `translateX(${(place(player.time) / 100) * box.clientWidth}px)`;
}

function drawPlane() {
  const canvas = byId("plane"), shown = chosen && chosen.has("valence") && chosen.has("arousal");
  byId("plane-section").hidden = !shown;
  if (!shown || !chosen.index.length) return;
  const [context, width, height] = canvasOf(canvas), edge = 22, { theme } = group;
  if (width < 3 * edge) return; // not laid out yet
  const x = (valence) => edge + ((valence + 1) / 2) * (width - 2 * edge), y = (arousal) => edge + ((1 - arousal) / 2) * (height - 2 * edge);
  context.strokeStyle = theme.line;
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
  for (const [text, at, turn] of [["unpleasant", 15, -1], ["pleasant", width - 15, 1]]) {
    context.save();
    context.translate(at, height / 2);
    context.rotate((turn * Math.PI) / 2);
    context.fillText(text, 0, 4);
    context.restore();
  }
  planePath ??= { ...group.view, points: planePoints(group.view) };
  if (planePath.points.length > PLANE_POINTS) {
    context.fillStyle = `${chosen.colour}30`;
    const every = Math.ceil(planePath.points.length / (4 * PLANE_POINTS));
    for (let k = 0; k < planePath.points.length; k += every) {
      const [, valence, arousal] = planePath.points[k];
      context.fillRect(x(valence) - 1.5, y(arousal) - 1.5, 3, 3);
    }
  } else strokePath(context, planePath.points, x, y, `${chosen.colour}66`, 1.2);
  strokePath(context, planePoints({ min: player.time - TRAIL, max: player.time + 1e-6 }), x, y, chosen.colour, 2.4);
  const instant = currentInstant();
  for (const person of new Set([...shownPeople(), chosen])) {
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
  fillText(byId("plane-caption"), `${chosen.label}: path of the part shown in the curves; the last ${TRAIL} s before the cursor are drawn strongly.`);
}

/* Return [instant, valence, arousal] of each row of the chosen person in a part that has both. */
function planePoints(view) {
  const points = [], valences = chosen.columns.get("valence"), arousals = chosen.columns.get("arousal");
  const first = lowerBound(clip.instants, view.min), last = lowerBound(clip.instants, view.max), scale = chosen.columnScales.get("valence");
  eachRow(chosen.index, first, last, (row, instant) => {
    if (valences[row] !== MISSING && arousals[row] !== MISSING) points.push([instant, valences[row] / scale, arousals[row] / scale]);
  });
  return points;
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
