// A button with data-copy puts that text into the clipboard.
export function copyOnClick() {
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element && event.target.closest<HTMLElement>("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy ?? "");
    } catch {
      return; // the browser said no, and says so itself
    }
    button.classList.add("is-done");
    announce("Copied");
    window.setTimeout(() => button.classList.remove("is-done"), 1600);
  });
}

/** Says a few words to a screen reader. */
export function announce(words: string) {
  const box = document.getElementById("announce");
  if (box) box.textContent = words;
}
