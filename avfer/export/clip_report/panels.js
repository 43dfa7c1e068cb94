/* The curves of the chosen person and of the people on the page, each in a chart below the ribbons. */
const UNIT_HEIGHT = 14; // px, of an action unit
const ANGLES = [["yaw_deg", "Yaw", "+ to the right"], ["pitch_deg", "Pitch", "+ up"], ["roll_deg", "Roll", "+ clockwise"]];
const GAZE = [["gaze_yaw_deg", "Yaw", "+ to the right"], ["gaze_pitch_deg", "Pitch", "+ up"]];

function buildPanels(people) {
  group.remove(panels.filter((panel) => group.charts.includes(panel)));
  panels = [];
  byId("panels").replaceChildren();
  if (people.some((person) => person.has("valence") || person.has("arousal"))) {
    const key = element("ul", { class: "key" }, element("li", {}, element("span", { class: "hatch" }), `no value for ${chosen ? chosen.label : "this person"}`));
    const box = section("Valence and arousal", key);
    affectPanel(box, key, "Valence", "valence", "unpleasant (−1) to pleasant (+1)", people);
    affectPanel(box, key, "Arousal", "arousal", "calm (−1) to excited (+1)", people);
  }
  const own = (column) => chosen !== null && chosen.has(column);
  if (clip.units.some((unit) => own(unit.column))) unitPanel(clip.units.filter((unit) => own(unit.column)));
  anglePanels("Head pose", ANGLES.filter(([column]) => own(column)));
  anglePanels("Gaze", GAZE.filter(([column]) => own(column)));
  if (!clip.instants.length) return;
  speechPanel(own);
  coveragePanel(own);
}

function section(title, ...children) {
  const box = element("section", {}, element("h2", { text: title }), ...children);
  byId("panels").append(box);
  return box;
}

/* Add a chart with its heading to a section, above `before`. */
function addPanel(box, before, title, hint, options) {
  const readout = element("output", { "aria-live": "off" }), host = element("div", { class: "panel" });
  const head = element("div", { class: "panel-head" }, element("h3", { text: title }), hint ? element("span", { class: "hint", text: hint }) : null, readout);
  const panel = element("div", { class: "panel" }, head, host);
  if (before) box.insertBefore(panel, before); else box.append(panel);
  panels.push(group.add(new TimeChart(group, clip, host, { ...options, readout })));
}

function lineOf(person, column, colour, rest = {}) {
  return { index: person.index, values: person.columns.get(column), scale: person.columnScales.get(column), colour, ...rest };
}

function affectPanel(box, before, title, column, hint, people) {
  const listed = [...new Set([...people, ...(chosen ? [chosen] : [])])].filter((person) => person.has(column));
  const drawn = [...listed].sort((one, other) => (one === chosen) - (other === chosen)); // the chosen one on top
  const gaps = chosen ? missingSpans(clip, chosen, column) : [];
  addPanel(box, before, title, hint, {
    height: 132, range: [-1, 1], marks: [[-1, "−1"], [-0.5, "−0.5"], [0, "0"], [0.5, "+0.5"], [1, "+1"]],
    lines: () => drawn.map((person) => lineOf(person, column, person.colour + (person === chosen ? "" : group.theme.others), { width: person === chosen ? 2.2 : 1.2 })),
    ground: hatchSpans(group, () => gaps),
    read: (instant) => listed.length > 4 && chosen ? readValue(chosen, column, instant) : listed.map((person) => readValue(person, column, instant)).filter(Boolean).join(" · "),
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
  const hasGaps = names.some((name) => missingSpans(clip, chosen, name).length), ground = hatchSpans(group, () => [[clip.start, clip.stop]]);
  const map = heatMap(group, clip, names.map((name) => lineOf(chosen, name)), palette);
  addPanel(box, scale, chosen.label, "zoomed out: the largest value within each pixel", {
    height: UNIT_HEIGHT * count, range: [0, count], grid: false,
    marks: units.map((unit, k) => [count - k - 0.5, unit.name]).reverse(),
    ground: (u, context) => { if (hasGaps) ground(u, context); map(u, context); },
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
  const limit = Math.max(15, 15 * Math.ceil(Math.max(...most) / 15));
  const box = section(`${title}, ${chosen.label}`, element("p", { class: "note", text: `Degrees relative to the camera, with directions as seen in the picture.${columns[0][0] === GAZE[0][0] ? " No value while the eyes are closed." : ""}` }));
  for (const [column, name, direction] of columns) {
    const gaps = missingSpans(clip, chosen, column);
    addPanel(box, null, name, direction, {
      height: 76, range: [-limit, limit], marks: [[-limit, `−${limit}°`], [0, "0°"], [limit, `+${limit}°`]],
      lines: () => [lineOf(chosen, column, chosen.colour)],
      ground: hatchSpans(group, () => gaps),
      read: (instant) => {
        const value = chosen.valueAt(column, instant);
        return value === null ? "" : degrees(value);
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

function speechPanel(own) {
  const speech = clip.speechValues, speaking = own("speaking");
  if (!speech && !speaking) return;
  const box = section("Speech"), soft = group.theme.soft;
  const gaps = speech ? missingSpans(clip, { index: clip.instants.map((_, k) => k), columns: new Map([["speech", speech]]) }, "speech") : [];
  if (speech) addPanel(box, null, "Somebody speaks", "probability", {
    height: 64, range: [0, 1], marks: SHARES, lines: () => [{ index: null, values: speech, scale: report.scale, colour: soft, fill: `${soft}55` }],
    ground: hatchSpans(group, () => gaps),
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

function coveragePanel(own) {
  const box = section("Quality and coverage"), states = clip.status.states;
  if (own("quality")) scorePanel(box, `Quality of the face, ${chosen.label}`, "quality", "1: large, sharp, frontal");
  if (own("eye_closed")) scorePanel(box, `Closure of the eyes, ${chosen.label}`, "eye_closed", "1: closed");
  addPanel(box, null, "Where values were read", "", {
    height: 18, range: [0, 1], grid: false,
    ground: ribbon(group, clip, null, () => clip.codes, states.map((state) => () => state.colour)),
    read: (instant) => states[clip.codes[instant]].name,
  });
  box.append(element("ul", { class: "key" }, ...states.filter((state) => state.count).map((state) => element("li", {}, swatch(state.colour), `${state.name}: ${state.text}`))));
}
