/* A photograph in place of the player, and the values of its faces in place of curves. */
function showPhotograph({ still, picture, width, height, name }) {
  const screen = byId("screen");
  screen.querySelectorAll("img").forEach((image) => image.remove());
  byId("people-title").textContent = still ? "Values of each face" : "People and expressions";
  document.querySelector(".stage").classList.toggle("still", still);
  byId("video").hidden = still;
  if (!picture) return;
  const image = element("img", { src: picture, alt: name });
  image.onload = drawBoxes;
  screen.prepend(image);
  screen.style.setProperty("--ratio", String(width / height));
  screen.hidden = false;
}

/* Show one column for each face; a press on its head chooses the face. */
function showFaceValues(people) {
  group.clear();
  byId("panels").replaceChildren();
  byId("expression-key").replaceChildren();
  byId("people-table-section").hidden = true;
  const rows = faceRows(people), numbers = people.map((_, k) => k + 1);
  byId("lanes").replaceChildren(rows.length
    ? element("div", { class: "wide face-values" }, textTable(["", ...people.map(faceHead)], rows, numbers))
    : element("p", { class: "empty", text: emptyText() }));
}

function faceHead(person) {
  const [, source] = person.faces[0] || [], image = source ? element("img", { src: source, alt: "" }) : null;
  return element("button", { type: "button", onclick: () => choose(person), "aria-pressed": String(person === chosen), "--lane": person.colour }, image, person.label);
}

/* Return [name, value of each face] of what the faces have. */
function faceRows(people) {
  const plain = (value) => value.toFixed(2);
  const listed = [["valence", "Valence", signed], ["arousal", "Arousal", signed],
    ...clip.units.map((unit) => [unit.column, `${unit.name} ${unit.text}`, plain]),
    ...ANGLES.map(([column, name, direction]) => [column, `Head ${name.toLowerCase()}, ${direction}`, degrees]),
    ...GAZE.map(([column, name, direction]) => [column, `Gaze ${name.toLowerCase()}, ${direction}`, degrees]),
    ["eye_closed", "Closure of the eyes", plain], ["quality", "Quality of the face", plain]];
  const instant = currentInstant(), text = (value, format) => (value === null ? "–" : format(value));
  const rows = listed.filter(([column]) => people.some((person) => person.has(column)))
    .map(([column, name, format]) => [name, ...people.map((person) => text(person.valueAt(column, instant), format))]);
  const expressions = people.map((person) => (person.expressions.length ? person.expressions[0][0] : "–"));
  return people.length ? [["Expression", ...expressions], ...rows] : [];
}
