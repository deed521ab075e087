"use strict";
// The state of the page, and the panes that show it.
cmda.Viewer = class {
  static MARGIN_MM = 9;
  static SMALLEST_MM = 44;
  static MOST_PANES = 8;
  static KEPT = ["opacity", "fill", "edges"];

  constructor(content, maps) {
    this.content = content;
    const [width, height] = content.size;
    this.maps = maps.map((runs) => new cmda.LabelStack(runs, width, height));
    this.stacks = content.images.map((image) => new cmda.ImageStack(content.folder, image.key, () => this.draw()));
    this.visible = content.overlays.map(() => true);
    this.seed = content.seeds[0] ?? null;
    [this.opacity, this.fill, this.edges] = [0.3, true, true];
    [this.brightness, this.contrast] = [100, 100];
    [this.zoom, this.centre, this.near, this.cursor] = [1, null, null, null];
    for (const name of cmda.Viewer.KEPT) {
      const kept = cmda.recall(name);
      if (kept !== null) this[name] = JSON.parse(kept);
    }
    this.slice = this.#largest(content.structures[0]);
    this.resized = new ResizeObserver(() => this.refit());
    this.controls = new cmda.Controls(this);
    this.profile = new cmda.Profile(this, document.getElementById("profile"), document.getElementById("names"));
    this.arrange(content.layout);
    // Many panes are small: the tumour would be too.
    if (this.layout === "entries" && this.panes.length > 2) this.toggleNear();
  }

  // What is shown ----------------------------------------------------------------------------

  get layouts() {
    const entries = this.content.overlays.filter((one) => !one.reference).length;
    return ["one", ...(this.content.images.length > 1 ? ["images"] : []), ...(entries > 1 ? ["entries"] : [])];
  }

  arrange(layout) {
    this.layout = this.layouts.includes(layout) ? layout : "one";
    const overlays = this.content.overlays;
    const panes = {
      one: () => [{ image: 0, overlays: "all" }],
      images: () => this.content.images.map((_, number) => ({ image: number, overlays: "all" })),
      entries: () =>
        [...overlays.keys()].filter((number) => !overlays[number].reference).map((number) => ({ image: 0, overlays: number })),
    }[this.layout]().slice(0, cmda.Viewer.MOST_PANES);
    this.panes = panes.map((shown) => new cmda.Pane(this, shown));
    const grid = document.getElementById("panes");
    grid.replaceChildren(...this.panes.map((pane) => pane.element));
    [grid.dataset.panes, grid.dataset.layout] = [panes.length, this.layout];
    this.resized.disconnect();
    for (const pane of this.panes) {
      cmda.connectPointer(this, pane);
      pane.name();
      this.resized.observe(pane.stage);
    }
    if (this.near) this.#approach(this.near);
    this.draw();
  }

  nextLayout() {
    this.arrange(this.layouts[(this.layouts.indexOf(this.layout) + 1) % this.layouts.length]);
  }

  nextImage() {
    for (const pane of this.panes) pane.image = (pane.image + 1) % this.content.images.length;
    this.draw();
  }

  go(slice) {
    this.slice = Math.min(this.content.size[2] - 1, Math.max(0, slice));
    this.draw();
  }

  /** The largest section of a structure; near, if the panes show a structure from near. */
  goTo(structure) {
    this.target = structure;
    this.slice = this.#largest(structure);
    if (this.near) this.#approach(structure);
    this.draw();
  }

  goToNext() {
    const { structures } = this.content;
    const current = this.target ?? structures[0];
    this.goTo(structures[(structures.indexOf(current) + 1) % structures.length]);
  }

  toggle(number) {
    if (number >= this.visible.length) return;
    this.visible[number] = !this.visible[number];
    this.draw();
  }

  toggleAll() {
    this.visible.fill(!this.visible.some(Boolean));
    this.draw();
  }

  flip(name) {
    this[name] = !this[name];
    this.keep();
    this.draw();
  }

  fade(step) {
    this.opacity = Math.round(Math.min(1, Math.max(0, this.opacity + step)) * 100) / 100;
    this.keep();
    this.draw();
  }

  chooseSeed(seed) {
    this.seed = seed;
    this.draw();
  }

  /** Remember for other cases how segmentations are to be drawn. */
  keep() {
    for (const name of cmda.Viewer.KEPT) cmda.remember(name, JSON.stringify(this[name]));
  }

  // Zoom and place ----------------------------------------------------------------------------

  magnify(factor, around = null) {
    const zoom = Math.min(24, Math.max(1, this.zoom * factor));
    const centre = this.centre ?? this.#middle;
    const fixed = around ?? centre;
    this.centre = zoom === 1 ? null : centre.map((value, axis) => fixed[axis] + ((value - fixed[axis]) * this.zoom) / zoom);
    this.zoom = zoom;
    this.near = null;
    this.draw();
  }

  pan(across, down) {
    if (this.zoom === 1) return;
    const centre = this.centre ?? this.#middle;
    this.centre = [centre[0] - across, centre[1] - down];
    this.near = null;
    this.draw();
  }

  reset() {
    [this.zoom, this.centre, this.near] = [1, null, null];
    [this.brightness, this.contrast] = [100, 100];
    this.draw();
  }

  toggleNear() {
    if (this.near) [this.zoom, this.centre, this.near] = [1, null, null];
    else this.#approach(this.target ?? this.content.structures[0]);
    this.draw();
  }

  /** The panes have another size. */
  refit() {
    if (this.near) this.#approach(this.near);
    this.draw();
  }

  /** A structure as large as the panes allow, with some of what is around it. */
  #approach(structure) {
    const { size, spacing } = this.content;
    const voxels = this.#guide?.slice(this.#largest(structure));
    const places = [...(voxels ?? []).entries()].filter(([, label]) => label === structure.label).map(([at]) => at);
    if (!places.length) return;
    const extent = (indices, step) => {
      const [first, last] = [Math.min(...indices), Math.max(...indices) + 1];
      const length = (last - first) * step + 2 * cmda.Viewer.MARGIN_MM;
      return { middle: ((first + last) / 2) * step, length: Math.max(length, cmda.Viewer.SMALLEST_MM) };
    };
    const across = extent(places.map((at) => at % size[0]), spacing[0]);
    const down = extent(places.map((at) => Math.floor(at / size[0])), spacing[1]);
    const { clientWidth, clientHeight } = this.panes[0].stage;
    const whole = Math.min(clientWidth / (size[0] * spacing[0]), clientHeight / (size[1] * spacing[1]));
    const scale = Math.min(clientWidth / across.length, clientHeight / down.length);
    this.zoom = Math.max(1, scale / whole);
    this.centre = [across.middle, down.middle];
    this.near = structure;
  }

  get #middle() {
    const { size, spacing } = this.content;
    return [(size[0] * spacing[0]) / 2, (size[1] * spacing[1]) / 2];
  }

  // Segmentations -----------------------------------------------------------------------------

  /** The label map of an overlay with the chosen seed, if there is one. */
  stack(number) {
    const { maps } = this.content.overlays[number];
    const chosen = maps.find((one) => one.seed === null || one.seed === this.seed);
    return chosen ? this.maps[chosen.map] : null;
  }

  areas(number, label) {
    return this.stack(number)?.areas(label) ?? [];
  }

  /** The overlay that tells where to look: the reference, or else the first that found anything. */
  get #guide() {
    const numbers = [...this.content.overlays.keys()];
    const filled = (number) => this.stack(number) && this.content.structures.some((one) => this.areas(number, one.label).some(Boolean));
    const found = numbers.find(filled);
    return found === undefined ? null : this.stack(found);
  }

  #largest(structure) {
    const areas = this.#guide?.areas(structure.label) ?? [];
    const most = Math.max(0, ...areas);
    return most > 0 ? areas.indexOf(most) : Math.floor(this.content.size[2] / 2);
  }

  /** Fill and outline of an overlay in this slice; all panes draw the same. */
  marks(number) {
    const stack = this.stack(number);
    if (!stack) return null;
    const known = (this.drawn ??= new Map()).get(number);
    if (known?.stack === stack && known.slice === this.slice) return known;
    const made = { stack, slice: this.slice, ...this.#render(stack.slice(this.slice), this.content.overlays[number].colour) };
    this.drawn.set(number, made);
    return made;
  }

  #render(voxels, colour) {
    const [width, height] = this.content.size;
    const fill = new OffscreenCanvas(width, height);
    const pixels = new ImageData(width, height);
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    voxels.forEach((label, at) => {
      if (label) pixels.data.set([red, green, blue, 255], 4 * at);
    });
    fill.getContext("2d").putImageData(pixels, 0, 0);
    const outline = new Path2D();
    for (const { label } of this.content.structures) outline.addPath(cmda.outline(voxels, width, height, label));
    return { fill, outline };
  }

  /** Dice of an overlay and a structure, as text. */
  dice(number, which) {
    const { name, reference, maps } = this.content.overlays[number];
    if (reference) return "";
    const structure = this.content.structures[which].name;
    const anySeed = maps[0].seed === null;
    const found = this.content.dice.find(
      (one) => one.entry === name && one.structure === structure && (anySeed || one.seed === this.seed),
    );
    return found?.dice == null ? "\u2013" : found.dice.toFixed(2);
  }

  // Pointer -----------------------------------------------------------------------------------

  point(cursor) {
    this.cursor = cursor;
    for (const pane of this.panes) pane.drawMarks();
    this.controls.drawCursor();
  }

  get words() {
    const { size, spacing, overlays, structures } = this.content;
    if (!this.cursor) return "";
    const [i, j] = this.cursor.place.map((value, axis) => Math.floor(value / spacing[axis]));
    if (i < 0 || j < 0 || i >= size[0] || j >= size[1]) return "";
    const found = overlays.flatMap((overlay, number) => {
      const label = this.visible[number] && this.stack(number)?.slice(this.slice)[j * size[0] + i];
      const structure = structures.find((one) => one.label === label);
      return structure ? [`${overlay.name}: ${structure.name}`] : [];
    });
    const place = this.cursor.place.map((value) => value.toFixed(1)).join(", ");
    return [`${place} mm`, ...found].join("  \u00b7  ");
  }

  // Drawing -----------------------------------------------------------------------------------

  get filter() {
    return `brightness(${this.brightness}%) contrast(${this.contrast}%)`;
  }

  /** Draw once per frame, however much has changed. */
  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      for (const pane of this.panes) pane.name();
      for (const pane of this.panes) pane.draw();
      this.profile.draw();
      this.controls.draw();
      this.controls.drawCursor();
      document.body.dataset.drawn = this.slice;
    });
  }

  /** The panes as one PNG. */
  save() {
    const ratio = window.devicePixelRatio || 1;
    const grid = document.getElementById("panes").getBoundingClientRect();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [grid.width * ratio, grid.height * ratio].map(Math.round);
    const context = canvas.getContext("2d");
    for (const pane of this.panes) {
      const box = pane.stage.getBoundingClientRect();
      const place = [(box.left - grid.left) * ratio, (box.top - grid.top) * ratio];
      context.filter = this.filter;
      context.drawImage(pane.picture, ...place);
      context.filter = "none";
      context.drawImage(pane.marks, ...place);
    }
    const link = document.createElement("a");
    link.download = `${this.content.case.replace(/[^\w.-]+/g, "_")}_slice-${this.slice + 1}.png`;
    link.href = canvas.toDataURL("image/png");
    link.click();
  }
};

{
  const content = JSON.parse(document.getElementById("content").textContent);
  cmda.request(content.folder, "labels").then(
    (maps) => {
      const viewer = new cmda.Viewer(content, maps);
      cmda.connectKeys(viewer);
      document.addEventListener("themechange", () => viewer.draw());
    },
    () => {
      const panes = document.getElementById("panes");
      panes.textContent = "The folder with the slices is missing beside this page: copy the whole report.";
    },
  );
}
