// The header of an HDU: its cards, those that hold what is searched for.

const COMMENTS = new Set(["COMMENT", "HISTORY", ""]);

/** Cut a card into keyword, value and comment (FITS 4.0, 4.1). */
function readCard(card) {
  const keyword = card.slice(0, 8).trimEnd();
  const long = /^HIERARCH\s+([^=]*?)\s*=/.exec(card);
  if (long) return [long[1], ...readField(card.slice(long[0].length))];
  if (COMMENTS.has(keyword) || card.slice(8, 10) !== "= ") return [keyword, "", card.slice(8).trim()];
  return [keyword, ...readField(card.slice(10))];
}

function readField(field) {
  const [, value, comment] = /^(\s*'(?:[^']|'')*'|[^/]*)\s*\/?(.*)$/s.exec(field);
  return [value.trim(), comment.trim()];
}

export class HeaderTable {
  constructor(body, search, count) {
    Object.assign(this, { body, search, count, rows: [] });
    search.addEventListener("input", () => this.#filter());
  }

  show(cards) {
    this.rows = cards.map((card) => {
      const row = document.createElement("tr");
      for (const text of readCard(card)) row.insertCell().textContent = text;
      return [row, card.toLowerCase()];
    });
    this.body.replaceChildren(...this.rows.map(([row]) => row));
    this.#filter();
  }

  #filter() {
    const wanted = this.search.value.trim().toLowerCase();
    let found = 0;
    for (const [row, text] of this.rows) {
      row.hidden = !text.includes(wanted);
      found += !row.hidden;
    }
    const all = `${this.rows.length} cards`;
    this.count.textContent = wanted ? `${found} of ${all}` : all;
  }
}
