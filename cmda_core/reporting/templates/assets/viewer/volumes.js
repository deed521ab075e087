"use strict";
// The slices of a case. Scripts are the one kind of file that a page from the disk may read.
{
  const waiting = new Map();
  const AHEAD = 4;

  /** Called by the scripts that hold slices. */
  cmda.receive = (key, content) => {
    waiting.get(key)?.(content);
    waiting.delete(key);
  };

  /** What a script of the case's folder hands over. */
  cmda.request = (folder, key) =>
    new Promise((resolve, reject) => {
      waiting.set(key, resolve);
      const script = document.createElement("script");
      script.src = `${folder}/${key}.js`;
      script.onerror = () => reject(new Error(`${script.src} is missing`));
      document.head.append(script);
    });

  /** An image: its slices are decoded when they, or their neighbours, are looked at. */
  cmda.ImageStack = class {
    #folder;
    #key;
    #changed;
    #data = null;
    #requested = false;
    #slices = new Map();
    failed = false;

    constructor(folder, key, changed) {
      this.#folder = folder;
      this.#key = key;
      this.#changed = changed;
    }

    /** The picture of a slice, or null until it is decoded; `changed` is called then. */
    slice(number) {
      if (!this.#data) {
        this.#load();
        return null;
      }
      for (let step = 1; step <= AHEAD; step++) {
        this.#decode(number + step);
        this.#decode(number - step);
      }
      return this.#decode(number);
    }

    #load() {
      if (this.#requested) return;
      this.#requested = true;
      cmda.request(this.#folder, this.#key).then(
        (data) => {
          this.#data = data;
          this.#changed();
        },
        () => {
          this.failed = true;
          this.#changed();
        },
      );
    }

    #decode(number) {
      if (number < 0 || number >= this.#data.length) return null;
      let entry = this.#slices.get(number);
      if (!entry) {
        entry = { picture: new Image(), ready: false };
        this.#slices.set(number, entry);
        entry.picture.src = `data:image/jpeg;base64,${this.#data[number]}`;
        entry.picture.decode().then(() => {
          entry.ready = true;
          this.#changed();
        });
      }
      return entry.ready ? entry.picture : null;
    }
  };

  /** A label map, kept as runs; single slices are unpacked when they are looked at. */
  cmda.LabelStack = class {
    #runs;
    #width;
    #height;
    #last = { number: -1, voxels: null };
    #areas = new Map();

    constructor(runs, width, height) {
      this.#runs = runs;
      this.#width = width;
      this.#height = height;
    }

    get length() {
      return this.#runs.length;
    }

    /** Labels of a slice, row by row. */
    slice(number) {
      if (this.#last.number !== number) {
        const voxels = new Uint8Array(this.#width * this.#height);
        this.#each(number, (start, length, label) => voxels.fill(label, start, start + length));
        this.#last = { number, voxels };
      }
      return this.#last.voxels;
    }

    /** Number of voxels of a label, by slice. */
    areas(label) {
      if (!this.#areas.has(label)) {
        const count = (number) => {
          let area = 0;
          this.#each(number, (_start, length, found) => (area += found === label ? length : 0));
          return area;
        };
        this.#areas.set(label, this.#runs.map((_, number) => count(number)));
      }
      return this.#areas.get(label);
    }

    #each(number, use) {
      const runs = this.#runs[number];
      for (let at = 0, position = 0; at < runs.length; at += 3) {
        position += runs[at];
        use(position, runs[at + 1], runs[at + 2]);
        position += runs[at + 1];
      }
    }
  };
}
