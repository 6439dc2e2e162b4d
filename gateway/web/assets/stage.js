// The stage: an image that one pans and zooms, and a box on it.
//
// OpenSeadragon counts from the top left corner; FITS pixels count from the bottom left one, and
// the centre of the first is (1, 1).

import { addressOf, writeBox } from "./gateway.js";

const { OpenSeadragon } = window;
const TILE = 256;

/** Describe the levels of an image; each tile is a picture that the gateway draws. */
function tilesOf({ width, height }, parameters, box) {
  const maxLevel = Math.ceil(Math.log2(Math.max(width, height, 2)));
  return {
    width,
    height,
    tileSize: TILE,
    maxLevel,
    minLevel: Math.min(maxLevel, Math.log2(TILE)),
    getTileUrl(level, column, row) {
      const side = TILE * 2 ** (maxLevel - level);
      const tile = { x: column * side + 1, y: height - (row + 1) * side + 1, width: side, height: side };
      return addressOf({ format: "png", ...parameters, ...writeBox(tile, box), width: TILE });
    },
  };
}

// OpenSeadragon would add a style, which our policy refuses, unless it finds one that says this.
document.querySelector("style").dataset.openseadragonMobileCss = "";

export class Stage extends EventTarget {
  /** Events: "point" with the pixel under the cursor, "box" with one that was drawn, "view". */
  constructor(element, boxElement) {
    super();
    this.boxElement = boxElement;
    this.isDrawing = false;
    this.element = element;
    this.viewer = new OpenSeadragon({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      imageSmoothingEnabled: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      maxZoomPixelRatio: 32,
      visibilityRatio: 0.5,
      animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.6,
    });
    this.#listen();
  }

  /** Show an image; where it has the shape of the one before, the view stays. */
  show(image, parameters, box) {
    const { world } = this.viewer;
    const isNew = this.image?.width !== image.width || this.image?.height !== image.height;
    this.image = image;
    this.element.ariaBusy = "true";
    const tileSource = tilesOf(image, parameters, box);
    if (isNew || !world.getItemCount()) this.viewer.open(tileSource);
    else this.viewer.addTiledImage({ tileSource, index: 0, replace: true });
  }

  /** Show nothing: not every HDU has an image. */
  clear() {
    this.image = undefined;
    this.viewer.close();
    this.element.ariaBusy = "false";
  }

  zoom(factor) {
    this.viewer.viewport.zoomBy(factor);
    this.viewer.viewport.applyConstraints();
  }

  fit() {
    this.viewer.viewport.goHome();
  }

  /** Give how many pixels of the screen a pixel of the image has. */
  get scale() {
    const { viewport } = this.viewer;
    return viewport.viewportToImageZoom(viewport.getZoom(true));
  }

  /** Show a box of whole pixels, or none. */
  mark(box) {
    this.viewer.removeOverlay(this.boxElement);
    this.boxElement.hidden = !box;
    if (!box || !this.viewer.world.getItemCount()) return;
    const top = this.image.height - (box.y - 1 + box.height);
    const location = this.viewer.viewport.imageToViewportRectangle(box.x - 1, top, box.width, box.height);
    this.viewer.addOverlay({ element: this.boxElement, location });
  }

  /** Give the pixel at a place of the element; it may lie outside of the image. */
  #pixelAt(place) {
    const { x, y } = this.viewer.viewport.viewerElementToImageCoordinates(place);
    return { x: Math.floor(x) + 1, y: this.image.height - Math.floor(y) };
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #listen() {
    const { viewer } = this;
    const isReady = () => viewer.world.getItemCount() > 0;
    viewer.addHandler("update-viewport", () => isReady() && this.#tell("view"));
    viewer.addHandler("open", () => this.#tell("open"));
    viewer.world.addHandler("add-item", ({ item }) => {
      item.addHandler("fully-loaded-change", ({ fullyLoaded }) => {
        this.element.ariaBusy = String(!fullyLoaded);
      });
    });
    new OpenSeadragon.MouseTracker({
      element: viewer.container,
      moveHandler: ({ position }) => isReady() && this.#tell("point", this.#pixelAt(position)),
    });
    viewer.addHandler("canvas-click", ({ position }) => {
      if (isReady()) this.#tell("point", this.#pixelAt(position)); // a finger does not hover
    });
    viewer.addHandler("canvas-press", ({ position, originalEvent }) => {
      const draws = isReady() && (this.isDrawing || originalEvent.shiftKey);
      this.from = draws ? this.#pixelAt(position) : undefined;
    });
    viewer.addHandler("canvas-drag", (event) => {
      if (!this.from) return;
      event.preventDefaultAction = true;
      this.drawn = this.#between(this.from, this.#pixelAt(event.position));
      this.mark(this.drawn);
    });
    viewer.addHandler("canvas-release", () => {
      if (this.from && this.drawn) this.#tell("box", this.drawn);
      this.from = this.drawn = undefined;
    });
  }

  /** Give the part of the image that two pixels are opposite corners of. */
  #between(a, b) {
    const span = (one, other, length) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      return [Math.max(low, 1), Math.min(high, length)];
    };
    const [left, right] = span(a.x, b.x, this.image.width);
    const [bottom, top] = span(a.y, b.y, this.image.height);
    if (left > right || bottom > top) return undefined;
    return { x: left, y: bottom, width: right - left + 1, height: top - bottom + 1 };
  }
}
