"use strict";
// Pointer and keyboard.
cmda.connectKeys = (viewer) => {
  const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };
  const help = document.getElementById("help");
  const actions = {
    Home: () => viewer.go(0),
    End: () => viewer.go(viewer.content.size[2] - 1),
    "+": () => viewer.magnify(1.25),
    "=": () => viewer.magnify(1.25),
    "-": () => viewer.magnify(0.8),
    "[": () => viewer.fade(-0.1),
    "]": () => viewer.fade(0.1),
    "?": () => (help.open ? help.close() : help.showModal()),
    e: () => viewer.flip("edges"),
    f: () => viewer.flip("fill"),
    g: () => viewer.goToNext(),
    i: () => viewer.nextImage(),
    l: () => viewer.nextLayout(),
    n: () => document.getElementById("next")?.click(),
    o: () => viewer.toggleAll(),
    p: () => document.getElementById("previous")?.click(),
    r: () => viewer.reset(),
    s: () => viewer.save(),
    t: () => cmda.toggleTheme(),
    z: () => viewer.toggleNear(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (help.open && event.key !== "?") return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (event.key in step) viewer.go(viewer.slice + step[event.key]);
    else if (/^[1-9]$/.test(event.key)) viewer.toggle(Number(event.key) - 1);
    else if (action) action();
    else return;
    event.preventDefault();
  });
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  help.addEventListener("click", (event) => {
    if (event.target === help) help.close();
  });

  /** Arrow keys belong to a field that has the focus; the slider of the slices moves slices anyway. */
  function typing(target) {
    return target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type === "range");
  }
};

cmda.connectPointer = (viewer, pane) => {
  const { stage } = pane;
  let travelled = 0;
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.ctrlKey) {
        viewer.magnify(event.deltaY < 0 ? 1.15 : 1 / 1.15, pane.place(event));
        return;
      }
      // A wheel moves by large steps, a touch pad by many small ones: one slice per notch or per 40 px.
      const notch = event.deltaMode === 0 ? 40 : 1;
      travelled = Math.sign(travelled) === Math.sign(event.deltaY) ? travelled + event.deltaY : event.deltaY;
      if (Math.abs(travelled) < notch) return;
      viewer.go(viewer.slice - Math.sign(travelled));
      travelled = 0;
    },
    { passive: false },
  );
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("held");
  });
  stage.addEventListener("pointerup", () => stage.classList.remove("held"));
  stage.addEventListener("pointermove", (event) => {
    if (event.buttons === 1) viewer.pan(event.movementX / pane.placement.scale, event.movementY / pane.placement.scale);
    viewer.point({ pane, place: pane.place(event) });
  });
  stage.addEventListener("pointerleave", () => viewer.point(null));
  stage.addEventListener("dblclick", () => viewer.reset());
};
