// The log viewer: lines come as they are written, in batches; the page holds a bounded number of them. Pausing holds
// the page still and loses nothing. All text is put in as text.
import { spans } from "./ansi";

type Line = { t?: string; f?: string; s?: string; x: string };
type Row = { line: Line; element: HTMLElement; text: HTMLElement; plain: string };

/** Lines in the page, and lines that wait while it is paused; beyond them the oldest go. */
const most = 5000;
const mostWaiting = 50_000;

class Viewer {
  private rows: Row[] = [];
  private waiting: Line[] = [];
  private held: Line[] = []; // while paused
  private paused = false;
  private dropped = 0;
  private words = "";
  private last: Line | undefined;
  private seenAtLast = new Set<string>();
  private source: EventSource | undefined;
  private tries = 0;
  private drawing = false;
  private note: HTMLElement | undefined;
  private readonly below = document.createElement("div");
  private readonly list = document.createElement("div");

  constructor(private readonly box: HTMLElement, private readonly tools: Element | null) {
    const newest = document.createElement("button");
    newest.type = "button";
    newest.className = "button small";
    newest.textContent = "Newest lines ↓";
    newest.addEventListener("click", () => this.toEnd());
    this.below.className = "log-below";
    this.below.hidden = true;
    this.below.append(newest);
    box.replaceChildren(this.list, this.below);
    this.say("Waiting for the first line…");
    box.addEventListener("scroll", () => (this.below.hidden = this.atEnd()), { passive: true });
    const find = tools?.querySelector<HTMLInputElement>("#log-find");
    find?.addEventListener("input", () => this.find(find.value));
    const pause = tools?.querySelector<HTMLButtonElement>("[data-log-pause]");
    pause?.addEventListener("click", () => this.pause(pause));
    this.connect();
  }

  private connect() {
    const url = new URL(this.box.dataset.log ?? "", location.href);
    const since = this.last?.t ? (Date.now() - Date.parse(this.last.t)) / 1000 : undefined;
    // After a break it goes on where it was, a little earlier; what is there already is left out.
    if (since !== undefined) url.searchParams.set("since", String(Math.max(1, Math.ceil(since) + 5)));
    else this.clear();
    const source = new EventSource(url);
    this.source = source;
    source.addEventListener("open", () => {
      this.tries = 0;
      if (!this.rows.length) this.say("Nothing was written yet. Lines show here as they come.");
      this.box.classList.remove("is-cut");
    });
    source.addEventListener("lines", (event) => this.take(JSON.parse((event as MessageEvent<string>).data) as Line[]));
    source.addEventListener("problem", (event) => this.say((event as MessageEvent<string>).data));
    source.addEventListener("end", () => {
      source.close();
      if (!this.rows.length && !this.waiting.length) this.say("Nothing was written.");
    });
    source.addEventListener("error", () => {
      source.close();
      this.say("The connection was lost. Trying again…");
      window.setTimeout(() => this.connect(), Math.min(8000, 500 * 2 ** this.tries++));
    });
  }

  private clear() {
    this.rows = [];
    this.list.replaceChildren();
  }

