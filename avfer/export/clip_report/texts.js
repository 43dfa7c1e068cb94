/* The tables and texts below the curves. Everything from a table is set as text. */
function textTable(heads, rows, numbers = []) {
  const kind = (k) => (numbers.includes(k) ? { class: "n" } : {});
  const cell = (tag, content, k) => (content instanceof Node ? element(tag, kind(k), content) : element(tag, { ...kind(k), text: content }));
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head, k) => cell("th", head, k)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((content, k) => cell("td", content, k))))));
}

function showTexts() {
  byId("caveats").replaceChildren(...clip.caveats.map((text) => element("li", { text })));
  fillText(byId("methods"), clip.methods);
  fillText(byId("bibtex"), clip.bibtex);
  fillText(byId("pipeline"), clip.pipeline);
  byId("pipeline-details").hidden = !clip.pipeline;
  byId("licences").replaceChildren(clip.licences.length
    ? textTable(["weights", "licence", "sha256"], clip.licences.map(([file, licence, sha256]) => [file, licence, element("code", { text: sha256 })]))
    : element("p", { class: "empty", text: "The table does not state its weights: CSV and JSON lines hold no metadata." }));
  byId("facts").replaceChildren(clip.facts.length ? textTable(["fact", "value"], clip.facts) : element("p", { class: "empty", text: "The table has no metadata." }));
  const total = clip.status.states.reduce((sum, state) => sum + state.count, 0) || 1;
  byId("coverage").replaceChildren(textTable(["", "instants", "share", "meaning"],
    clip.status.states.filter((state) => state.count).map((state) => [state.name, String(state.count), `${((100 * state.count) / total).toFixed(1)} %`, state.text]), [1, 2]));
}

function showPeopleTable(people) {
  byId("people-table-section").hidden = !people.length;
  const mean = (value) => (value === null ? "–" : signed(value));
  byId("people-table").replaceChildren(textTable(
    ["person", "most probable expression", "valence", "arousal", "quality", "of the clip", "rows", "tracks"],
    people.map((person) => [person.label, shareBar(person), mean(person.means.valence), mean(person.means.arousal),
      person.means.quality === null ? "–" : person.means.quality.toFixed(2), percent(person.share), String(person.present), person.tracks.join(", ")]), [2, 3, 4, 5, 6]));
}

function shareBar(person) {
  const colours = new Map(clip.expressions.map((one) => [one.name, one.colour])), bar = element("div", { class: "shares" });
  for (const [name, share] of person.expressions) {
    const part = swatch(colours.get(name));
    part.style.flex = `${share} 0 0`;
    part.title = `${name} ${percent(share)}`;
    bar.append(part);
  }
  const text = person.expressions.slice(0, 3).map(([name, share]) => `${name} ${percent(share)}`).join(", ") || "–";
  return element("div", {}, ...(person.expressions.length ? [bar] : []), text);
}

function showAgreement() {
  const { agreement } = report;
  if (!agreement) return;
  const box = element("section", {}, element("h2", { text: "Agreement with human coding" }), element("p", { class: "note", text: agreement.text }),
    element("div", { class: "wide", tabindex: "0" }, textTable(agreement.heads, agreement.rows, [2, 3, 4, 5, 6, 7])));
  if (agreement.notes.length) box.append(element("ul", { class: "warning" }, ...agreement.notes.map((text) => element("li", { text }))));
  box.append(element("details", {}, element("summary", { text: "Settings of the agreement" }), element("div", { class: "wide", tabindex: "0" }, textTable(["fact", "value"], agreement.facts))));
  byId("agreement").replaceChildren(box);
}
