/* The playhead: the time of the video, or a clock of its own where there is no video to play. */
class Player {
  constructor(onTime) {
    this.onTime = onTime;
    this.video = document.getElementById("video");
    this.hasVideo = false; // whether the video plays
    this.playing = false;
    this.time = 0; // s, on the axis of the table
    this.offset = 0; // s, what the video calls time 0 of the table
    this.range = { min: 0, max: 1 };
    this.still = false; // whether the clip is a photograph
    this.rate = 1;
    this.clock = 0;
    const video = this.video;
    video.addEventListener("loadedmetadata", () => { this.hasVideo = true; this.seek(this.time); this.onReady(); });
    video.addEventListener("error", () => { if (video.getAttribute("src")) { this.hasVideo = false; this.onFault(); } });
    video.addEventListener("play", () => this.setPlaying(true));
    video.addEventListener("pause", () => this.setPlaying(false));
    video.addEventListener("ended", () => this.setPlaying(false));
    this.onReady = this.onFault = this.onPlaying = () => {};
  }

  /* Take a URL as the video; null: none. `still`: there is nothing to play. */
  open(url, offset, range, still = false) {
    this.pause();
    this.hasVideo = false;
    Object.assign(this, { offset, range, still, time: range.min });
    if (url === null) { this.video.removeAttribute("src"); this.video.load(); } else this.video.src = url;
    this.onTime(this.time);
  }

  seek(time) {
    this.time = Math.min(Math.max(time, this.range.min), this.range.max);
    if (this.hasVideo) this.video.currentTime = Math.max(0, this.time + this.offset + 0.0005); // inside the frame
    this.onTime(this.time);
  }

  toggle() { if (this.still) return; if (this.playing) this.pause(); else this.play(); }

  play() {
    if (this.time >= this.range.max - 0.05) this.seek(this.range.min);
    if (this.hasVideo) { this.video.playbackRate = this.rate; this.video.play().catch(() => this.setPlaying(false)); } else this.setPlaying(true);
  }

  pause() { if (this.hasVideo) this.video.pause(); this.setPlaying(false); }

  setRate(rate) { this.rate = rate; this.video.playbackRate = rate; }

  setPlaying(playing) {
    if (playing === this.playing) return;
    this.playing = playing;
    this.clock = performance.now();
    if (playing) requestAnimationFrame((now) => this.advance(now));
    else if (this.hasVideo) this.follow(this.video.currentTime - this.offset); // the curves stop at the frame that is shown
    this.onPlaying(playing);
  }

  follow(time) {
    this.time = Math.min(Math.max(time, this.range.min), this.range.max);
    this.onTime(this.time);
  }

  advance(now) {
    if (!this.playing) return;
    const passed = Math.max(0, now - this.clock) / 1000;
    this.clock = now;
    this.follow(this.hasVideo ? this.video.currentTime - this.offset : this.time + passed * this.rate);
    if (this.time >= this.range.max) this.pause(); // a video may continue after the part in the table
    requestAnimationFrame((next) => this.advance(next));
  }
}