  private take(lines: Line[]) {
    for (const line of lines) {
      if (this.known(line)) continue;
      (this.paused ? this.held : this.waiting).push(line);
    }
    if (this.held.length > mostWaiting) this.dropped += this.held.splice(0, this.held.length - mostWaiting).length;
    if (this.waiting.length && !this.drawing) {
      this.drawing = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  /** Whether a line came before the connection broke. */
  private known(line: Line): boolean {
    if (!line.t) return false;
    const key = `${line.f} ${line.s} ${line.x}`;
    if (this.last?.t && line.t < this.last.t) return this.tries === 0 && this.seenBefore(line);
    if (line.t === this.last?.t) {
      if (this.seenAtLast.has(key)) return true;
      this.seenAtLast.add(key);
    } else this.seenAtLast = new Set([key]);
    this.last = line;
    return false;
  }

  /** A line that is older than the newest is news only if this page has not got it: elements write at once. */
  private seenBefore(line: Line): boolean {
    const same = (other: Line) => other.t === line.t && other.x === line.x && other.f === line.f;
    for (let i = this.rows.length - 1; i >= 0 && i > this.rows.length - 2000; i--) {
      const row = this.rows[i];
      if (row && same(row.line)) return true;
    }
    return this.waiting.some(same) || this.held.some(same);
  }

  private draw() {
    this.drawing = false;
    const stick = this.atEnd();
    const lines = this.waiting.splice(0).slice(-most);
    const news = document.createDocumentFragment();
    for (const line of lines) {
      const row = this.row(line);
      this.rows.push(row);
      news.append(row.element);
    }
    if (this.rows.length > 0) this.say("");
    this.list.append(news);
    const over = this.rows.length - most;
    if (over > 0) {
      for (const row of this.rows.splice(0, over)) row.element.remove();
      this.dropped += over;
    }
    if (stick) this.toEnd();
    else this.below.hidden = false;
    this.count();
  }

  private row(line: Line): Row {
    const element = document.createElement("div");
    element.className = line.s === "stderr" ? "log-line stderr" : "log-line";
    if (line.t) {
      const time = document.createElement("time");
      time.dateTime = line.t;
      time.textContent = new Date(line.t).toLocaleTimeString([], { hour12: false });
      time.title = line.t;
      element.append(time);
    }
    if (line.f) {
      const from = document.createElement("span");
      from.className = "from";
      from.textContent = line.f;
      from.title = line.f;
      element.append(from);
    }
    const text = document.createElement("span");
    text.className = "text";
    element.append(text);
    const row: Row = { line, element, text, plain: "" };
    this.paint(row);
    return row;
  }

  /** Writes a line's text, with its colours and what is looked for. */
  private paint(row: Row) {
    const parts = spans(row.line.x);
    row.plain = parts.map((p) => p.text).join("").toLowerCase();
    const hit = !this.words || row.plain.includes(this.words);
    row.element.classList.toggle("is-hidden", !hit);
    if (!hit) return;
    row.text.replaceChildren(
      ...parts.flatMap(({ text, classes, colour }) => {
        const nodes = this.words ? marked(text, this.words) : [document.createTextNode(text)];
        if (!classes.length && !colour) return nodes;
        const span = document.createElement("span");
        span.classList.add(...classes);
        if (colour) span.style.color = colour;
        span.append(...nodes);
        return [span];
      }),
    );
  }

  private find(words: string) {
    this.words = words.trim().toLowerCase();
    for (const row of this.rows) this.paint(row);
    this.count();
    this.toEnd();
  }

  private count() {
    const found = this.tools?.querySelector<HTMLElement>("[data-log-found]");
    if (!found) return;
    const shown = this.words ? this.rows.filter((r) => r.plain.includes(this.words)).length : this.rows.length;
    found.textContent = this.words ? `${shown} of ${this.rows.length} lines` : `${shown} lines`;
    if (this.dropped) found.title = `${this.dropped} older lines are not on this page: download them.`;
  }

  private pause(button: HTMLButtonElement) {
    this.paused = !this.paused;
    button.setAttribute("aria-pressed", String(this.paused));
    button.classList.toggle("is-on", this.paused);
    const words = button.querySelector("span");
    if (words) words.textContent = this.paused ? "Resume" : "Pause";
    if (!this.paused) {
      this.waiting.push(...this.held.splice(0));
      this.draw();
      this.toEnd();
    }
  }

  private atEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40;
  }

  private toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.below.hidden = true;
  }

  private say(words: string) {
    this.note?.remove();
    this.note = undefined;
    if (!words) return;
    this.note = document.createElement("p");
    this.note.className = "log-note";
    this.note.textContent = words;
    this.list.after(this.note);
  }
}

function marked(text: string, words: string): Node[] {
  const nodes: Node[] = [];
  const lower = text.toLowerCase();
  let at = 0;
  for (let next = lower.indexOf(words); next >= 0; next = lower.indexOf(words, at)) {
    nodes.push(document.createTextNode(text.slice(at, next)));
    const mark = document.createElement("mark");
    mark.textContent = text.slice(next, next + words.length);
    nodes.push(mark);
    at = next + words.length;
  }
  nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}

for (const box of document.querySelectorAll<HTMLElement>("[data-log]")) {
  new Viewer(box, box.closest(".card")?.querySelector(".log-tools") ?? null);
}
for (const choice of document.querySelectorAll<HTMLSelectElement>("select[data-sends]")) {
  choice.addEventListener("change", () => choice.form?.requestSubmit());
}
