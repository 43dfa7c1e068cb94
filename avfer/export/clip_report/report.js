/* The page: builds the charts of a clip, and connects them with the player, the mouse and the keyboard. */
const PEOPLE_PER_PAGE = 12;
const FACE_HEIGHT = 40, RIBBON_HEIGHT = 16; // px, in the lane of a person

const report = JSON.parse(document.getElementById("report-data").textContent);
const palette = gradient(report.viridis);
const byId = (id) => document.getElementById(id);
const group = new ChartGroup((time) => player.seek(clip.instants.length ? clip.instants[clip.nearest(time)] : time));
const player = new Player(showTime);
let clip = null, chosen = null, page = 0, planePath = null, panels = [], lanes = [], videoUrl = null, planeTimer = 0, planeView = {};

const signed = (value, digits = 2) => { const text = Math.abs(value).toFixed(digits); return `${value < 0 && Number(text) ? "−" : "+"}${text}`; }; // never −0.00
const degrees = (value) => `${signed(value, 1)}°`;
const percent = (share) => `${Math.round(100 * share)} %`;
const fillText = (node, text) => { if (node.textContent !== text) node.textContent = text; }; // an equal text would be laid out again

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
  if (video.remark) notes.append(element("p", { class: "note", text: video.remark }));
  if (video.format) notes.append(element("p", { class: "warning format", text: video.format }));
  if (videoUrl) URL.revokeObjectURL(videoUrl);
  videoUrl = null;
  if (stored) {
    const letters = atob(stored.textContent), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    videoUrl = URL.createObjectURL(new Blob([bytes], { type: video.kind }));
  }
  byId("choose-video").hidden = Boolean(stored || video.reference || video.still);
  screen.hidden = true;
  showPhotograph(video);
  player.open(stored ? videoUrl : video.reference || null, video.offset, group.limits, video.still);
}

player.onReady = () => {
  const { videoWidth, videoHeight } = player.video, screen = byId("screen");
  if (clip.video.width && !videoWidth) { player.onFault(); return; } // the browser plays the sound only
  screen.style.setProperty("--ratio", String(videoWidth / (videoHeight || 1)));
  screen.hidden = !videoWidth;
  byId("choose-video").hidden = true;
  document.querySelector(".player").classList.toggle("has-picture", Boolean(videoWidth));
  byId("video-notes").querySelectorAll(".format, .load-fault").forEach((note) => note.remove());
  drawBoxes();
};

player.onFault = () => {
  byId("screen").hidden = true;
  const text = `This browser cannot show ${clip.video.name}: the file was moved, or is in a format that it does not play.` +
    " Choose the file below, or make the page again with avfer report TABLE --transcode.";
  byId("video-notes").querySelectorAll(".load-fault").forEach((note) => note.remove());
  if (!clip.video.format) byId("video-notes").append(element("p", { class: "warning load-fault", text })); // else it is stated
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
  const focused = byId("lanes").contains(document.activeElement); // on a button that is built again below
  await showPeople();
  if (focused) byId("lanes").querySelector("button[aria-pressed=true]")?.focus({ preventScroll: true });
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
  if (clip.video.still) showFaceValues(people);
  else {
    buildLanes(people);
    buildPanels(people);
    showPeopleTable(people);
  }
  planePath = null;
  drawPlane();
  drawOverview();
  drawBoxes();
  group.schedule();
}

function personText(person) {
  const parts = [`${percent(person.share)} of the clip`];
  if (person.tracks.length > 1) parts.push(`tracks ${person.tracks.slice(0, 8).join(", ")}${person.tracks.length > 8 ? ", …" : ""}`);
  if (person.expressions.length) parts.push(person.expressions.slice(0, 2).map(([name, share]) => `${name} ${percent(share)}`).join(", "));
  return parts.join(" · ");
}

function emptyText() { return clip.people.length ? "No person has this name." : "No values were predicted; see Coverage for the reasons."; }

function buildLanes(people) {
  group.remove(lanes.filter((lane) => group.charts.includes(lane)));
  lanes = [];
  byId("lanes").replaceChildren();
  if (!people.length) byId("lanes").append(element("p", { class: "empty", text: emptyText() }));
  people.forEach((person, number) => {
    const host = element("div", { class: "panel" }), readout = element("output", { "aria-live": "off" });
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

/* ---- time ---- */

function currentInstant() { return clip && clip.instants.length ? clip.instantAt(player.time) : null; }

function showTime(time) {
  if (!clip) return;
  followTime(time);
  group.movePlayhead(time);
  fillText(byId("clock"), `${timeText(time)} / ${timeText(clip.stop, clip.stop)}`);
  moveOverview();
  showValues();
  drawPlane();
  drawBoxes();
}

/* Move the shown part to a time outside it: to its end if the time steps back, so that more steps stay in it. */
function followTime(time) {
  const { min, max } = group.view, span = max - min;
  if (time >= min && time <= max) return;
  const start = time < min && !player.playing ? time - span : time;
  group.show(start, start + span);
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
  if (planeView.min !== group.view.min || planeView.max !== group.view.max) {
    planeView = { ...group.view };
    planePath = null;
    clearTimeout(planeTimer);
    planeTimer = setTimeout(drawPlane, 120); // once the curves rest
    moveOverview();
  }
};

player.onPlaying = (playing) => {
  fillText(byId("play"), playing ? "❚❚" : "▶");
  byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
};
