// A terminal in a container: xterm.js over a WebSocket, which a ticket opens once.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";

/**
 * xterm.js writes its measures into <style> elements, which the page's policy forbids. Here such an element is a style
 * sheet that script made, which the policy allows: nothing that a container writes gets into it.
 */
function stylesBySheet() {
  const original = document.createElement.bind(document);
  document.createElement = ((tag: string, options?: ElementCreationOptions) => {
    if (tag !== "style") return original(tag, options);
    const sheet = new CSSStyleSheet();
    document.adoptedStyleSheets.push(sheet);
    const element = original("template");
    const property = { set: (css: string) => sheet.replaceSync(css), get: () => "" };
    Object.defineProperties(element, {
      textContent: property,
      innerText: property,
      remove: {
        value: () => {
          document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet);
          Element.prototype.remove.call(element);
        },
      },
    });
    return element;
  }) as typeof document.createElement;
}

type Word = { exit?: number; problem?: string };

class Session {
  private readonly terminal = new Terminal({
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    fontSize: 13,
    lineHeight: 1.25,
    scrollback: 10_000,
    screenReaderMode: true,
    theme: { background: "#0c1016", foreground: "#d7dee8", cursor: "#8fb0ff", selectionBackground: "#2b4580" },
  });
  private readonly fit = new FitAddon();
  private socket: WebSocket | undefined;

  constructor(private readonly box: HTMLElement, private readonly state: HTMLElement, private readonly again: HTMLButtonElement) {
    this.terminal.loadAddon(this.fit);
    this.terminal.open(box);
    this.fit.fit();
    new ResizeObserver(() => this.fit.fit()).observe(box);
    this.terminal.onData((data) => this.send(new TextEncoder().encode(data)));
    this.terminal.onBinary((data) => this.send(Uint8Array.from(data, (c) => c.charCodeAt(0))));
    this.terminal.onResize(() => this.resize());
    again.addEventListener("click", () => void this.open());
    void this.open();
  }

  private async open() {
    this.again.hidden = true;
    this.say("Connecting…");
    const form = new URLSearchParams({ proof: this.box.dataset.proof ?? "", element: this.box.dataset.element ?? "" });
    let ticket: string;
    try {
      const answer = await fetch(this.box.dataset.tickets ?? "", { method: "POST", body: form });
      if (!answer.ok) return this.over((await answer.text()).trim());
      ticket = ((await answer.json()) as { ticket: string }).ticket;
    } catch {
      return this.over("The server does not answer.");
    }
    const url = new URL(this.box.dataset.socket ?? "", location.href);
    url.protocol = "wss:";
    url.searchParams.set("ticket", ticket);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let last: Word = { problem: "The connection was lost. What ran in it has ended." };
    socket.addEventListener("open", () => {
      this.say("Connected");
      this.resize();
      this.terminal.focus();
    });
    socket.addEventListener("message", (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") last = JSON.parse(event.data) as Word;
      else this.terminal.write(new Uint8Array(event.data));
    });
    socket.addEventListener("close", () => {
      this.socket = undefined;
      this.over(last.problem ?? `The shell ended with exit code ${last.exit ?? 0}.`);
    });
  }

  private send(data: Uint8Array) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  private resize() {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ width: this.terminal.cols, height: this.terminal.rows }));
    }
  }

  private over(words: string) {
    this.say(words);
    this.again.hidden = false;
  }

  private say(words: string) {
    this.state.textContent = words;
  }
}

const box = document.querySelector<HTMLElement>("[data-terminal]");
const state = document.querySelector<HTMLElement>("[data-terminal-state]");
const again = document.querySelector<HTMLButtonElement>("[data-terminal-again]");
if (box && state && again) {
  stylesBySheet();
  new Session(box, state, again);
}
for (const choice of document.querySelectorAll<HTMLSelectElement>("select[data-sends]")) {
  choice.addEventListener("change", () => choice.form?.requestSubmit());
}
