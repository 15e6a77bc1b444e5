// A login link has its secret behind #, which no server and no log ever sees; here it is put into the form.
export function loginFromLink() {
  const form = document.querySelector<HTMLFormElement>("form[data-login-link]");
  if (!form) return;
  const input = form.querySelector<HTMLInputElement>("input[name=link]");
  const take = () => {
    if (location.hash.length < 2 || !input) return;
    input.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
    form.requestSubmit();
  };
  window.addEventListener("hashchange", take);
  take();
}
