// Live regions: the server sends a region anew when something in it changed, and what differs is changed in the
// page, so that focus, selection and open details stay. A page that hears nothing says so.
import htmx from "htmx.org";
import "htmx-ext-sse";
import { Idiomorph } from "idiomorph";

export function live() {
  Object.assign(htmx.config, {
    allowEval: false, allowScriptTags: false, includeIndicatorStyles: false, selfRequestsOnly: true, historyEnabled: false,
  });
  htmx.defineExtension("morph", {
    isInlineSwap: (style: string) => style === "morph",
    handleSwap: (style: string, target: Node, fragment: Node) => {
      if (style !== "morph" || !(target instanceof Element)) return false;
      Idiomorph.morph(target, (fragment as Element).children, {
        morphStyle: "innerHTML",
        ignoreActiveValue: true,
        // What a person opened stays open.
        callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node instanceof HTMLDetailsElement) },
      });
      return [target];
    },
  } as never);

  let stale: number | undefined;
  const fresh = () => {
    window.clearTimeout(stale);
    stale = undefined;
    setStale(false);
  };
  document.addEventListener("htmx:sseOpen", fresh);
  document.addEventListener("htmx:sseMessage", fresh);
  document.addEventListener("htmx:sseError", () => {
    // A page that is being left, or a server that is back at once, is not worth a word.
    stale ??= window.setTimeout(() => setStale(true), 2500);
  });
  // The server was replaced by another version, or the login has ended: what it now shows differs as a whole.
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    const message = (event as CustomEvent<MessageEvent<string>>).detail;
    if (message.type === "reload") {
      event.preventDefault();
      location.reload();
    }
  });
}

function setStale(is: boolean) {
  document.documentElement.classList.toggle("is-stale", is);
  const bar = document.getElementById("stale");
  if (!bar || bar.hidden !== is) return;
  const at = bar.querySelector("time");
  if (is && at) at.textContent = new Date().toLocaleTimeString();
  bar.hidden = !is;
}
