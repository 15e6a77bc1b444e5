// Times that are told as an age grow older while the page is open. The words are the server's (ui/words.go).
export function tellTime() {
  window.setInterval(() => {
    for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-age]")) {
      const words = age((Date.now() - Date.parse(element.dateTime)) / 1000);
      if (element.textContent !== words) element.textContent = words;
    }
  }, 20_000);
}

function age(seconds: number): string {
  if (seconds < 45) return "just now";
  if (seconds < 90 * 60) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}
