// The cutout: what the form says, what the gateway makes of it, and how to get it.

import { ask, inTurn, writeBox, writeQuery } from "./gateway.js";
import { angle, bytes } from "./format.js";

const COMMANDS = {
  url: (url) => url,
  curl: (url) => `curl -fOJ '${url}'`,
  wget: (url) => `wget --content-disposition '${url}'`,
  python: (url) => `from astropy.io import fits\n\nhdus = fits.open("${url}", cache=False)`,
};

export class Cutout extends EventTarget {
  /** Events: "box" with the pixels that are selected, or none. */
  constructor(form, results, box) {
    super();
    this.form = form;
    this.fields = form.elements;
    this.results = results;
    this.box = box;
    this.refresh = inTurn(() => this.#refresh());
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.refresh());
    this.fields.unit.addEventListener("change", () => this.#convert());
    results.addEventListener("click", (event) => this.#copy(event.target));
  }

  /** What the form asks for; nothing while a field is empty. */
  get query() {
    const { center, size, only, gzip } = this.fields;
    if (!center.value.trim() || !size.value.trim()) return undefined;
    const hdu = only.checked ? this.hdu : undefined;
    const flag = gzip.checked === gzip.defaultChecked ? undefined : String(gzip.checked);
    return { center: center.value.trim(), size: size.value.trim(), hdu, gzip: flag };
  }

  /** Take another HDU: the same area of its image. */
  setHdu(hdu) {
    this.hdu = hdu;
    this.refresh();
  }

  /** Take a box that was drawn. */
  async setBox(box) {
    this.#fill(writeBox(box, this.box));
    if (this.fields.unit.value === "sky") await this.#convert();
    else await this.refresh();
  }

  #fill({ center, size }) {
    this.fields.center.value = center;
    this.fields.size.value = size;
  }

  /** Say the same area in the other unit. */
  async #convert() {
    if (this.query) {
      try {
        const { picture } = await this.#describe(this.query);
        const { sky } = picture;
        if (this.fields.unit.value === "pixels") this.#fill(writeBox(picture, this.box));
        else if (sky) this.#fill(this.#onSky(picture, sky));
      } catch (error) {
        this.#tell(error.message);
      }
    }
    await this.refresh();
  }

  #onSky({ width, height }, sky) {
    const less = this.box === "ibe" ? 1 : 0;
    const side = (degrees, count) => Number((3600 * degrees * (1 - less / count)).toPrecision(8));
    return {
      center: `${sky.ra_deg.toFixed(7)},${sky.dec_deg.toFixed(7)}deg`,
      size: `${side(sky.width_deg, width)},${side(sky.height_deg, height)}arcsec`,
    };
  }

  #describe(query) {
    // one pixel of it is enough: only the numbers are wanted
    const { gzip, ...area } = query;
    return ask({ format: "json", ...area, hdu: this.hdu, width: 1 });
  }

  async #refresh() {
    const { query } = this;
    this.results.hidden = !query;
    if (!query) {
      this.#tell("");
      this.#select(undefined);
      return;
    }
    this.#write(query);
    try {
      const [shown, whole] = await Promise.all([
        this.#describe(query),
        query.hdu === undefined ? ask({ format: "json", ...this.#area(query), width: 1 }) : undefined,
      ]);
      this.#measure(shown.picture, (whole ?? shown).cutout);
      this.#tell("");
      this.#select(shown.picture);
    } catch (error) {
      this.results.hidden = true;
      this.#tell(error.message);
      this.#select(undefined);
    }
  }

  #area({ center, size }) {
    return { center, size };
  }

  #select(box) {
    this.dispatchEvent(new CustomEvent("box", { detail: box }));
  }

  #tell(message) {
    this.form.querySelector("[role=status]").textContent = message;
  }

  #measure({ width, height, sky }, cutout) {
    const onSky = sky ? ` · ${angle(sky.width_deg)} × ${angle(sky.height_deg)}` : "";
    const size = `${width} × ${height} px${onSky} · ${bytes(cutout.bytes)}`;
    this.results.querySelector("[data-size]").textContent = size;
  }

  #write(query) {
    const url = `${location.origin}${location.pathname}?${writeQuery(query)}`;
    for (const [name, write] of Object.entries(COMMANDS)) {
      this.results.querySelector(`[data-command=${name}]`).textContent = write(url);
    }
    this.results.querySelector("[data-download]").href = url;
  }

  async #copy(button) {
    const name = button.dataset.copy;
    if (!name) return;
    const code = this.results.querySelector(`[data-command=${name}]`);
    if (navigator.clipboard) await navigator.clipboard.writeText(code.textContent);
    else {
      // plain HTTP from another machine has no clipboard, but still this
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = before), 1500);
  }
}
