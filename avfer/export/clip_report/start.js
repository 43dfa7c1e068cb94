/* Connect mouse, keyboard and system settings, and open the first clip. */
byId("play").addEventListener("click", () => player.toggle());
byId("screen").addEventListener("click", () => player.toggle());
byId("speed").addEventListener("change", (event) => player.setRate(Number(event.target.value)));
byId("mute").addEventListener("click", toggleSound);
byId("zoom-in").addEventListener("click", () => group.zoom(0.5));
byId("zoom-out").addEventListener("click", () => group.zoom(2));
byId("zoom-all").addEventListener("click", () => group.showAll());
byId("people-search").addEventListener("input", () => { page = 0; showPeople(); });
byId("people-before").addEventListener("click", () => { page--; showPeople(); });
byId("people-after").addEventListener("click", () => { page++; showPeople(); });
byId("clip").addEventListener("change", (event) => openClip(Number(event.target.value)));
byId("clip-before").addEventListener("click", () => moveClip(-1));
byId("clip-after").addEventListener("click", () => moveClip(1));
byId("video-file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (!file) return;
  if (videoUrl) URL.revokeObjectURL(videoUrl);
  videoUrl = URL.createObjectURL(file);
  player.open(videoUrl, clip.video.offset, group.limits);
});
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => {
  const range = document.createRange();
  range.selectNodeContents(byId(button.dataset.copy));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  navigator.clipboard?.writeText(byId(button.dataset.copy).textContent).catch(() => {});
}));

function toggleSound() {
  player.video.muted = !player.video.muted;
  byId("mute").setAttribute("aria-pressed", String(player.video.muted));
}

function moveClip(step) {
  const number = Number(byId("clip").value) + step;
  byId("clip").value = String(number);
  openClip(number);
}

function stepFrames(count) {
  if (!clip.instants.length) return;
  const instant = Math.min(Math.max(clip.instantAt(player.time) + count, 0), clip.instants.length - 1);
  player.seek(clip.instants[instant]);
}

/* Choose the person above or below; return whether there is more than one. */
function stepPeople(count) {
  const people = foundPeople(), place = people.indexOf(chosen) + count;
  if (place >= 0 && place < people.length) choose(people[place]);
  return people.length > 1;
}

const KEYS = { // an action that returns false leaves its key to the browser
  " ": () => player.toggle(),
  ArrowLeft: (event) => (event.shiftKey ? player.seek(player.time - 1) : stepFrames(-1)),
  ArrowRight: (event) => (event.shiftKey ? player.seek(player.time + 1) : stepFrames(1)),
  ArrowUp: () => stepPeople(-1),
  ArrowDown: () => stepPeople(1),
  Home: () => player.seek(clip.start),
  End: () => player.seek(clip.stop),
  "+": () => group.zoom(0.5),
  "=": () => group.zoom(0.5),
  "-": () => group.zoom(2),
  0: () => group.showAll(),
  m: toggleSound,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, summary")) return;
  if (event.key === " " && event.target.closest("button")) return; // presses the button
  if (event.key.startsWith("Arrow") && event.target.matches(".wide, pre")) return; // scrolls the table or the text
  const action = KEYS[event.key] || KEYS[event.key.toLowerCase()];
  if (!action || !clip || (clip.video.still && !["ArrowUp", "ArrowDown"].includes(event.key))) return;
  if (action(event) !== false) event.preventDefault();
});

/* The overview moves the shown part, or the cursor where the whole clip is shown. */
byId("overview").addEventListener("pointerdown", (event) => { byId("overview").setPointerCapture(event.pointerId); dragOverview(event); });
byId("overview").addEventListener("pointermove", (event) => { if (event.buttons) dragOverview(event); });

function dragOverview(event) {
  const box = byId("overview").getBoundingClientRect(), { min, max } = group.limits, span = group.view.max - group.view.min;
  const time = min + ((event.clientX - box.left) / box.width) * (max - min);
  if (span < (max - min) * 0.9999) group.show(time - span / 2, time + span / 2); else group.onSeek(time);
}

/* Draw what has the colours of the page. On paper they are light; `beforeprint` comes before the styles of paper apply. */
function repaint(onPaper = false) {
  document.documentElement.classList.toggle("paper", onPaper);
  group.theme.read();
  group.drawAll();
  drawPlane();
  drawOverview();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint());
addEventListener("beforeprint", () => repaint(true));
addEventListener("afterprint", () => repaint());
addEventListener("resize", () => { drawPlane(); drawOverview(); drawBoxes(); });
addEventListener("error", (event) => { byId("fault").hidden = false; fillText(byId("fault"), `The page has a fault: ${event.message}`); });
addEventListener("unhandledrejection", (event) => { byId("fault").hidden = false; fillText(byId("fault"), `The page has a fault: ${event.reason}`); });

byId("clip").replaceChildren(...report.clips.map((one, number) => element("option", { value: number, text: one.source || one.name })));
byId("clip-controls").hidden = report.clips.length < 2;
showAgreement();
openClip(0);
window.avferReport = { group, player, choose }; // for tests and the console
